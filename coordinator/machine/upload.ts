/**
 * @module Upload and the freezing of the survivors (Bonawitz et al. 2017, round 2). Every upload
 * recorded before the deadline is either folded or rejected with a reason. None is dropped
 * silently, because silent drops would let a coordinator isolate a participant.
 */
import { fromHex, toHex } from '../../protocol/bytes.ts';
import { isErrorCode } from '../../protocol/errors.ts';
import {
  dataCommitment,
  eligibleRoot,
  survivorsHash,
  type Body,
} from '../../protocol/records/records.ts';
import { groupSizeOf } from '../../protocol/robust/groups.ts';
import { livingGroups, quorumFault } from '../../protocol/rules/groups.ts';
import { streamFault } from '../../protocol/rules/noise-streams.ts';
import { uploadTime } from '../../protocol/spec/timeouts.ts';
import { abort, finishWork } from './attempt-end.ts';
import { WORK_LIMIT_MS, type MachineConfig } from './config.ts';
import { eligibleSet } from './draw.ts';
import { append, publish, refusal, send, startWork, type Step, type Work } from './effects.ts';
import type { EventOf } from './events.ts';
import { enter, foldedMembers } from './phases.ts';
import { quorum, tooFewCode } from './quorum.ts';
import { viewOf } from './rules-view.ts';
import {
  goneAt,
  isMasked,
  uploaders,
  withChange,
  withEntry,
  type Frozen,
  type Hex,
  type Phase,
  type State,
  type Upload,
} from './state.ts';

/** The time after which unfinished folds are abandoned. */
export const uploadLimit = (deadline: number): number => deadline + WORK_LIMIT_MS;

/** The phase with the deadline that the upload times so far give; see protocol/spec/timeouts.ts. */
export const timed = (config: MachineConfig, phase: Phase): Phase => {
  if (phase.type !== 'upload') return phase;
  const { attempt, since, timedFrom, deadline } = phase;
  const took = [...attempt.uploads.values()].map((upload) => upload.took);
  const time = uploadTime(config.spec.deadlines, took, quorum(config, attempt));
  return { ...phase, deadline: Math.min(deadline, (timedFrom ?? since) + time) };
};

const setUpload = (state: State, attempt: Frozen, key: Hex, upload: Upload): State =>
  withChange(state, { uploads: withEntry(attempt.uploads, key, upload) });

export const applyFolded = (state: State, event: EventOf<'folded'>): Step => {
  const { phase } = state;
  const key = toHex(event.member);
  if (phase.type !== 'upload') return { state, effects: [] };
  const { attempt } = phase;
  const upload = attempt.uploads.get(key);
  if (upload?.status !== 'accepted') return { state, effects: [] };
  return {
    state: setUpload(state, attempt, key, { ...upload, status: 'folded' }),
    effects: [
      publish({
        type: 'upload-folded',
        attempt: attempt.attempt,
        member: key,
        bytes: upload.record.body.blob.size,
        folded: foldedMembers(attempt).length + 1,
        of: uploaders(attempt).length,
      }),
    ],
  };
};

const reject = (
  state: State,
  attempt: Frozen,
  key: Hex,
  upload: Upload,
  code: string,
  reason: string,
): Step => ({
  state: setUpload(state, attempt, key, { ...upload, status: 'rejected', code }),
  effects: [
    publish({ type: 'upload-rejected', attempt: attempt.attempt, member: key, code }),
    refusal(key, isErrorCode(code) ? code : 'upload_mismatch', reason, upload.record.hash),
  ],
});

/**
 * Also of an upload that was folded before a restart and can no longer be read: U is not frozen
 * yet.
 */
export const applyUploadRejected = (state: State, event: EventOf<'upload-rejected'>): Step => {
  const { phase } = state;
  if (phase.type !== 'upload') return { state, effects: [] };
  const key = toHex(event.member);
  const upload = phase.attempt.uploads.get(key);
  if (upload === undefined || upload.status === 'rejected') return { state, effects: [] };
  return reject(state, phase.attempt, key, upload, event.code, event.reason);
};

/** The uploads that are still being folded, by member. */
export const unfolded = ({ uploads }: Frozen): readonly (readonly [Hex, Upload])[] =>
  [...uploads].filter(([, { status }]) => status === 'accepted');

export const rejectUnfolded = (state: State, attempt: Frozen, key: Hex, upload: Upload): Step =>
  reject(state, attempt, key, upload, 'store_unavailable', 'the upload could not be read');

/** Why a member that could have uploaded is not in U. */
const absence = (
  config: MachineConfig,
  state: State,
  attempt: Frozen,
  key: Hex,
  now: number,
): string => {
  const gone = goneAt(config, state, key);
  return (
    attempt.uploads.get(key)?.code ??
    attempt.withdrawn.get(key) ??
    (gone !== undefined && gone <= now ? 'connection_lost' : 'phase_closed')
  );
};

