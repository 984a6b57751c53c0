/**
 * @module The coordinator's part of central privacy: the noise is in the sum before anything
 * follows from it. Its key derives from the sealing secret, the attempt and the survivors: work
 * that is repeated after a crash draws the same noise, so two draws never show one sum twice.
 */
import { addNoiseOfRound, isCentral } from '../protocol/algorithm/central-noise.ts';
import { specAt } from '../protocol/algorithm/round.ts';
import { unmaskedReaders } from '../protocol/model/key-envelopes.ts';
import { FloeError } from '../protocol/errors.ts';
import type { AccessGate } from '../protocol/ports/access-gate.ts';
import { deriveSeed } from '../protocol/ports/random.ts';
import type { Body } from '../protocol/records/records.ts';
import type { Lanes } from '../protocol/secagg/index.ts';
import type { RunSpec } from '../protocol/spec/run-spec.ts';
import type { Attempt } from './machine/index.ts';

export interface CentralNoiseInit {
  readonly spec: RunSpec;
  readonly run: Uint8Array;
  readonly gate: Pick<AccessGate, 'wrap'>;
  /** 32 bytes. Secret. */
  readonly sealingSecret: Uint8Array;
}

/**
 * Adds the noise to the sum, in place, where the run has central privacy.
 *
 * @returns what the commit says of it
 * @throws FloeError of the gate
 */
export const noiseSum = async (
  { spec, run, gate, sealingSecret }: CentralNoiseInit,
  { attempt, open, survivors, members }: Attempt,
  lanes: Lanes,
): Promise<Pick<Body<'commit'>, 'noise'>> => {
  if (!isCentral(spec)) return {};
  if (open === undefined || survivors === undefined)
    throw new FloeError('internal', 'the attempt has no survivors whose sum gets noise');
  const key = deriveSeed(sealingSecret, 'central-noise', run, attempt, survivors.body.hash);
  const { meanExamples } = open.body;
  const of = { n: members.length, meanExamples, survivors: survivors.body.members.length };
  addNoiseOfRound({ spec: specAt(spec, open.body), ...of }, lanes, key);
  const purpose = { run, attempt, role: 'update' } as const;
  return { noise: { envelope: await gate.wrap(key, purpose, unmaskedReaders(spec)) } };
};
