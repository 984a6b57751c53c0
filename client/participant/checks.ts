/**
 * @module What a participant checks of everything the coordinator says, as pure functions. Each throws the `FloeError` that
 * names the broken rule; the caller then withdraws from the round. Rules: Bonawitz et al. 2017, Pasquini et al. 2022.
 */
import { equalBytes, sha256, toHex } from '../../protocol/bytes.ts';
import { FloeError } from '../../protocol/errors.ts';
import { cohortEntropy, localBeacon } from '../../protocol/ledger/beacon.ts';
import type { ServerFrame } from '../../protocol/messages.ts';
import {
  COORDINATOR_RECORDS,
  decodeRecordOf,
  survivorsHash,
  type SignedRecord,
} from '../../protocol/records.ts';
import { requireSelection } from '../../protocol/rules/selection.ts';
import { mayBeginWith, type RunSpec } from '../../protocol/run-spec.ts';
import {
  cohortRoot,
  findIndex,
  freezeCohort,
  indexOf,
  parseEntry,
  requireSortedIds,
  roundContext,
  type Cohort,
} from '../../protocol/secagg/index.ts';

/** What stays the same through a run. */
export interface RunView {
  readonly spec: RunSpec;
  readonly run: Uint8Array;
  /** Own key. */
  readonly self: Uint8Array;
  /** `local`: the beacon follows from the members' nonces. `ledger`: the caller compares it with the ledger's. */
  readonly beacon: 'local' | 'ledger';
}

const differ = (
  code: 'record_malformed' | 'context_mismatch' | 'survivors_inconsistent',
  what: string,
): FloeError => new FloeError(code, what);

/** Signed by the coordinator, for this run. @throws FloeError `signature_invalid`, `record_replayed` */
export const checkCoordinatorRecord = (view: RunView, record: SignedRecord): void => {
  if (!COORDINATOR_RECORDS.has(record.type) || !equalBytes(record.author, view.spec.coordinator))
    throw new FloeError('signature_invalid', `the ${record.type} record is not the coordinator's`, {
      author: toHex(record.author),
    });
  if (!equalBytes(record.run, view.run))
    throw new FloeError('record_replayed', `the ${record.type} record belongs to another run`);
};

/** Signed by a member, for this run and round. */
const checkMemberRecord = (view: RunView, round: number, record: SignedRecord): void => {
  if (!equalBytes(record.run, view.run) || record.round !== round)
    throw new FloeError(
      'record_replayed',
      `a ${record.type} record belongs to another run or round`,
      { author: toHex(record.author) },
    );
};

/**
 * The open record of a round not yet seen.
 *
 * @param commit the last commit this participant knows: the coordinator may not go back behind it or show another model for it
 * @throws FloeError `spec_mismatch`, `record_malformed`, `record_conflict`, `not_a_member`, `batch_incomplete`
 */
export const checkOpen = (
  view: RunView,
  open: SignedRecord<'open'>,
  commit: SignedRecord<'commit'> | undefined,
): void => {
  const { config, invited, model } = open.body;
  if (!equalBytes(config, view.run))
    throw new FloeError('spec_mismatch', 'the round is opened under another configuration');
  requireSortedIds(invited, 'record_malformed', 'invited');
  requireSelection(view.spec, invited, 'invited');
  if (model.version >= open.round)
    throw differ(
      'record_malformed',
      `round ${open.round} cannot start from the model of round ${model.version}`,
    );
  if (model.version === 0 && !mayBeginWith(view.spec, model.hash))
    throw new FloeError('spec_mismatch', 'the run starts from another model than it says');
  if (commit === undefined) return;
  const same = equalBytes(model.hash, commit.body.model.hash);
  if (model.version < commit.round || (model.version === commit.round && !same))
    throw new FloeError(
      'record_conflict',
      `round ${open.round} starts from another model than the one committed in round ${commit.round}`,
    );
};

/** A cohort record that was checked, with what follows from it. */
export interface CheckedCohort {
  readonly record: SignedRecord<'cohort'>;
  readonly cohort: Cohort;
  readonly context: Uint8Array;
  /** t; 0 without masks. */
  readonly threshold: number;
  /** Fewest sharers and survivors whose sum may be opened. */
  readonly least: number;
}