export const freezeSurvivorsWork = (attempt: Frozen): Work => {
  const { hash, members, uploads } = survivorSet(attempt);
  return {
    type: 'freeze-survivors',
    attempt: attempt.attempt,
    hash,
    members,
    dataCommitment: dataCommitment(uploads),
  };
};

const survivorSet = (
  attempt: Frozen,
): Pick<Body<'survivors'>, 'context' | 'members' | 'uploads' | 'eligible' | 'hash'> => {
  const { context } = attempt;
  const records = foldedMembers(attempt).flatMap((key) => attempt.uploads.get(key)?.record ?? []);
  const members = records.map(({ author }) => author);
  const uploads = records.map(({ hash }) => hash);
  const frozen = {
    context,
    members,
    uploads,
    eligible: eligibleRoot(attempt.eligible.map(fromHex)),
  };
  return { ...frozen, hash: survivorsHash(frozen) };
};

/** Why uploads that came do not count, as `; rejected: 3 x store_unavailable`. */
const rejectedText = ({ uploads }: Frozen): string => {
  const counts = new Map<string, number>();
  for (const { status, code = 'upload_mismatch' } of uploads.values())
    if (status === 'rejected') counts.set(code, (counts.get(code) ?? 0) + 1);
  const texts = [...counts].toSorted(([a], [b]) => (a < b ? -1 : 1));
  return texts.length === 0
    ? ''
    : `; rejected: ${texts.map(([code, count]) => `${count} x ${code}`).join(', ')}`;
};

/** Without the uploads of groups of which too few came: nothing of these is opened. */
const withoutSmallGroups = ({ spec }: MachineConfig, attempt: Frozen): Frozen => {
  if (groupSizeOf(spec) === undefined) return attempt;
  const folded = foldedMembers(attempt).map(fromHex);
  const living = livingGroups({ spec, cohort: attempt.cohort }, folded);
  const alive = new Set(living.flatMap(({ present }) => present.map(toHex)));
  const uploads = [...attempt.uploads].map(([key, upload]): readonly [Hex, Upload] =>
    upload.status === 'folded' && !alive.has(key)
      ? [key, { ...upload, status: 'rejected', code: 'group_too_small' }]
      : [key, upload],
  );
  return { ...attempt, uploads: new Map(uploads) };
};

export const closeUpload = (
  config: MachineConfig,
  state: State,
  uploaded: Frozen,
  now: number,
): Step => {
  const attempt = withoutSmallGroups(config, uploaded);
  const needed = quorum(config, attempt);
  const survivors = foldedMembers(attempt);
  const frozenCohort = { spec: config.spec, cohort: attempt.cohort };
  const fault =
    survivors.length < needed
      ? `expected uploads of at least ${needed} members, got ${survivors.length}`
      : quorumFault(frozenCohort, survivors.map(fromHex), 'uploads');
  if (fault !== undefined)
    return abort(config, state, now, tooFewCode(config), `${fault}${rejectedText(attempt)}`, []);
  const streams = streamFault(viewOf(config, state, attempt), survivors.map(fromHex), 'uploads');
  if (streams !== undefined) return abort(config, state, now, 'noise_streams_broken', streams, []);
  const frozen: Frozen = { ...attempt, eligible: eligibleSet(state, attempt.members) };
  const deadline = now + WORK_LIMIT_MS;
  const entered = enter(state, {
    type: 'freezing-survivors',
    since: now,
    deadline,
    attempt: frozen,
  });
  return {
    state: entered.state,
    effects: [...entered.effects, startWork(freezeSurvivorsWork(frozen))],
  };
};

export const applySurvivorsFrozen = (
  config: MachineConfig,
  state: State,
  event: EventOf<'survivors-frozen'>,
): Step => {
  const { phase } = state;
  if (phase.type !== 'freezing-survivors') return { state, effects: [] };
  const { attempt } = phase;
  const alive = new Set(foldedMembers(attempt));
  const survivors = config.sign('survivors', attempt.attempt, {
    ...survivorSet(attempt),
    rejected: uploaders(attempt)
      .filter((key) => !alive.has(key))
      .map((key) => ({
        member: fromHex(key),
        code: absence(config, state, attempt, key, phase.since),
      })),
    receipt: event.receipt,
  });
  const next = { ...attempt, survivors };
  const now = event.time;
  const masked = isMasked(config);
  const limit = masked ? config.spec.deadlines.consistency * 1000 : WORK_LIMIT_MS;
  const entered = enter(state, {
    type: masked ? 'consistency' : 'finishing',
    since: now,
    deadline: now + limit,
    attempt: next,
  });
  return {
    state: entered.state,
    effects: [
      append(survivors),
      ...entered.effects,
      send([...alive], { type: 'record', record: survivors.bytes }),
      ...(masked ? [] : [startWork(finishWork(attempt))]),
    ],
  };
};
