/**
 * @module Verifies the run of a stage, as an auditor with the coordinator's keys would.
 */
import { journalLedger, wholeTranscript } from '../../coordinator/index.ts';
import { sealedBoxGate } from '../../protocol/ports/sealed-box-gate.ts';
import type { RunSpec } from '../../protocol/spec/run-spec.ts';
import { verifyRun } from '../../protocol/verify/index.ts';
import type { Stage } from './run.ts';

export const verifyStage = async (
  stage: Stage,
  {
    spec = stage.spec,
    transcript,
  }: { readonly spec?: RunSpec; readonly transcript?: Uint8Array } = {},
): ReturnType<typeof verifyRun> =>
  verifyRun({
    spec,
    transcript: transcript ?? (await wholeTranscript(stage.journal)),
    store: stage.store,
    gate: sealedBoxGate(stage.coordinatorIdentity),
    // The journal's freezes are of its own transcript, and not of another one.
    ...(transcript === undefined ? { ledger: journalLedger(stage.journal) } : {}),
  });
