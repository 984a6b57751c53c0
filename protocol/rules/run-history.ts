/**
 * @module The history of a run as the draw needs it: who missed attempts, lied, may have spoiled
 * sums, or may be in one. `history.ts` computes it from the records.
 */
import type { SignedRecord } from '../records/records.ts';
import type { Suspicion } from './suspicion.ts';

export interface Missed {
  /** Attempts missed since the last one that it finished. */
  readonly misses: number;
  /** The last of them. */
  readonly last: number;
}

export interface RunHistory {
  /** Of the last commit. */
  readonly lastSurvivors: SignedRecord<'survivors'> | undefined;
  /** By key in hex; who missed the latest attempts is at the end. */
  readonly missed: ReadonlyMap<string, Missed>;
  /** Named as culprits in Abort records. */
  readonly culprits: ReadonlySet<string>;
  /** Members that can have spoiled the implausible sums. */
  readonly suspicions: readonly Suspicion[];
  /** Members of all of them; `misses` counts how often that result occurred. */
  readonly suspended: ReadonlyMap<string, Missed>;
  /**
   * By attempt on the newest model: who may have been summed in it, or has said that it answered
   * before.
   */
  readonly summed: ReadonlyMap<number, ReadonlySet<string>>;
  /**
   * By attempt on the newest model that drew groups, the name of what they were drawn from; see
   * `groupingName`. Absent where the run has none.
   */
  readonly groupings?: ReadonlyMap<number, string> | undefined;
  /**
   * With differential privacy, by key in hex: attempts in which the member's update may be in a
   * sum.
   */
  readonly released: ReadonlyMap<string, number>;
  /**
   * With correlated noise, in hex: members whose streams are in every sum so far; all of the run
   * before its first sum, and absent then. See `noise-streams.ts`.
   */
  readonly carriers?: ReadonlySet<string> | undefined;
  /**
   * In a buffered run: the versions that updates may be trained on, ascending, the newest at the
   * end; undefined before its first commit, when there is version 0 alone. See `buffered.ts`.
   */
  readonly versions?: readonly number[];
}
