/**
 * @module Training ahead, in a buffered run (FedBuff: Nguyen et al. 2022): a participant trains on
 * the newest model that it has checked, while other rounds are committed, and registers in the
 * attempt that is open when its update is ready. This file decides what becomes of an update; the
 * rules of a registration are in `protocol/rules/buffered.ts`.
 *
 * An update is spent once, across models too (secure aggregation, 2.0). Once it was encoded for an
 * attempt it may be in a sum, so it is used again on the same model only, where the rules of one
 * set apply. When the model has moved, or the sum is committed, it is thrown away. Otherwise one
 * update would be in two sums over different members, and their difference would tell of it. Where
 * an update of an older model is lost after its use, no other one takes its place on that model: it
 * would be another update, and two sums of one set would differ by what has changed.
 */
import { equalBytes } from '../../../protocol/bytes.ts';
import type { Body, SignedRecord } from '../../../protocol/records/records.ts';
import type { CommitEvidence } from '../../../protocol/verify/evidence.ts';
import type { Ahead, Base } from './ahead-state.ts';
import type { MachineConfig } from './config.ts';
import { emit, save, type Effect, type Step } from './effects.ts';
import type { OpenView } from './record-checks.ts';
import * as memories from './run-memory.ts';
import type { State } from './state.ts';

export const isBuffered = ({ view }: Pick<MachineConfig, 'view'>): boolean =>
  view.spec.buffer !== undefined;

export const baseOf = ({ attempt, body: { model, committed } }: SignedRecord<'open'>): Base => ({
  attempt,
  version: model.version,
  hash: model.hash,
  committed,
});

/** What the registration states of the update. */
export const statedBase = (
  { version, committed }: Base,
  open: SignedRecord<'open'>,
): NonNullable<Body<'register'>['base']> => ({
  version,
  staleness: open.body.committed - committed,
});

interface Dropped {
  readonly state: State;
  readonly effects: readonly Effect[];
}

/** Why an update cannot be used in this attempt; undefined where it can. */
const unusable = (
  { view: { spec } }: MachineConfig,
  ahead: Exclude<Ahead, { type: 'none' }>,
  { body: { model, committed } }: SignedRecord<'open'>,
): 'update_stale' | 'update_already_spent' | undefined => {
  const { base } = ahead;
  const staleness = committed - base.committed;
  // No commit lies between two numbers that are not in order: what the coordinator says is wrong.
  const isOrdered = staleness >= 0 && (staleness === 0) === (base.version === model.version);
  if (!isOrdered || staleness > (spec.buffer?.maxStaleness ?? 0)) return 'update_stale';
  const used = ahead.type === 'ready' ? ahead.used : undefined;
  const isFresh = used === undefined || equalBytes(used.model, model.hash);
  return isFresh && (used === undefined || used.committed === committed)
    ? undefined
    : 'update_already_spent';
};

/** Throws away an update, ready or in the making, that this attempt cannot use. */
export const dropUnusable = (
  config: MachineConfig,
  state: State,
  open: SignedRecord<'open'>,
): Dropped => {
  const { ahead } = state;
  const code = ahead.type === 'none' ? undefined : unusable(config, ahead, open);
  if (ahead.type === 'none' || code === undefined) return { state, effects: [] };
  const { attempt } = open;
  return code === 'update_stale'
    ? dropStale(state, attempt, Math.max(0, open.body.committed - ahead.base.committed))
    : {
        state: { ...state, ahead: { type: 'none' } },
        effects: [{ type: 'drop-update' }, emit({ type: 'update-dropped', attempt, code })],
      };
};

/** Ends its training too, where that is not over. */
const dropStale = (state: State, attempt: number, staleness: number): Dropped => {
  const staleInARow = state.staleInARow + 1;
  const code = 'update_stale' as const;
  return {
    state: { ...state, staleInARow, ahead: { type: 'none' } },
    effects: [
      { type: 'drop-update' },
      emit({ type: 'update-dropped', attempt, code, staleness, inARow: staleInARow }),
    ],
  };
};

/**
 * The own update may be in the sum of a commit, or in one on the model before it: no other sum may
 * have it. And one that will be too old for the next attempt is dropped now, in the middle of its
 * training too, and not when that is over.
 *
 * @param before with the commit in its memory @param isOwn whether this participant was in the
 *   attempt
 */
