/**
 * @module The output of a participant for its caller: typed events for progress bars and reports,
 * and lines for a log.
 */
import { shapedEncoding, trainableOf } from '../../protocol/algorithm/segments.ts';
import { describeLocal } from '../../protocol/algorithm/local-tensors.ts';
import { describePrivacy } from '../../protocol/algorithm/privacy.ts';
import { describeError } from '../../protocol/encoding/index.ts';
import { metricsText, type ReportedMetric } from '../../protocol/algorithm/metrics.ts';
import { toHex } from '../../protocol/bytes.ts';
import type { FloeError } from '../../protocol/errors.ts';
import { plural } from '../../protocol/plural.ts';
import { printable } from '../../protocol/printable.ts';
import type { ModelRef } from '../../protocol/records/records.ts';
import type { CommitProof } from '../../protocol/verify/commit-proof.ts';
import type { Proof } from '../../protocol/rules/breach.ts';
import type { RunSpec } from '../../protocol/spec/run-spec.ts';
import type { Skew } from '../../protocol/clock-skew.ts';
import { PortFault, type PortName, type Verdict } from './machine/verdict.ts';

export type ParticipantEvent =
  /**
   * First of all, where this participant requires less of a run than the defaults: what, in words.
   */
  | { readonly type: 'admission'; readonly lowered: readonly string[] }
  /** Logged in; comes again after every reconnect. The kinds say what really runs. */
  | {
      readonly type: 'connected';
      readonly remote: string;
      readonly run: Uint8Array;
      readonly spec: RunSpec;
      readonly address: string;
      readonly backend: string;
      /** Of this participant, where its trainer tells it before. */
      readonly examples: number | undefined;
      readonly store: string;
      readonly gate: string;
      /** What freezes are compared with, if not the coordinator's word alone. */
      readonly ledger: string | undefined;
      readonly keystore: string;
    }
  | {
      readonly type: 'reconnecting';
      /** Logins that have failed in a row. */
      readonly tries: number;
      readonly delayMs: number;
      /** Of this outage, or of this cause in it: the others say nothing new. */
      readonly isFirst: boolean;
      readonly error: FloeError;
    }
  /**
   * The commit of an earlier attempt is as its uploads say, at this leaf, and its model follows
   * from its sum.
   */
  | {
      readonly type: 'checked';
      readonly attempt: number;
      /** Attempt that made the commit. */
      readonly commit: number;
      readonly leaf: number;
      readonly milliseconds: number;
    }
  /** A commit is wrong, and here is the proof; the participant stops. */
  | {
      readonly type: 'fabricated';
      readonly attempt: number;
      readonly proof: CommitProof;
      readonly error: FloeError;
    }
  | { readonly type: 'registered'; readonly attempt: number }
  /**
   * In a buffered run, an update was thrown away, and the participant trains anew: it was too many
   * commits old (`update_stale`), or it may be in a sum on an earlier model
   * (`update_already_spent`).
   */
  | {
      readonly type: 'update-dropped';
      readonly attempt: number;
      readonly code: 'update_stale' | 'update_already_spent';
      /** Of one that is too old: commits since the model that it was trained on. */
      readonly staleness?: number;
      /** Of one that is too old: how many in a row were. */
      readonly inARow?: number;
    }
  /** In the frozen cohort of this many. */
  | { readonly type: 'joined'; readonly attempt: number; readonly cohort: number }
  /** Examples done, of all over the epochs. */
  | {
      readonly type: 'training';
      readonly attempt: number;
      readonly done: number;
      readonly total: number;
    }
  /** The vector of a large model is made: lanes encoded, masked and packed. About once a second. */
  | {
      readonly type: 'encoding';
      readonly attempt: number;
      readonly done: number;
      readonly total: number;
    }
  | {
      readonly type: 'trained';
      readonly attempt: number;
      readonly examples: number;
      readonly lossSum: number;
      readonly correct: number;
      readonly milliseconds: number;
      /** Its table was counted, and nothing trained. */
      readonly isSurvey: boolean;
    }
  /** A sharer's entry is bad; its author (hex) is accused, nothing is uploaded in this attempt. */
  | {
      readonly type: 'complained';
      readonly attempt: number;
      readonly accused: string;
      readonly kind: 'sealed' | 'pair';
    }
  | { readonly type: 'uploaded'; readonly attempt: number; readonly bytes: number }
  | {
      readonly type: 'unmasked';
      readonly attempt: number;
      readonly survivors: number;
      readonly dropped: number;
    }
  | {
      readonly type: 'committed';
      readonly attempt: number;
      /** Sum of the capped example counts, and the sums over the survivors. */
      readonly weight: number;
      readonly clipped: number;
      readonly metrics: readonly ReportedMetric[];
      readonly model: ModelRef;
    }
  /**
   * The coordinator aborted the attempt. `answered`: it may know the sum; otherwise nothing was
   * revealed.
   */
  | {
      readonly type: 'aborted';
      readonly attempt: number;
      readonly answered: boolean;
      readonly code: string;
      readonly reason: string;
    }
  /** Clocks differ by more than a minute; said once for each verdict. */
  | { readonly type: 'clock'; readonly skew: Skew }
  /** A store, gate or ledger fails; it is asked again while the attempt lasts. */
  | {
      readonly type: 'waiting';
      readonly attempt: number;
      readonly error: FloeError;
      readonly port: PortName;
    }
  /** What was waited for answers. */
  | {
      readonly type: 'answers-again';
      readonly attempt: number;
      readonly port: PortName;
      readonly milliseconds: number;
    }
  /** This participant left the attempt; it takes part in the next one. */
  | {
      readonly type: 'withdrawn';
      readonly attempt: number;
      readonly error: FloeError;
      readonly why: Verdict;
    }
  /**
   * Something that came is against the rules, and nothing that the coordinator signed shows who
   * made it.
   */
  | { readonly type: 'unproven'; readonly attempt: number; readonly error: FloeError }
  /** The coordinator broke a rule, for the `count`-th time, and signed what proves it. */
  | {
      readonly type: 'violation';
      readonly attempt: number;
      readonly error: FloeError;
      /** The coordinator's record, then what it is compared with. */
      readonly records: Proof;
      readonly count: number;
    }
  /** The coordinator refused something. */
  | { readonly type: 'refused'; readonly code: string; readonly message: string }
  /** `failure`: why the run ended before its last round. */
  | { readonly type: 'finished'; readonly rounds: number; readonly failure?: string };

