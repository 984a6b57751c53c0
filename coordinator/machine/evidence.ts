/**
 * @module What the cohort of a round needs to check the newest commit before it shares (secure-aggregation, section 2, step 8):
 * the records of the round that made it, and a check, signed in each Share, that names that commit.
 */
import { leafCount } from '../../protocol/aggregate/leaves.ts';
import { layoutOf } from '../../protocol/aggregate/round.ts';
import { equalBytes, toHex } from '../../protocol/bytes.ts';
import { FloeError } from '../../protocol/errors.ts';
import type { SignedRecord } from '../../protocol/records.ts';
import type { MachineConfig } from './config.ts';
import { send, type Effect } from './effects.ts';
import { isMasked, type Evidence, type Hex, type Round, type State } from './state.ts';

/** The records of a committed round, in the order of the phases; undefined without masks. */
export const evidenceOf = (
  config: MachineConfig,
  round: Round,
  commit: SignedRecord<'commit'>,
): Evidence | undefined => {
  const { open, cohort, sharers, survivors, members } = round;
  if (!isMasked(config) || !open || !cohort || !sharers || !survivors) return undefined;
  const of = <Item>(keys: readonly Uint8Array[], items: ReadonlyMap<Hex, Item>): Item[] =>
    keys.flatMap((key) => items.get(toHex(key)) ?? []);
  const records = [
    open,
    ...of(cohort.body.members, round.registers),
    cohort,
    ...of(sharers.body.members, round.shares).map(({ record }) => record),
    sharers,
    ...of(survivors.body.members, round.uploads).map(({ record }) => record),
    survivors,
    commit,
  ];
  return {
    commit,
    leaves: leafCount(layoutOf(config.spec, members.length)),
    records: records.map(({ bytes }) => bytes),
  };
};

/** Before the cohort frame. */
export const sendEvidence = ({ evidence }: State, to: readonly Hex[]): Effect[] =>
  evidence === undefined ? [] : [send(to, { type: 'evidence', records: [...evidence.records] })];

/** @throws FloeError `record_malformed` when the author does not say that it checked the newest commit */
export const requireCheck = (
  evidence: Evidence | undefined,
  { body }: SignedRecord<'share'>,
): void => {
  const { check } = body;
  if (evidence === undefined && check === undefined) return;
  const fits =
    evidence !== undefined &&
    check !== undefined &&
    equalBytes(check.commit, evidence.commit.hash) &&
    check.leaf < evidence.leaves;
  if (!fits) throw new FloeError('record_malformed', 'expected a check of the newest commit');
};
