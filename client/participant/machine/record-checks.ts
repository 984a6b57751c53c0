/**
 * @module A participant's checks of everything that the coordinator sends: the rules of the attempt
 * (`protocol/rules`) over the received records, and the equality of its own records and entries
 * with those it made. Each function throws the `FloeError` that names the broken rule. Sources:
 * Bonawitz et al. 2017, Pasquini et al. 2022.
 */
import { equalBytes, toHex } from '../../../protocol/bytes.ts';
import { FloeError } from '../../../protocol/errors.ts';
import type { ServerFrame } from '../../../protocol/wire/messages.ts';
import {
  COORDINATOR_RECORDS,
  decodeRecordOf,
  type SignedRecord,
} from '../../../protocol/records/records.ts';
import {
  contextOf,
  emptyView,
  graphOf,
  includes,
  livingGroups,
  groupOf,
  requireLawful,
  withRecord,
  type CohortGroup,
  type LedgerFacts,
  type AttemptView,
} from '../../../protocol/rules/index.ts';
import { drawsInvited, groupSizeOf, leastSummed } from '../../../protocol/robust/groups.ts';
import type { RunSpec } from '../../../protocol/spec/run-spec.ts';
import {
  entryHash,
  freezeCohort,
  holderPlace,
  indexOf,
  showsEntry,
  type Cohort,
  type GuardRules,
} from '../../../protocol/secagg/index.ts';

/** No record has this hash. */
const NOTHING = new Uint8Array();

/** What stays the same through a run. */
export interface RunView {
  readonly spec: RunSpec;
  readonly run: Uint8Array;
  /** Own key. */
  readonly self: Uint8Array;
  /** See `AttemptView`. */
  readonly beacon: AttemptView['beacon'];
}

/** A view in which the attempt is open. */
export type OpenView = AttemptView & { readonly open: SignedRecord<'open'> };

/**
 * Signed by the coordinator, for this run. @throws FloeError `signature_invalid`, `record_replayed`
 */
export const checkCoordinatorRecord = (view: RunView, record: SignedRecord): void => {
  if (!COORDINATOR_RECORDS.has(record.type) || !equalBytes(record.author, view.spec.coordinator))
    throw new FloeError('signature_invalid', `the ${record.type} record is not the coordinator's`, {
      author: toHex(record.author),
    });
  if (!equalBytes(record.run, view.run))
    throw new FloeError('record_replayed', `the ${record.type} record belongs to another run`);
};

/**
 * The Open record of an attempt not yet seen.
 *
 * @param previous the last commit that this participant knows
 * @param committed how many it knows
 * @throws FloeError of the rules of Open; `not_drawn` for groups that a coordinator chooses by
 * refusing registrations: a verifier accepts such runs, which are older
 */
export const checkOpen = (
  { spec, run, beacon }: RunView,
  open: SignedRecord<'open'>,
  previous: SignedRecord<'commit'> | undefined,
  committed = 0,
): OpenView => {
  const view = emptyView({ spec, run, attempt: open.attempt, previous, committed, beacon });
  if (groupSizeOf(spec) !== undefined && !drawsInvited(spec) && beacon === 'members')
    throw new FloeError(
      'not_drawn',
      'the run draws its groups after the coordinator has seen who registers; expected `robust.drawn`, or a ledger whose beacon follows the freeze',
    );
  requireLawful(view, open);
  return { ...view, open };
};

/** A cohort record that was checked, with what follows from it. */
export interface CheckedCohort {
  readonly record: SignedRecord<'cohort'>;
  readonly view: OpenView & { readonly cohort: SignedRecord<'cohort'> };
  readonly cohort: Cohort;
  readonly context: Uint8Array;
  /** The own group: of a run without groups, the whole cohort. */
  readonly group: CohortGroup;
}

/**
 * The cohort record and the registrations that came with it.
 *
 * @throws FloeError of the rules of Register and Cohort; `not_in_cohort`
 */
export const checkCohort = (
  { spec, self }: RunView,
  opened: OpenView,
  ownRegister: Uint8Array,
  frame: Extract<ServerFrame, { type: 'cohort' }>,
  record: SignedRecord<'cohort'>,
  ledger: LedgerFacts,
): CheckedCohort => {
  const { members } = record.body;
  if (frame.registers.length !== members.length)
    throw new FloeError(
      'record_malformed',
      `expected ${members.length} registrations, got ${frame.registers.length}`,
    );
  let view: AttemptView = { ...opened, ledger };
  const registers = frame.registers.map((bytes, i) => {
    const register = decodeRecordOf('register', bytes);
    // The list beside the record is signed by nobody: what the record does not name proves nothing.
    if (!equalBytes(register.hash, record.body.registers[i] ?? NOTHING)) {
      requireLawful(view, record);
      throw new FloeError('record_malformed', `registration ${i} is not the one the cohort names`);
    }
    requireLawful(view, register, record);
    view = withRecord(view, register);
    return register;
  });
  requireLawful(view, record);
  const cohort = freezeCohort(
    registers.map(({ author, body: { mask, seal } }) => ({ id: author, mask, seal })),
    record.body.beacon,
    { graph: graphOf({ spec, cohort: record }) },
  );
  // Somebody else's keys under the own name would receive the shares that are meant for this
  // participant.
  const own = frame.registers[indexOf(cohort, self)] as Uint8Array;
  if (!equalBytes(own, ownRegister))
    throw new FloeError('record_malformed', 'the own registration is not the one that was sent');
  const known = { ...view, open: opened.open, cohort: record };
  return {
    record,
    view: known,
    cohort,
    context: contextOf(known),
    group: groupOf(known, self)!,
  };
};