export type LogLevel = 'info' | 'warn' | 'error';
/** One line; `facts` never hold secrets or tensors. */
export type Log = (
  level: LogLevel,
  message: string,
  facts?: Readonly<Record<string, string | number | boolean | undefined>>,
) => void;

/** Updates in a row that are too old before their owner is warned. */
const LATE_IN_A_ROW = 3;

const seconds = (milliseconds: number): string => (milliseconds / 1000).toFixed(1);

const count = (value: number): string => value.toLocaleString('en-US');

/** What becomes of this participant's examples in the weighted mean. */
const weightLines = (spec: RunSpec, examples: number | undefined): string => {
  if (examples === undefined) return '';
  const { encoding, cohort } = spec;
  const error = describeError(shapedEncoding(spec), cohort.size, trainableOf(spec), examples);
  return examples <= encoding.weightCap
    ? `; ${error}`
    : `; ${count(examples)} examples count as ${count(encoding.weightCap)} (weightCap); ${error}`;
};

const privacyLine = (spec: RunSpec): string => {
  const privacy = describePrivacy(spec);
  return privacy === undefined ? '' : `; privacy: ${privacy}`;
};

const localLine = (spec: RunSpec): string => {
  const local = describeLocal(spec);
  return local === undefined ? '' : `; ${local}`;
};

/**
 * The line of an event; `undefined` for those that only a progress bar wants. Names and reasons
 * come from the other side.
 */
export const lineOf = (event: ParticipantEvent): readonly [LogLevel, string] | undefined => {
  const line = rawLineOf(event);
  return line && [line[0], printable(line[1])];
};

/** Ports are opened before the first attempt. */
const placeOf = ({ attempt }: { readonly attempt: number }): string =>
  attempt === 0 ? 'before the first attempt' : `attempt ${attempt}`;

/** Whose error it is, where it is this participant's own program. */
const whose = (error: FloeError): string =>
  error instanceof PortFault && error.port === 'trainer'
    ? 'the trainer of this participant failed: '
    : '';

