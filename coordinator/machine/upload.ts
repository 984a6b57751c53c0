/**
 * @module Upload and the freezing of the survivors (Bonawitz et al. 2017, round 2). Every upload recorded before the deadline
 * is either folded or rejected with a reason; none is left out in silence, so that nobody can be isolated.
 */
import { fromHex, toHex } from '../../protocol/bytes.ts';
import { isErrorCode } from '../../protocol/errors.ts';
import {
  dataCommitment,
  eligibleRoot,
  survivorsHash,
  type Body,
} from '../../protocol/records/records.ts';
import { uploadTime } from '../../protocol/spec/timeouts.ts';
import { abort, finishWork } from './closing.ts';
import { WORK_LIMIT_MS, type MachineConfig } from './config.ts';
import { eligibleSet } from './draw.ts';
import { append, publish, refusal, send, startWork, type Step, type Work } from './effects.ts';
import type { EventOf } from './events.ts';
import { enter, foldedMembers } from './phases.ts';
import {
  goneAt,
  isMasked,
  quorum,
  tooFewCode,
  uploaders,
  withEntry,
  type Hex,
  type Phase,
  type Round,
  type State,
  type Upload,
} from './state.ts';

/** When folds that have not come back are given up. */
export const uploadLimit = (deadline: number): number => deadline + WORK_LIMIT_MS;

/** The phase with the deadline that the upload times so far give; see protocol/spec/timeouts.ts. */
export const timed = (config: MachineConfig, phase: Phase, round: Round): Phase => {
  if (phase.type !== 'upload') return phase;
  const took = [...round.uploads.values()].map((upload) => upload.took);
  const from = phase.timedFrom ?? phase.since;
  const time = uploadTime(config.spec.deadlines, took, quorum(config, round));
  return { ...phase, deadline: Math.min(phase.deadline, from + time) };
};

const setUpload = (state: State, round: Round, key: Hex, upload: Upload): State => ({
  ...state,
  round: { ...round, uploads: withEntry(round.uploads, key, upload) },
});

export const applyFolded = (state: State, event: EventOf<'folded'>): Step => {
  const { round, phase } = state;
  const key = toHex(event.member);
  const upload = round?.uploads.get(key);
  if (round === undefined || phase.type !== 'upload' || upload?.status !== 'accepted')
    return { state, effects: [] };
  const next = setUpload(state, round, key, { ...upload, status: 'folded' });
  return {
    state: next,
    effects: [
      publish({
        type: 'upload-folded',
        round: round.round,
        member: key,
        bytes: upload.record.body.blob.size,
        folded: foldedMembers(next.round as Round).length,
        of: uploaders(round).length,
      }),
    ],
  };
};

const reject = (state: State, round: Round, key: Hex, code: string, reason: string): Step => {
  const upload = round.uploads.get(key) as Upload;
  return {
    state: setUpload(state, round, key, { ...upload, status: 'rejected', code }),
    effects: [
      publish({ type: 'upload-rejected', round: round.round, member: key, code }),
      refusal(key, isErrorCode(code) ? code : 'upload_mismatch', reason, upload.record.hash),
    ],
  };
};

/** Also of an upload that was folded before a restart and can no longer be read: U is not frozen yet. */
export const applyUploadRejected = (state: State, event: EventOf<'upload-rejected'>): Step => {
  const { round, phase } = state;
  const key = toHex(event.member);
  const upload = round?.uploads.get(key);
  if (round === undefined || phase.type !== 'upload') return { state, effects: [] };
  if (upload === undefined || upload.status === 'rejected') return { state, effects: [] };
  return reject(state, round, key, event.code, event.reason);
};

/** Whose upload is still being folded. */
export const unfolded = (state: State): readonly Hex[] =>
  [...(state.round?.uploads ?? [])]
    .filter(([, { status }]) => status === 'accepted')
    .map(([key]) => key);

export const rejectUnfolded = (state: State, key: Hex): Step =>
  reject(state, state.round as Round, key, 'store_unavailable', 'the upload could not be read');

/** Why a member that could have uploaded is not in U. */
const absence = (config: MachineConfig, state: State, key: Hex, now: number): string => {
  const round = state.round as Round;
  const gone = goneAt(config, state, key);
  return (
    round.uploads.get(key)?.code ??
    round.withdrawn.get(key) ??
    (gone !== undefined && gone <= now ? 'connection_lost' : 'phase_closed')
  );
};

export const freezeSurvivorsWork = (round: Round): Work => {
  const { hash, members, uploads } = survivorSet(round);
  return {
    type: 'freeze-survivors',
    round: round.round,
    hash,
    members,
    dataCommitment: dataCommitment(uploads),
  };
};

const survivorSet = (
  round: Round,
): Pick<Body<'survivors'>, 'context' | 'members' | 'uploads' | 'eligible' | 'hash'> => {
  const keys = foldedMembers(round);
  const context = round.context as Uint8Array;
  const members = keys.map(fromHex);
  const uploads = keys.map((key) => (round.uploads.get(key) as Upload).record.hash);
  const frozen = {
    context,
    members,
    uploads,
    eligible: eligibleRoot(round.eligible.map(fromHex)),
  };
  return { ...frozen, hash: survivorsHash(frozen) };
};

export const closeUpload = (config: MachineConfig, state: State, now: number): Step => {
  const round = state.round as Round;
  const needed = quorum(config, round);
  const survivors = foldedMembers(round);
  if (survivors.length < needed)
    return abort(
      config,
      state,
      now,
      tooFewCode(config),
      `expected uploads of at least ${needed} members, got ${survivors.length}`,
      [],
    );
  const frozen: Round = { ...round, eligible: eligibleSet(state, round.members) };
  const entered = enter(
    { ...state, round: frozen },
    { type: 'freezing-survivors', since: now, deadline: now + WORK_LIMIT_MS },
  );
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
  const { round, phase } = state;
  if (round === undefined || phase.type !== 'freezing-survivors') return { state, effects: [] };
  const alive = new Set(foldedMembers(round));
  const survivors = config.sign('survivors', round.round, {
    ...survivorSet(round),
    rejected: uploaders(round)
      .filter((key) => !alive.has(key))
      .map((key) => ({ member: fromHex(key), code: absence(config, state, key, phase.since) })),
    receipt: event.receipt,
  });
  const next: State = { ...state, round: { ...round, survivors } };
  const now = event.time;
  const masked = isMasked(config);
  const entered = enter(
    next,
    masked
      ? {
          type: 'consistency',
          since: now,
          deadline: now + config.spec.deadlines.consistency * 1000,
        }
      : { type: 'finishing', since: now, deadline: now + WORK_LIMIT_MS },
  );
  return {
    state: entered.state,
    effects: [
      append(survivors),
      ...entered.effects,
      send([...alive], { type: 'record', record: survivors.bytes }),
      ...(masked ? [] : [startWork(finishWork(round))]),
    ],
  };
};
