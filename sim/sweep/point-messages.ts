/**
 * @module What a sweep and the process of one of its points say to each other.
 */
import type { ExportFormat } from '../outputs/formats.ts';
import type { ScenarioInput } from '../scenario.ts';

/** From the sweep. */
export type ToPoint =
  | {
      readonly type: 'run';
      readonly input: ScenarioInput;
      readonly outDir: string;
      readonly module?: string | undefined;
      readonly exports: readonly ExportFormat[];
      readonly strategyModules: readonly string[];
    }
  /** Ends the run where it stands. */
  | { readonly type: 'stop' };

/** From the point. */
export type FromPoint =
  | { readonly type: 'round'; readonly version: number; readonly of: number }
  | { readonly type: 'done' }
  | { readonly type: 'failed'; readonly code: string; readonly message: string };

/** The name of the run in the folder of its point. */
export const RUN_NAME = 'run';
