/**
 * @module The history of a run, from the coordinator's progress and the counters of the network.
 */
import { stepNumbers, type Progress } from '../coordinator/index.ts';
import { toHex } from '../protocol/bytes.ts';
import { groupsOfRound, type GroupsSummary } from './report/robust-rule.ts';
import type { RoundSummary } from './summary.ts';

/** Bytes up and down since the beginning. */
export interface Bytes {
  readonly up: number;
  readonly down: number;
}

export type Committed = Extract<Progress, { readonly type: 'committed' }>;

/** Where an earlier part of the run has left its history. */
export interface EarlierHistory {
  readonly rounds: readonly RoundSummary[];
  readonly aborted: number;
  readonly phaseSeconds: Readonly<Record<string, number>>;
  readonly bytes: Bytes;
  /** When this part begins, ms of the clock of `note`. */
  readonly now: number;
}

export interface History {
  readonly rounds: readonly RoundSummary[];
  readonly aborted: number;
  /** Seconds in each phase, over all attempts. */
  readonly phaseSeconds: Readonly<Record<string, number>>;
  /** @param now ms of a steady clock @param virtual ms of virtual time, where there is one */
  note(progress: Progress, now: number, bytes: Bytes, virtual?: number): void;
  /** The score of a model, which comes later than its round. */
  score(
    version: number,
    score: {
      readonly testAccuracy: number | undefined;
      readonly testLoss: number;
      readonly attackSuccess?: number;
    },
  ): void;
}

/** Phases in which the cohort does nothing but aggregate securely. */
const AGGREGATION: ReadonlySet<string> = new Set(['share', 'consistency', 'unmask']);

/** @param noted takes a span of secure aggregation, in ms of the clock of `note` */
export const createHistory = (
  noted: (from: number, to: number) => void = () => undefined,
  earlier?: EarlierHistory,
): History => {
  const rounds: RoundSummary[] = [...(earlier?.rounds ?? [])];
  const phaseSeconds: Record<string, number> = { ...earlier?.phaseSeconds };
  let aborted = earlier?.aborted ?? 0;
  let phases: Record<string, number> = {};
  let phase: { readonly name: string; readonly since: number } | undefined;
  // A resumed run may begin within a round.
  let roundStart = earlier?.now ?? 0;
  let last: Bytes = earlier?.bytes ?? { up: 0, down: 0 };
  let lastVirtual = 1000 * (rounds.at(-1)?.virtualTime ?? 0);
  // They are told before the commit, also of a sum that is not committed.
  let grouped: { readonly attempt: number; readonly groups: GroupsSummary } | undefined;
  const leave = (now: number): void => {
    if (phase === undefined) return;
    const seconds = (now - phase.since) / 1000;
    if (AGGREGATION.has(phase.name)) noted(phase.since, now);
    phases[phase.name] = (phases[phase.name] ?? 0) + seconds;
    phaseSeconds[phase.name] = (phaseSeconds[phase.name] ?? 0) + seconds;
    phase = undefined;
  };
  const close = (event: Committed, now: number, bytes: Bytes, virtual?: number): void => {
    rounds.push({
      attempt: event.attempt,
      version: event.version,
      cohort: event.cohort,
      survivors: event.survivors,
      weight: event.weight,
      training: Object.fromEntries(event.metrics.map(({ name, value }) => [name, value])),
      clipped: event.clipped,
      ...(event.clipNorm === undefined ? {} : { clipNorm: event.clipNorm }),
      ...(event.staleness === undefined ? {} : { staleness: [...event.staleness] }),
      ...(grouped?.attempt === event.attempt ? { groups: grouped.groups } : {}),
      ...stepNumbers(event.step),
      ...(event.anomalies === undefined || event.anomalies.length === 0
        ? {}
        : { anomalies: [...event.anomalies] }),
      modelHash: toHex(event.modelHash),
      bytesUp: bytes.up - last.up,
      bytesDown: bytes.down - last.down,
      seconds: (now - roundStart) / 1000,
      ...(virtual === undefined
        ? {}
        : { virtualSeconds: (virtual - lastVirtual) / 1000, virtualTime: virtual / 1000 }),
      phases,
    });
  };
  return {
    rounds,
    get aborted() {
      return aborted;
    },
    phaseSeconds,
    note: (progress, now, bytes, virtual) => {
      if (progress.type === 'phase') {
        leave(now);
        if (progress.phase === 'opening') {
          phases = {};
          roundStart = now;
        }
        if (progress.phase !== 'waiting' && progress.phase !== 'finished')
          phase = { name: progress.phase, since: now };
      } else if (progress.type === 'committed') {
        leave(now);
        close(progress, now, bytes, virtual);
        last = bytes;
        lastVirtual = virtual ?? 0;
      } else if (progress.type === 'groups') {
        grouped = { attempt: progress.attempt, groups: groupsOfRound(progress) };
      } else if (progress.type === 'aborted') {
        leave(now);
        aborted += 1;
      }
    },
    score: (version, score) => {
      const at = rounds.findIndex((attempt) => attempt.version === version);
      if (at >= 0) rounds[at] = { ...(rounds[at] as RoundSummary), ...score };
    },
  };
};
