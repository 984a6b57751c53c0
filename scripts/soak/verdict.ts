/**
 * @module The verdict on a trial, from the printed output. A trial passes if no participant is
 * accused, none leaves, and the run ends with the model of an undisturbed run. Rounding randomness
 * depends on the attempt. A trial with another model therefore also passes if every aborted attempt
 * was aborted for the outage of the trial, and the accuracy is that of the undisturbed run.
 */

/** What ends with too few answers: the outage is in what members reported. */
const TOO_FEW: ReadonlySet<string> = new Set([
  'cohort_too_small',
  'batch_incomplete',
  'not_enough_shares',
]);

/** Points of accuracy that rounding randomness may move. */
const ACCURACY_POINTS = 1;

export interface Ended {
  /** Hash of the last model; undefined if the run did not end within the time limit. */
  readonly model: string | undefined;
  /** Of the last round, per cent. */
  readonly accuracy: number | undefined;
}

export interface Shown extends Ended {
  /** All that was printed in the run, by process: `coordinator: ...`, `participant 2: ...`. */
  readonly lines: readonly string[];
  /** Participants whose process ended before the run did. */
  readonly left: readonly string[];
}

export interface Abort {
  readonly attempt: number;
  readonly code: string;
  /** What members reported, by code. */
  readonly reported: readonly string[];
}

export type Verdict =
  | { readonly type: 'same' }
  | { readonly type: 'repeated'; readonly aborts: readonly Abort[]; readonly accuracy: number }
  | { readonly type: 'waits'; readonly reason: string }
  | { readonly type: 'failed'; readonly reasons: readonly string[] };

const ABORT = /^coordinator: attempt (?<attempt>\d+) was aborted: (?<code>[a-z_]+): (?<rest>.*)$/u;

/** The attempts that the coordinator says were aborted. */
export const abortsIn = (lines: readonly string[]): readonly Abort[] =>
  lines.flatMap((line) => {
    const { attempt, code, rest } = ABORT.exec(line)?.groups ?? {};
    if (code === undefined) return [];
    const list = /; reported: (?<list>.*?) \(/u.exec(rest ?? '')?.groups?.['list'] ?? '';
    const reported = [...list.matchAll(/\d+ x (?<code>[a-z_]+)/gu)].map((one) => one[1] ?? '');
    return [{ attempt: Number(attempt), code, reported }];
  });

/**
 * Whether an abort names the outage of the trial and nothing else. @param causes codes that name it
 */
const namesOutage = ({ code, reported }: Abort, causes: ReadonlySet<string>): boolean =>
  TOO_FEW.has(code)
    ? reported.length > 0 && reported.every((one) => causes.has(one))
    : causes.has(code) && reported.every((one) => causes.has(one));

const textOf = ({ attempt, code, reported }: Abort): string =>
  `attempt ${attempt}: ${code}${reported.length === 0 ? '' : ` (reported: ${reported.join(', ')})`}`;

const ACCUSES = /BROKE A RULE|FABRICATED A COMMIT|suspended for sums/u;
/** The coordinator waits, and says that it is an outage that it waits for. */
const WAITS = /^coordinator: the run waits: (?<reason>.*)$/u;

/**
 * @param causes codes that name the outage of the trial @param undisturbed how the undisturbed run
 * ended
 */
export const verdictOf = (
  shown: Shown,
  undisturbed: Ended,
  causes: ReadonlySet<string>,
): Verdict => {
  const aborts = abortsIn(shown.lines);
  const reasons = [
    ...shown.lines.filter((line) => ACCUSES.test(line)).map((line) => `accused: ${line}`),
    ...shown.left.map((who) => `${who} left before the run was over`),
    ...aborts
      .filter((one) => !namesOutage(one, causes))
      .map((one) => `a cause that is not this outage: ${textOf(one)}`),
  ];
  if (shown.model === undefined) {
    const waiting = shown.lines.findLast((line) => WAITS.test(line));
    const reason = WAITS.exec(waiting ?? '')?.groups?.['reason'];
    const isNamed = reason !== undefined && [...causes].some((code) => reason.includes(code));
    if (isNamed && reasons.length === 0) return { type: 'waits', reason };
    return { type: 'failed', reasons: [...reasons, 'the run did not end, and does not say why'] };
  }
  if (reasons.length > 0) return { type: 'failed', reasons };
  if (shown.model === undisturbed.model) return { type: 'same' };
  if (aborts.length === 0)
    return { type: 'failed', reasons: ['another model, though no attempt was aborted'] };
  const { accuracy } = shown;
  const off = Math.abs((accuracy ?? Number.NaN) - (undisturbed.accuracy ?? Number.NaN));
  if (accuracy === undefined || !(off <= ACCURACY_POINTS))
    return {
      type: 'failed',
      reasons: [`accuracy ${accuracy} %, undisturbed ${undisturbed.accuracy} %`],
    };
  return { type: 'repeated', aborts, accuracy };
};

/** One line for each finding. */
export const verdictLines = (verdict: Verdict): readonly string[] => {
  switch (verdict.type) {
    case 'same':
      return ['ended with the undisturbed model'];
    case 'repeated':
      return [
        `ended with another model, since ${verdict.aborts.length} attempts were aborted for the outage; ` +
          `accuracy ${verdict.accuracy} %, nobody accused, nobody left`,
        ...verdict.aborts.map((one) => `  ${textOf(one)}`),
      ];
    case 'waits':
      return [`waits, and says why: ${verdict.reason}`];
    case 'failed':
      return ['FAILED', ...verdict.reasons.map((reason) => `  ${reason}`)];
  }
};
