/**
 * @module Every survivor set that was frozen on one model, as the Move package keeps them: the
 * table `attempts` names the latest attempt on a model by its hash, and each attempt the one
 * before. The package writes both itself when a cohort is frozen, so the coordinator can leave none
 * out (specification, section 2.0 c).
 */
import type { ClientWithCoreApi } from '@mysten/sui/client';
import { equalBytes, toHex } from '../../bytes.ts';
import { FloeError } from '../../errors.ts';
import { dynamicField, type ReadLimits } from './chain.ts';
import type { FrozenSet } from '../../ports/ledger.ts';
import { bytes, Round, u64 } from './layout.ts';
import type { SuiRun } from './run.ts';

type FrozenRound = typeof Round.$inferType;

/** @returns the attempt with this number; undefined when its cohort is not frozen */
export const roundOf = async (
  client: ClientWithCoreApi,
  { rounds }: SuiRun,
  round: number,
  limits: ReadLimits = {},
): Promise<FrozenRound | undefined> => {
  const key = u64.serialize(round).toBytes();
  const value = await dynamicField(client, rounds, 'u64', key, limits);
  return value && Round.parse(value);
};

/** By keys: the package has derived the addresses of the cohort from them, in the same order. */
const setOf = (round: number, frozen: FrozenRound): FrozenSet[] => {
  const cohort = frozen.members.map((key) => Uint8Array.from(key));
  const survivors = new Set(frozen.survivors);
  const members = cohort.filter((_, at) => survivors.has(frozen.cohort[at] ?? ''));
  return frozen.survivors === null ? [] : [{ round, cohort, members }];
};

/**
 * The sets on the model of a version, ascending.
 * @throws FloeError `ledger_unavailable` when the version is not on chain, or an attempt of the
 * list cannot be read; `context_mismatch` when the version has another hash
 */
export const familyOf = async (
  client: ClientWithCoreApi,
  run: SuiRun,
  version: number,
  modelHash: Uint8Array,
  limits: ReadLimits = {},
): Promise<readonly FrozenSet[]> => {
  const key = u64.serialize(version).toBytes();
  const hash = await dynamicField(client, run.models, 'u64', key, limits);
  if (hash === undefined)
    throw new FloeError('ledger_unavailable', `model ${version} is not on chain yet`);
  if (!equalBytes(Uint8Array.from(bytes.parse(hash)), modelHash))
    throw new FloeError('context_mismatch', `the ledger holds another model of round ${version}`);
  const latest = await dynamicField(client, run.attempts, 'vector<u8>', hash, limits);
  const sets: FrozenSet[] = [];
  let at = latest === undefined ? null : u64.parse(latest);
  while (at !== null) {
    const round = Number(at);
    // Each attempt names the one before.
    const found = await roundOf(client, run, round, limits);
    if (found === undefined)
      throw new FloeError(
        'ledger_unavailable',
        `attempt ${round} on the model ${toHex(modelHash)} cannot be read`,
      );
    sets.push(...setOf(round, found));
    at = found.previous;
  }
  return sets.toSorted((a, b) => a.round - b.round);
};
