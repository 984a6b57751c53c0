/**
 * @module Begins a run, or resumes it: from the journal, from its parent, or from the model that
 * its seed gives. Every step can be repeated after a crash.
 */
import { equalBytes, toHex } from '../protocol/bytes.ts';
import { FloeError } from '../protocol/errors.ts';
import { cryptoReady } from '../protocol/ports/identity.ts';
import { genesis } from '../protocol/records/transcript.ts';
import { firstBeacon } from '../protocol/rules/beacon.ts';
import type { CoordinatorInit } from './coordinator.ts';
import { firstContent } from './version-zero.ts';
import type { Loop } from './loop.ts';
import type { Machine, Work } from './machine/index.ts';
import type { ModelKeeper } from './model-keeper.ts';

export interface StartingInit extends Pick<
  CoordinatorInit,
  'spec' | 'identity' | 'gate' | 'ledger' | 'initialModel' | 'initialState' | 'reconnectMs' | 'log'
> {
  readonly run: Uint8Array;
  readonly machine: Machine;
  readonly startWith: number;
  readonly loop: Loop;
  readonly keeper: ModelKeeper;
  readonly startWork: (work: Work) => void;
  readonly signal: AbortSignal;
}

/** @throws FloeError `spec_invalid` */
const checkPorts = ({ spec, identity, gate }: StartingInit): void => {
  if (!equalBytes(identity.publicKey, spec.coordinator))
    throw new FloeError('spec_invalid', 'the specification names another coordinator');
  if (spec.access !== undefined && !gate.policies)
    throw new FloeError(
      'spec_invalid',
      `access.models: expected a gate with policies on chain, got ${gate.kind}`,
    );
};

const publishInitial = async (init: StartingInit): Promise<void> => {
  const { spec, identity, keeper, loop, signal, startWith } = init;
  const readers = [identity.publicKey, ...spec.auditors];
  const first = keeper.prepare(firstContent(init), 0);
  await loop.persist(async () => {
    const model = await keeper.publish(first, readers, signal);
    loop.dispatch({ type: 'started', model, beacon: firstBeacon(identity, spec.id), startWith });
  });
  await loop.drained();
};

/** Version 0 in the ledger; the same again after a crash. */
const registerInitial = async ({ spec, run, ledger, loop }: StartingInit): Promise<void> => {
  const { attempt, model } = loop.state;
  if (attempt > 0 || model === undefined) return;
  const { hash: modelHash, state: stateHash, blob } = model;
  const version = { run, attempt: 0, modelHash, stateHash, blob, transcriptRoot: genesis(run) };
  const object = spec.parent?.object;
  await ledger.registerModel(version, object === undefined ? {} : { parent: `0x${toHex(object)}` });
};

/**
 * Restores the run from the journal and resumes it, or begins it.
 * @throws FloeError `journal_corrupt`, `spec_mismatch`, `spec_invalid`, what store, gate and ledger
 * throw
 */
export const startRun = async (init: StartingInit): Promise<void> => {
  const { loop, log, machine, startWith, startWork, reconnectMs: reconnect } = init;
  await cryptoReady;
  checkPorts(init);
  const replayed = await loop.open();
  const { phase, model } = loop.state;
  if (model === undefined) await publishInitial(init);
  else {
    log.info({ replayed, phase: phase.type }, 'resumed');
    loop.dispatch({
      type: 'resumed',
      startWith,
      ...(reconnect === undefined ? {} : { reconnect }),
    });
    await loop.drained();
    // A phase that the restart itself began has started its own work.
    if (loop.state.phase.type === phase.type)
      machine.pendingWork(loop.state).forEach((work) => startWork(work));
  }
  await loop.persist(() => registerInitial(init));
};