/** Recomputes everything the cohort record claims. @throws FloeError `record_malformed`, `cohort_too_small`, `cohort_too_large`, `key_invalid`, `signature_invalid`, `record_replayed`, `not_in_cohort`, `not_a_member`, `batch_incomplete` */
export const checkCohort = (
  view: RunView,
  open: SignedRecord<'open'>,
  ownRegister: Uint8Array,
  frame: Extract<ServerFrame, { type: 'cohort' }>,
  record: SignedRecord<'cohort'>,
): CheckedCohort => {
  const { spec, run, self } = view;
  const { members, registers, root, beacon } = record.body;
  const n = members.length;
  if (!equalBytes(root, cohortRoot(members)))
    throw differ('record_malformed', 'the root of the cohort is not that of its members');
  if (n < spec.cohort.minimum)
    throw new FloeError(
      'cohort_too_small',
      `expected at least ${spec.cohort.minimum} members, got ${n}`,
    );
  if (n > spec.cohort.size)
    throw new FloeError(
      'cohort_too_large',
      `expected at most ${spec.cohort.size} members, got ${n}`,
    );
  requireSelection(spec, members, 'cohort');
  if (registers.length !== n || frame.registers.length !== n)
    throw differ('record_malformed', `expected ${n} registrations, got ${frame.registers.length}`);
  const invited = new Set(open.body.invited.map(toHex));
  const nonces: Uint8Array[] = [];
  const registered = frame.registers.map((bytes, i) => {
    const register = decodeRecordOf('register', bytes);
    const member = members[i] as Uint8Array;
    checkMemberRecord(view, record.round, register);
    if (!equalBytes(register.author, member) || !equalBytes(register.hash, registers[i]!))
      throw differ('record_malformed', `registration ${i} is not the one the cohort record names`);
    if (!equalBytes(register.body.open, open.hash))
      throw new FloeError('record_replayed', `registration ${i} answers another open record`);
    if (!invited.has(toHex(member)))
      throw new FloeError('not_in_cohort', `member ${i} was not invited`);
    nonces.push(register.body.nonce);
    return { id: member, keys: { x25519: register.body.x25519, mlkem: register.body.mlkem } };
  });
  const cohort = freezeCohort(registered);
  if (view.beacon === 'local' && !equalBytes(beacon, localBeacon(root, cohortEntropy(nonces))))
    throw differ('record_malformed', "the beacon is not that of the members' nonces");
  // Somebody else's keys under the own name would receive the shares that are meant for this participant.
  const own = frame.registers[indexOf(cohort, self)] as Uint8Array;
  if (!equalBytes(own, ownRegister))
    throw differ('record_malformed', 'the own registration is not the one that was sent');
  const threshold = spec.secagg === 'masked' ? cohort.threshold : 0;
  if (record.body.threshold !== threshold)
    throw differ(
      'record_malformed',
      `expected the threshold ${threshold}, got ${record.body.threshold}`,
    );
  const context = roundContext({
    runHash: run,
    round: record.round,
    modelHash: open.body.model.hash,
    configHash: open.body.config,
    cohortRoot: root,
    beacon,
  });
  return { record, cohort, context, threshold, least: Math.max(spec.cohort.minimum, threshold) };
};

/** The set U1, with the share record of each sharer and its entry for this participant. */
export interface CheckedSharers {
  readonly record: SignedRecord<'sharers'>;
  readonly inbox: readonly {
    readonly author: Uint8Array;
    /** KEM ciphertext and sealed shares; the own one is empty. */
    readonly entry: Uint8Array;
  }[];
}

/** @throws FloeError `context_mismatch`, `record_malformed`, `not_in_cohort`, `not_enough_shares`, `share_invalid`, `survivors_inconsistent` */
export const checkSharers = (
  view: RunView,
  { cohort, context, least }: CheckedCohort,
  ownShare: Uint8Array,
  frame: Extract<ServerFrame, { type: 'sharers' }>,
  record: SignedRecord<'sharers'>,
): CheckedSharers => {
  const { members, shares } = record.body;
  if (!equalBytes(record.body.context, context))
    throw differ('context_mismatch', 'the sharers record is bound to another context');
  requireSortedIds(members, 'record_malformed', 'sharers');
  if (members.length < least)
    throw new FloeError(
      'not_enough_shares',
      `expected at least ${least} sharers, got ${members.length}`,
    );
  requireSelection(view.spec, members, 'sharers');
  if (shares.length !== members.length || frame.inbox.length !== members.length)
    throw differ('record_malformed', `expected ${members.length} shares, got ${shares.length}`);
  const ownIndex = indexOf(cohort, view.self);
  let listed = false;
  const inbox = frame.inbox.map(({ record: bytes, entry }, i) => {
    const share = decodeRecordOf('share', bytes);
    const author = members[i] as Uint8Array;
    checkMemberRecord(view, record.round, share);
    indexOf(cohort, author);
    if (!equalBytes(share.author, author) || !equalBytes(share.hash, shares[i]!))
      throw differ('record_malformed', `share ${i} is not the one the sharers record names`);
    if (!equalBytes(share.body.context, context))
      throw differ('context_mismatch', `share ${i} is bound to another context`);
    if (equalBytes(author, view.self)) {
      listed = true;
      if (!equalBytes(bytes, ownShare))
        throw differ('record_malformed', 'the own share is not the one that was sent');
      return { author, entry: new Uint8Array(0) };
    }
    const committed = share.body.entries[ownIndex];
    if (committed === undefined || !equalBytes(sha256(entry), committed))
      throw new FloeError('share_invalid', 'an entry is not the one its author signed', {
        author: toHex(author),
      });
    parseEntry(author, view.self, entry);
    return { author, entry };
  });
  if (!listed)
    throw differ('survivors_inconsistent', 'this participant shared and is not among the sharers');
  return { record, inbox };
};