/** What the guard demands of the sharers and survivors of the own group. */
export const guardRules = (
  { spec }: Pick<RunView, 'spec'>,
  { group }: CheckedCohort,
): GuardRules => ({
  minimum: leastSummed(spec),
  threshold: group.threshold,
});

/** The set U1, with the share record of each sharer and its entry for this participant. */
export interface CheckedSharers {
  readonly record: SignedRecord<'sharers'>;
  readonly view: AttemptView;
  readonly inbox: readonly {
    readonly author: Uint8Array;
    /**
     * As its author signed it, and what shows that; empty in the own place, and of who is no
     * neighbour.
     */
    readonly entry: Uint8Array;
    readonly path: Uint8Array;
    readonly record: SignedRecord<'share'>;
  }[];
}

/**
 * @throws FloeError of the rules of Share and Sharers; `share_invalid`, `survivors_inconsistent`
 */
export const checkSharers = (
  { self }: RunView,
  checked: CheckedCohort,
  ownShare: Uint8Array,
  frame: Extract<ServerFrame, { type: 'sharers' }>,
  record: SignedRecord<'sharers'>,
): CheckedSharers => {
  const { members } = record.body;
  if (frame.inbox.length !== members.length)
    throw new FloeError(
      'record_malformed',
      `expected ${members.length} shares, got ${frame.inbox.length}`,
    );
  let view: AttemptView = checked.view;
  const inbox = frame.inbox.map(({ record: bytes, entry, path }, i) => {
    const share = decodeRecordOf('share', bytes);
    const { author } = share;
    if (!equalBytes(share.hash, record.body.shares[i] ?? NOTHING)) {
      requireLawful(view, record);
      throw new FloeError('record_malformed', `share ${i} is not the one the record names`);
    }
    requireLawful(view, share, record);
    view = withRecord(view, share);
    if (!equalBytes(author, members[i] as Uint8Array))
      throw new FloeError('record_malformed', `share ${i} is not that of sharer ${i}`);
    if (equalBytes(author, self)) {
      if (!equalBytes(bytes, ownShare))
        throw new FloeError('record_malformed', 'the own share is not the one that was sent');
      return { author, entry: NOTHING, path: NOTHING, record: share };
    }
    const place = holderPlace(checked.cohort, author, self);
    if (place === undefined) return { author, entry: NOTHING, path: NOTHING, record: share };
    const { context, entries } = share.body;
    if (!showsEntry({ context, author }, entries, place, entryHash(entry), path))
      throw new FloeError('share_invalid', 'an entry is not the one its author signed', {
        author: toHex(author),
      });
    return { author, entry, path, record: share };
  });
  requireLawful(view, record);
  if (!includes(members, self))
    throw new FloeError(
      'survivors_inconsistent',
      'this participant shared and is not among the sharers',
    );
  return { record, view: { ...view, sharers: record }, inbox };
};

/**
 * The survivor record.
 *
 * @param view with the sharers (masked) or the cohort
 * @param ownUpload hash of the own upload record
 * @throws FloeError of the rules of Survivors; `survivors_inconsistent`
 */
export const checkSurvivors = (
  { self }: RunView,
  view: AttemptView,
  ownUpload: Uint8Array,
  record: SignedRecord<'survivors'>,
  ledger: LedgerFacts,
): AttemptView => {
  requireLawful({ ...view, ledger: { ...view.ledger, ...ledger } }, record);
  const { members, uploads } = record.body;
  const own = members.findIndex((member) => equalBytes(member, self));
  if (own < 0)
    throw new FloeError(
      'survivors_inconsistent',
      'this participant uploaded and is not a survivor',
    );
  if (!equalBytes(uploads[own] as Uint8Array, ownUpload))
    throw new FloeError('survivors_inconsistent', 'another upload is counted than the own one');
  return { ...view, survivors: record };
};

/**
 * The consistency round: enough survivors of every group have signed the very set that this
 * participant has seen. Those of the own group alone would let a coordinator see the sum of one
 * group before it shows the others a set with or without it.
 *
 * @param view with the cohort and the survivors
 * @throws FloeError of the rules of Consistent: a single record over another set proves two sets;
 *   `survivors_inconsistent` for fewer than the threshold
 */
export const checkConsistency = (
  view: AttemptView & { readonly cohort: SignedRecord<'cohort'> },
  frame: Extract<ServerFrame, { type: 'consistency' }>,
): void => {
  let seen: AttemptView = view;
  for (const bytes of frame.records) {
    const record = decodeRecordOf('consistent', bytes);
    requireLawful(seen, record);
    seen = withRecord(seen, record);
  }
  const living = livingGroups(view, view.survivors?.body.members ?? []);
  for (const { group, present } of living) {
    const signed = present.filter((key) => seen.consistents.has(toHex(key))).length;
    if (signed < group.threshold)
      throw new FloeError(
        'survivors_inconsistent',
        `expected ${group.threshold} survivors${living.length > 1 ? ' of each group' : ''} to have signed the set, got ${signed}`,
      );
  }
  if (living.length === 0)
    throw new FloeError('survivors_inconsistent', 'expected survivors who sign the set, got none');
};

/**
 * @param seen what this participant knows of the attempt, if it was in it @throws FloeError of the
 * rules of Commit
 */
export const checkCommit = (
  { spec, run, beacon }: RunView,
  commit: SignedRecord<'commit'>,
  seen: AttemptView | undefined,
): void => requireLawful(seen ?? emptyView({ spec, run, attempt: commit.attempt, beacon }), commit);