const rawLineOf = (event: ParticipantEvent): readonly [LogLevel, string] | undefined => {
  switch (event.type) {
    case 'admission':
      return [
        'warn',
        `this participant requires less than the default: ${event.lowered.join('; ')}`,
      ];
    case 'connected':
      return [
        'info',
        `${event.address} takes part in "${event.spec.name}" at ${event.remote} ` +
          `(${event.spec.secagg === 'masked' ? 'masked' : 'NOT masked'}; ` +
          `${event.spec.model.survey === undefined ? 'trains on' : 'answers with'} ${event.backend}; ` +
          `store ${event.store}, gate ${event.gate}, ledger ${event.ledger ?? "the coordinator's"}, keystore ${event.keystore})` +
          weightLines(event.spec, event.examples) +
          privacyLine(event.spec) +
          localLine(event.spec),
      ];
    case 'reconnecting':
      return event.isFirst
        ? [
            'warn',
            `${event.error.code}: ${event.error.message}; retries until it answers, first in ${seconds(event.delayMs)} s`,
          ]
        : undefined;
    case 'joined':
      return ['info', `attempt ${event.attempt}: in the cohort of ${event.cohort}`];
    case 'trained':
      return [
        'info',
        event.isSurvey
          ? `attempt ${event.attempt}: counted the table in ${seconds(event.milliseconds)} s`
          : `attempt ${event.attempt}: trained on ${plural(event.examples, 'example')} in ${seconds(event.milliseconds)} s`,
      ];
    case 'complained':
      return ['warn', `attempt ${event.attempt}: complains about ${event.accused} (${event.kind})`];
    case 'uploaded':
      return ['info', `attempt ${event.attempt}: uploaded ${event.bytes} bytes`];
    case 'committed': {
      const metrics = metricsText(event.metrics);
      return ['info', `attempt ${event.attempt}: new model${metrics === '' ? '' : `, ${metrics}`}`];
    }
    case 'aborted':
      return [
        'warn',
        `attempt ${event.attempt} was aborted: ${event.code}: ${event.reason} ` +
          (event.answered
            ? '(the sum of this attempt may be known to the coordinator)'
            : '(nothing was revealed)'),
      ];
    case 'clock':
      return [
        'warn',
        event.skew.whose === 'own'
          ? `clock_skewed: ${event.skew.message}; set it, no restart is needed`
          : event.skew.message,
      ];
    case 'waiting':
      return [
        'warn',
        `${placeOf(event)}: waits for the ${event.port}: ${event.error.code}: ${event.error.message}`,
      ];
    case 'answers-again':
      return [
        'info',
        `${placeOf(event)}: the ${event.port} answers again, after ${seconds(event.milliseconds)} s`,
      ];
    case 'withdrawn':
      return [
        'warn',
        `attempt ${event.attempt}: sits out: ${whose(event.error)}${event.error.code}: ${event.error.message} ` +
          `(tries the next attempt; ${event.error.remedy})`,
      ];
    case 'unproven':
      return [
        'warn',
        `attempt ${event.attempt}: refuses an unsigned message: ` +
          `${event.error.code}: ${event.error.message}`,
      ];
    case 'violation':
      return [
        'error',
        `THE COORDINATOR BROKE A RULE (${event.count}) in attempt ${event.attempt}: ${event.error.code}: ` +
          `${event.error.message} (proven by its ${event.records[0].type} record ${toHex(event.records[0].hash).slice(0, 16)})`,
      ];
    case 'fabricated':
      return ['error', `THE COORDINATOR FABRICATED A COMMIT: ${event.error.message}`];
    case 'refused':
      return ['warn', `the coordinator refused: ${event.code}: ${event.message}`];
    case 'finished':
      return event.failure === undefined
        ? ['info', `the run is over after ${plural(event.rounds, 'round')}`]
        : ['error', `the run has failed after ${plural(event.rounds, 'round')}: ${event.failure}`];
    case 'update-dropped': {
      const { attempt, code, staleness, inARow = 1 } = event;
      const why =
        staleness !== undefined
          ? `its model is ${plural(staleness, 'commit')} old`
          : 'it may be in a sum on an earlier model';
      const text = `attempt ${attempt}: the update is dropped (${code}): ${why}; trains anew`;
      return inARow < LATE_IN_A_ROW
        ? ['info', text]
        : [
            'warn',
            `${text}; ${inARow} in a row were too old, so training here takes longer than the run waits (--max-staleness)`,
          ];
    }
    case 'registered':
    case 'checked':
    case 'training':
    case 'encoding':
    case 'unmasked':
      break;
  }
  return undefined;
};
