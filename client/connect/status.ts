/**
 * @module The state of a run as its coordinator tells it to anybody over HTTP (`GET /health`): what
 * it is doing, who is here, the last commits, the anomaly report. Unsigned: it is a hint for an
 * operator, and nothing is decided by it.
 */
import * as v from 'valibot';
import { FloeError } from '../../protocol/errors.ts';
import { fetchBytes } from '../../protocol/records/announcement.ts';
import { httpBase } from './address.ts';

const MAX_STATUS_BYTES = 1 << 20;
/** Commits and anomalies that are taken over. */
const MAX_LISTED = 1000;

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const text = v.pipe(v.string(), v.maxLength(4096));
const number = v.pipe(v.number(), v.finite());

const anomalySchema = v.object({
  kind: text,
  subject: text,
  value: number,
  usual: number,
  score: number,
});

const commitSchema = v.object({
  attempt: count,
  /** Its round. */
  version: count,
  cohort: count,
  survivors: count,
  trainLoss: v.optional(number),
  step: v.object({
    norm: v.optional(number),
    normRatio: v.optional(number),
    cosine: v.optional(number),
    cosineMean: v.optional(number),
    lossJump: v.optional(number),
  }),
  anomalies: v.pipe(v.array(anomalySchema), v.maxLength(MAX_LISTED)),
});

/** Fields of newer coordinators are ignored; those that older ones lack are optional. */
const statusSchema = v.object({
  /** False once the coordinator was stopped or has failed. */
  running: v.boolean(),
  phase: text,
  waitingFor: v.optional(text),
  failure: v.optional(text),
  lastAbort: v.optional(v.object({ attempt: count, code: text, reported: v.optional(text) })),
  attempt: count,
  committed: count,
  rounds: count,
  /** Aborted attempts since the last commit. */
  failures: count,
  /** Participants that are logged in. */
  loggedIn: count,
  connections: count,
  /** After the end: participants that have not heard of it. */
  untold: count,
  /** Of the attempt in progress. */
  members: v.optional(count),
  uploads: v.optional(count),
  commits: v.optional(v.pipe(v.array(commitSchema), v.maxLength(MAX_LISTED)), []),
  anomalies: v.object({
    count,
    since: v.optional(count),
    last: v.optional(
      v.object({
        version: count,
        found: v.pipe(v.array(anomalySchema), v.maxLength(MAX_LISTED)),
      }),
    ),
  }),
});
export type RunStatus = v.InferOutput<typeof statusSchema>;

/** A coordinator that was stopped or has failed answers with this, and its status. */
const STOPPED = 503;

/**
 * @param address of the coordinator, `ws://host:7700` or `http://host:7700`
 * @example
 * const { phase, committed, rounds } = await readStatus('http://localhost:7700');
 * @throws FloeError `usage` for no such address, `connection_lost`, `certificate_refused`,
 * `wrong_protocol`, `frame_too_large`, `frame_malformed` for the answer of something else,
 * `aborted`
 */
export const readStatus = async (address: string, signal?: AbortSignal): Promise<RunStatus> => {
  const base = httpBase(address);
  if (base === undefined)
    throw new FloeError('usage', `expected an address such as ws://host:7700, got ${address}`);
  const url = `${base}/health`;
  const bytes = await fetchBytes(url, MAX_STATUS_BYTES, signal, { alsoStatus: STOPPED });
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(bytes));
  } catch (cause) {
    throw new FloeError('frame_malformed', `${url} is not JSON`, {}, { cause });
  }
  const parsed = v.safeParse(statusSchema, value);
  if (!parsed.success)
    throw new FloeError('frame_malformed', `${url} is not the answer of a Floe coordinator`);
  return parsed.output;
};
