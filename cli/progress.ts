/**
 * @module The progress of a command: a bar on a terminal, otherwise a line every few seconds. A
 * short command prints nothing.
 */
import { SingleBar } from 'cli-progress';
import type { Output } from './output.ts';

export interface ProgressDisplay {
  readonly update: (done: number, total: number) => void;
  /** Gives the terminal back. Idempotent. */
  readonly stop: () => void;
}

/** Commands that end sooner show no progress. */
const QUIET_MS = 2_000;

/** @param unit the counted unit: `rounds` @param now milliseconds */
export const showProgress = (
  output: Output,
  unit: string,
  now: () => number = () => performance.now(),
): ProgressDisplay => {
  let bar: SingleBar | undefined;
  let said = now();
  return {
    update: (done, total) => {
      const due = now() - said >= QUIET_MS;
      if (output.interactive) {
        if (bar === undefined && due) {
          bar = new SingleBar({
            format: `{bar} {value}/{total} ${unit}  {duration_formatted}`,
            barsize: 24,
            hideCursor: true,
            stream: process.stdout,
            clearOnComplete: true,
          });
          bar.start(total, done);
        }
        bar?.update(done);
      } else if (due && done < total) {
        said = now();
        output.line(`${done} of ${total} ${unit}`);
      }
    },
    stop: () => {
      bar?.stop();
      bar = undefined;
    },
  };
};
