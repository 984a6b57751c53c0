/**
 * @module Prometheus metrics of one coordinator, in a separate registry (text exposition format
 * 0.0.4).
 */
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { StepReport } from './anomalies/rules.ts';
import type { Progress } from './machine/index.ts';
import type { UpkeepStatus } from './upkeep.ts';

export interface Metrics {
  readonly contentType: string;
  text(): Promise<string>;
  /** Counts a progress event. */
  observe(progress: Progress): void;
  /** Counts a request to the blob endpoint. */
  blob(method: 'get' | 'put', bytes: number, status: number): void;
}

interface Sources {
  readonly status: () => {
    readonly connections: number;
    readonly loggedIn: number;
    readonly committed: number;
    readonly attempt: number;
  };
  readonly journalEvents: () => number;
  readonly upkeep: () => UpkeepStatus;
}

type AddGauge = (name: string, help: string, read: () => number) => void;

/** Metrics of a network run; unknown values are NaN, which Prometheus accepts. */
const registerUpkeep = (gauge: AddGauge, upkeep: () => UpkeepStatus): void => {
  const unknown = Number.NaN;
  gauge(
    'floe_storage_epoch',
    'Present epoch of the blob store.',
    () => upkeep().lease?.epoch ?? unknown,
  );
  gauge(
    'floe_blobs_end_epoch',
    'First epoch for which the blobs of the next round are not paid.',
    () => upkeep().lease?.endEpoch ?? unknown,
  );
  gauge(
    'floe_blobs_paid_until_seconds',
    'When that epoch begins, in seconds since 1970.',
    () => (upkeep().lease?.endsAt ?? unknown) / 1000,
  );
  gauge('floe_blobs_extended', 'Blobs paid for longer since the start.', () => upkeep().extended);
  gauge('floe_blobs_restored', 'Blobs stored again since the start.', () => upkeep().restored);
  gauge('floe_balance_sui', 'SUI that the run is paid from.', () =>
    coinsOf(upkeep().funds?.have.sui),
  );
  gauge('floe_balance_wal', 'WAL that the run is paid from.', () =>
    coinsOf(upkeep().funds?.have.wal),
  );
  gauge(
    'floe_rounds_funded',
    'Rounds that the balance lasts for, at present prices.',
    () => upkeep().funds?.rounds ?? unknown,
  );
};

/** The anomaly report of the newest commit; NaN where it has no such number. */
const registerSteps = (registers: Registry[]) => {
  const gauge = (name: string, help: string) => new Gauge({ name, help, registers });
  const gauges: Readonly<Record<keyof StepReport, Gauge>> = {
    norm: gauge('floe_step_norm', 'L2 norm of the step of the model in the last commit.'),
    normRatio: gauge('floe_step_norm_ratio', 'That norm by the median norm of the last rounds.'),
    cosine: gauge('floe_step_cosine', 'Cosine of the last step to the step before.'),
    cosineMean: gauge(
      'floe_step_cosine_mean',
      'Cosine of the last step to the mean of earlier ones.',
    ),
    lossJump: gauge(
      'floe_train_loss_jump',
      'Training loss of the last commit less the one before.',
    ),
  };
  const anomalies = new Counter({
    name: 'floe_anomalies_total',
    help: 'Anomalies of commits, by kind and subject.',
    labelNames: ['kind', 'subject'] as const,
    registers,
  });
  return {
    anomalies,
    observeStep: (step: StepReport): void => {
      for (const [name, each] of Object.entries(gauges) as [keyof StepReport, Gauge][])
        each.set(step[name] ?? Number.NaN);
    },
  };
};

const coinsOf = (amount: bigint | undefined): number =>
  amount === undefined ? Number.NaN : Number(amount) / 1e9;

export const createMetrics = ({ status, journalEvents, upkeep }: Sources): Metrics => {
  const registry = new Registry();
  const registers = [registry];
  const gauge = (name: string, help: string, read: () => number): void => {
    registry.registerMetric(
      new Gauge({
        name,
        help,
        registers: [],
        collect() {
          this.set(read());
        },
      }),
    );
  };
  gauge('floe_connections', 'Open connections.', () => status().connections);
  gauge('floe_participants', 'Participants that are logged in.', () => status().loggedIn);
  gauge('floe_attempt', 'Number of the current or last attempt.', () => status().attempt);
  gauge('floe_rounds_committed', 'Rounds committed in this run.', () => status().committed);
  gauge('floe_journal_events', 'Events in the journal.', journalEvents);
  registerUpkeep(gauge, upkeep);
  const aborted = new Counter({
    name: 'floe_attempts_aborted_total',
    help: 'Aborted attempts, by error code.',
    labelNames: ['code'] as const,
    registers,
  });
  const reported = new Counter({
    name: 'floe_reported_total',
    help: 'Participants that reported an error in an aborted attempt, by error code.',
    labelNames: ['code'] as const,
    registers,
  });
  const uploads = new Counter({
    name: 'floe_uploads_total',
    help: 'Uploads folded or rejected.',
    labelNames: ['outcome'] as const,
    registers,
  });
  const uploadBytes = new Counter({
    name: 'floe_upload_bytes_total',
    help: 'Bytes of the uploads that were folded.',
    registers,
  });
  const implausible = new Counter({
    name: 'floe_groups_left_out_total',
    help: 'Groups whose sum cannot be that of clipped updates.',
    registers,
  });
  let suspected = 0;
  gauge(
    'floe_suspects',
    'Members whose groups deviate more than chance, since the start.',
    () => suspected,
  );
  const { observeStep, anomalies } = registerSteps(registers);
  const phases = new Histogram({
    name: 'floe_phase_seconds',
    help: 'Duration of the phases of committed rounds.',
    labelNames: ['phase'] as const,
    buckets: [0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 1800],
    registers,
  });
  const blobs = new Counter({
    name: 'floe_blob_requests_total',
    help: 'Requests to the blob endpoint.',
    labelNames: ['method', 'status'] as const,
    registers,
  });
  const blobBytes = new Counter({
    name: 'floe_blob_bytes_total',
    help: 'Bytes that went through the blob endpoint.',
    labelNames: ['method'] as const,
    registers,
  });
  return {
    contentType: registry.contentType,
    text: async () => registry.metrics(),
    observe: (progress) => {
      switch (progress.type) {
        case 'upload-folded':
          uploads.inc({ outcome: 'folded' });
          uploadBytes.inc(progress.bytes);
          break;
        case 'upload-rejected':
          uploads.inc({ outcome: 'rejected' });
          break;
        case 'aborted':
          aborted.inc({ code: progress.code });
          for (const { code, count } of progress.reported) reported.inc({ code }, count);
          break;
        case 'groups':
          implausible.inc(progress.groups.filter(({ norm }) => norm === undefined).length);
          suspected = progress.suspects.length;
          break;
        case 'committed':
          for (const [phase, ms] of Object.entries(progress.phases))
            phases.observe({ phase }, ms / 1000);
          observeStep(progress.step ?? {});
          for (const { kind, subject } of progress.anomalies ?? [])
            anomalies.inc({ kind, subject });
          break;
        default:
      }
    },
    blob: (method, bytes, code) => {
      blobs.inc({ method, status: code });
      blobBytes.inc({ method }, bytes);
    },
  };
};