/**
 * The survivor record.
 *
 * @param among U1 (masked) or the cohort
 * @param ownUpload hash of the own upload record
 * @throws FloeError `context_mismatch`, `record_malformed`, `survivors_inconsistent`, `cohort_too_small`, `both_secrets_requested`
 */
export const checkSurvivors = (
  view: RunView,
  { context, least }: CheckedCohort,
  among: readonly Uint8Array[],
  ownUpload: Uint8Array,
  record: SignedRecord<'survivors'>,
): void => {
  const { members, uploads, hash, rejected } = record.body;
  if (!equalBytes(record.body.context, context))
    throw differ('context_mismatch', 'the survivors record is bound to another context');
  requireSortedIds(members, 'survivors_inconsistent', 'survivors');
  if (uploads.length !== members.length)
    throw differ('record_malformed', `expected ${members.length} uploads, got ${uploads.length}`);
  if (!equalBytes(hash, survivorsHash(context, members, uploads)))
    throw differ('survivors_inconsistent', 'the hash is not that of the survivor set');
  const known = new Set(among.map(toHex));
  if (!members.every((member) => known.has(toHex(member))))
    throw differ('survivors_inconsistent', 'a survivor is not among those whose shares arrived');
  const alive = new Set(members.map(toHex));
  if (rejected.some(({ member }) => alive.has(toHex(member))))
    throw new FloeError('both_secrets_requested', 'a peer is listed as survivor and as rejected');
  if (members.length < least)
    throw new FloeError(
      'cohort_too_small',
      `expected at least ${least} survivors, got ${members.length}`,
    );
  requireSelection(view.spec, members, 'survivors');
  const own = members.findIndex((member) => equalBytes(member, view.self));
  if (own < 0)
    throw differ('survivors_inconsistent', 'this participant uploaded and is not a survivor');
  if (!equalBytes(uploads[own]!, ownUpload))
    throw differ('survivors_inconsistent', 'another upload is counted than the own one');
};

/**
 * The consistency round: enough survivors have signed the very set this participant has seen.
 *
 * @throws FloeError `survivors_inconsistent` also when a single record is over another set: that is the proof of two sets
 */
export const checkConsistency = (
  view: RunView,
  { cohort, context, threshold }: CheckedCohort,
  survivors: SignedRecord<'survivors'>,
  frame: Extract<ServerFrame, { type: 'consistency' }>,
): void => {
  const alive = new Set(survivors.body.members.map(toHex));
  const signers = new Set<string>();
  for (const bytes of frame.records) {
    const record = decodeRecordOf('consistent', bytes);
    checkMemberRecord(view, survivors.round, record);
    const signer = toHex(record.author);
    if (findIndex(cohort, record.author) === undefined || !alive.has(signer))
      throw new FloeError('not_in_cohort', 'a consistency record is not by a survivor', {
        author: signer,
      });
    if (
      !equalBytes(record.body.context, context) ||
      !equalBytes(record.body.survivors, survivors.body.hash)
    )
      throw new FloeError('survivors_inconsistent', 'another survivor was shown another set', {
        author: signer,
      });
    signers.add(signer);
  }
  if (signers.size < threshold)
    throw new FloeError(
      'survivors_inconsistent',
      `expected ${threshold} survivors to have signed the set, got ${signers.size}`,
    );
};

/** @param seen what this participant knows of the round, if it was in it @throws FloeError `record_malformed`, `record_conflict` */
export const checkCommit = (
  commit: SignedRecord<'commit'>,
  seen: {
    readonly open: SignedRecord<'open'> | undefined;
    readonly survivors: SignedRecord<'survivors'> | undefined;
  },
): void => {
  const { step, model, survivors, weight } = commit.body;
  if (!equalBytes(step.after, model.hash) || model.version !== commit.round || !(weight >= 0))
    throw differ('record_malformed', 'the commit names another model than its step ends in');
  if (seen.open !== undefined && !equalBytes(step.before, seen.open.body.model.hash))
    throw new FloeError('record_conflict', 'the step does not start from the model of the round');
  if (seen.survivors !== undefined && !equalBytes(survivors, seen.survivors.body.hash))
    throw new FloeError('survivors_inconsistent', 'the commit is over another survivor set');
};