export const afterCommit = (
  { view: { spec } }: MachineConfig,
  before: State,
  attempt: number,
  isOwn: boolean,
): Dropped => {
  const { ahead, memory } = before;
  if (ahead.type === 'none') return { state: before, effects: [] };
  if (ahead.type === 'training' || ahead.used === undefined) {
    // At least: it may have missed commits.
    const staleness = (memory.commits ?? 0) - ahead.base.committed;
    return staleness > (spec.buffer?.maxStaleness ?? 0)
      ? dropStale(before, attempt, staleness)
      : { state: before, effects: [] };
  }
  const code = 'update_already_spent' as const;
  return {
    state: { ...before, ahead: { type: 'none' } },
    effects: [
      { type: 'drop-update' },
      ...(isOwn ? [] : [emit({ type: 'update-dropped', attempt, code })]),
    ],
  };
};

/** The update leaves, encoded for the model of this attempt. */
export const withUse = (state: State, { body }: SignedRecord<'open'>): State => {
  const { ahead } = state;
  if (ahead.type !== 'ready') return state;
  const used = { model: body.model.hash, committed: body.committed };
  return { ...state, staleInARow: 0, ahead: { ...ahead, used } };
};

/**
 * What of an update the memory names: one that is ready and was never encoded. From its use on it
 * may be in a sum, and after a restart nobody could say for which model it was encoded.
 */
const keptOf = (ahead: Ahead): memories.Memory['ahead'] =>
  ahead.type === 'ready' && ahead.used === undefined ? ahead.base : undefined;

const withKept = (
  { ahead: _before, ...memory }: memories.Memory,
  kept: memories.Memory['ahead'],
): memories.Memory => (kept === undefined ? memory : { ...memory, ahead: kept });

/**
 * The step whose memory names the update as the state has it, in every write of the step: the write
 * that has the vector no longer names the update that it was made of.
 */
export const withAheadSaved = ({ state, effects }: Step): Step => {
  const kept = keptOf(state.ahead);
  if (kept === state.memory.ahead) return { state, effects };
  const memory = withKept(state.memory, kept);
  const isSaved = effects.some(({ type }) => type === 'save');
  return {
    state: { ...state, memory },
    effects: isSaved
      ? effects.map((effect) =>
          effect.type === 'save' ? { ...effect, memory: withKept(effect.memory, kept) } : effect,
        )
      : [save(memory, 'warn'), ...effects],
  };
};

/** Whether the update that was encoded for an attempt on this model is there. */
export const wasUsedOn = ({ ahead }: Pick<State, 'ahead'>, model: Uint8Array): boolean =>
  ahead.type === 'ready' && ahead.used !== undefined && equalBytes(ahead.used.model, model);

/** Whether the commit that an attempt starts from was not checked yet, where there is one. */
export const mustCheck = (
  { memory }: Pick<State, 'memory'>,
  { open, previous }: Pick<OpenView, 'open' | 'previous'>,
): boolean => {
  const { bundle, model } = open.body;
  if (bundle === undefined) return false;
  return previous?.attempt !== model.version || !memories.wasChecked(memory, previous.hash);
};

/**
 * Saves the commit before it is checked: whoever sees what the check reads may stop it and show
 * another commit of the attempt, or wait for another block; there is neither, also after a restart.
 */
export const withCommitShown = (
  state: State,
  { commit }: CommitEvidence,
): { readonly state: State; readonly effects: readonly Effect[] } => {
  const isNew = state.commit === undefined || state.commit.attempt < commit.attempt;
  if (!isNew) return { state, effects: [] };
  const memory = { ...state.memory, commit: commit.bytes };
  return { state: { ...state, memory, commit }, effects: [save(memory)] };
};

/** Starts a training on the model of an attempt. @param evidence of the commit to check before */
export const trainAhead = (
  state: State,
  { open }: OpenView,
  evidence: CommitEvidence | undefined,
): { readonly state: State; readonly effects: readonly Effect[] } => ({
  state: { ...state, ahead: { type: 'training', base: baseOf(open) } },
  effects: [
    {
      type: 'work',
      work: {
        type: 'prepare',
        attempt: open.attempt,
        open,
        evidence,
        round: open.body.committed + 1,
        summedIn: memories.summedIn(state.memory),
      },
    },
  ],
});
