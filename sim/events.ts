/**
 * @module The events of a running scenario: for progress bars, plain lines and tests.
 */
import type { Progress } from '../coordinator/index.ts';
import type { CrowdEvent } from './participant-host.ts';
import type { DropPhase } from './faults.ts';
import type { PartitionStatistics } from '../client/data/partition.ts';
import type { TaskType } from '../client/task.ts';
import type { Contract } from '../protocol/spec/contract.ts';
import type { RoundSummary } from './summary.ts';
import type { WorldSummary } from './world-summary.ts';

export type ScenarioEvent =
  /**
   * The scenario is valid and its data are read. Starting the services follows, which may take
   * seconds.
   */
  | { readonly type: 'starting' }
  /** Everything is set up; the kinds say what really runs. */
  | {
      readonly type: 'started';
      readonly folder: string;
      readonly backend: string;
      readonly store: string;
      readonly gate: string;
      readonly ledger: string;
      readonly masked: boolean;
      /** What the run guarantees each participant; undefined without differential privacy. */
      readonly privacy: string | undefined;
      readonly data: {
        readonly source: string;
        readonly train: number;
        readonly test: number;
        /** In the run specification, where there is one. */
        readonly contract: Contract | undefined;
        /** What was decided for it, and warnings about the data. */
        readonly notes: readonly string[];
      };
      /** Of the specification, where it has one. */
      readonly task: TaskType | undefined;
      /** Its name. */
      readonly model: string;
      readonly parameters: number;
      readonly run: string;
      readonly workers: number;
      readonly partition: string;
      readonly statistics: PartitionStatistics;
      readonly world: WorldSummary;
    }
  /** The run continues after this many committed rounds; 0 where it begins anew. */
  | { readonly type: 'resumed'; readonly rounds: number }
  /** The network that the run takes place on can be reached. */
  | {
      readonly type: 'network';
      /** True for a devnet of this run. */
      readonly own: boolean;
      readonly rpcUrl: string;
      readonly aggregatorUrl: string | undefined;
      readonly packageId: string | undefined;
      readonly coordinator: string;
    }
  | Extract<Progress, { readonly type: 'phase' | 'aborted' }>
  | {
      readonly type: 'dropped';
      readonly index: number;
      readonly phase: DropPhase;
      readonly attempt: number;
    }
  /** A round was committed; its test accuracy comes later. */
  | { readonly type: 'round'; readonly round: RoundSummary; readonly of: number }
  | {
      readonly type: 'scored';
      readonly version: number;
      /** Undefined of regression. */
      readonly testAccuracy: number | undefined;
      readonly testLoss: number;
      /** Where attackers have a goal that is measured. */
      readonly attackSuccess?: number;
    }
  /** A fault on the network was recovered, or the result so far could not be published. */
  | { readonly type: 'warning'; readonly message: string }
  | { readonly type: 'participant'; readonly index: number; readonly event: CrowdEvent }
  /** The rounds are over; the baseline and the files remain. */
  | { readonly type: 'finishing'; readonly baseline: boolean };
