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
import { bytes, Attempt, u64 } from './layout.ts';
import type { SuiRun } from './run.ts';

type FrozenRecord = typeof Attempt.$inferType;

/** @returns the attempt with this number; undefined when its cohort is not frozen */
export const attemptOf = async (
  client: ClientWithCoreApi,
  { attempts }: SuiRun,
  attempt: number,
  limits: ReadLimits = {},
): Promise<FrozenRecord | undefined> => {
  const key = u64.serialize(attempt).toBytes();
  const value = await dynamicField(client, attempts, 'u64', key, limits);
  return value && Attempt.parse(value);
};

/** By keys: the package has derived the addresses of the cohort from them, in the same order. */
const setOf = (attempt: number, frozen: FrozenRecord): FrozenSet[] => {
  const cohort = frozen.members.map((key) => Uint8Array.from(key));
  const survivors = new Set(frozen.survivors);
  const members = cohort.filter((_, at) => survivors.has(frozen.cohort[at] ?? ''));
  return frozen.survivors === null ? [] : [{ attempt, cohort, members }];
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
    throw new FloeError('context_mismatch', `the ledger holds another model of attempt ${version}`);
  const latest = await dynamicField(client, run.latest, 'vector<u8>', hash, limits);
  const sets: FrozenSet[] = [];
  let at = latest === undefined ? null : u64.parse(latest);
  while (at !== null) {
    const attempt = Number(at);
    // Each attempt names the one before.
    const found = await attemptOf(client, run, attempt, limits);
    if (found === undefined)
      throw new FloeError(
        'ledger_unavailable',
        `attempt ${attempt} on the model ${toHex(modelHash)} cannot be read`,
      );
    sets.push(...setOf(attempt, found));
    at = found.previous;
  }
  return sets.toSorted((a, b) => a.attempt - b.attempt);
};
