/**
 * @module The evidence with which the cohort of an attempt checks the newest commit before it
 * shares (secure-aggregation, section 2, step 8): the records of the attempt that was committed.
 */
import { toHex } from '../../protocol/bytes.ts';
import type { SignedRecord } from '../../protocol/records/records.ts';
import type { MachineConfig } from './config.ts';
import { send, type Effect } from './effects.ts';
import { isMasked, type Evidence, type Hex, type Attempt, type State } from './state.ts';

const of = <Item>(keys: readonly Uint8Array[], items: ReadonlyMap<Hex, Item>): Item[] =>
  keys.flatMap((key) => items.get(toHex(key)) ?? []);

/**
 * The records of a committed round, in the order of the phases, without the answers; undefined
 * without masks.
 */
export const evidenceOf = (
  config: MachineConfig,
  attempt: Attempt,
  commit: SignedRecord<'commit'>,
): Evidence | undefined => {
  const { open, cohort, sharers, survivors } = attempt;
  if (!isMasked(config) || !open || !cohort || !sharers || !survivors) return undefined;
  const records = [
    open,
    ...of(cohort.body.members, attempt.registers),
    cohort,
    ...of(sharers.body.members, attempt.shares).map(({ record }) => record),
    sharers,
    ...of(survivors.body.members, attempt.uploads).map(({ record }) => record),
    survivors,
    ...of(survivors.body.members, attempt.consistent),
    commit,
  ];
  return {
    commit,
    records: records.map(({ bytes }) => bytes),
  };
};

/** Before the cohort frame. */
export const sendEvidence = ({ evidence }: State, to: readonly Hex[]): Effect[] =>
  evidence === undefined ? [] : [send(to, { type: 'evidence', records: [...evidence.records] })];
