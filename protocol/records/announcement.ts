/**
 * @module What a coordinator says of its run over HTTP, to whoever asks: `GET /run` names the
 * specification, its hash and the network. Nothing of it is believed unchecked: size, form, and
 * that the specification has the hash that is announced.
 */
import * as v from 'valibot';
import { equalBytes, fromHex } from '../bytes.ts';
import { FloeError } from '../errors.ts';
import { parseNetworkConfig, type NetworkConfig } from '../net/config.ts';
import { decodeRunSpec, hashRunSpec, type RunSpec } from '../spec/run-spec.ts';
import { deadline, systemClock, type Clock } from '../ports/clock.ts';
import { fromBase64url } from '../wire/base64url.ts';
import { readAtMost } from '../wire/body.ts';
import { unexpectedStatus, unreachable } from '../wire/unreachable.ts';

const MAX_ANNOUNCEMENT_BYTES = 8 << 20;
const TIMEOUT_MS = 120_000;

export interface Announcement {
  readonly spec: RunSpec;
  /** Hash of the specification. */
  readonly run: Uint8Array;
  /** Undefined for a run that the coordinator keeps itself. */
  readonly network: NetworkConfig | undefined;
}

const announcementSchema = v.object({
  run: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/u)),
  spec: v.pipe(v.string(), v.regex(/^[\w-]*$/u)),
  network: v.optional(v.unknown()),
});

/**
 * The body of an answer, cut off where it is longer than `limit` bytes, not buffered.
 *
 * @throws FloeError `connection_lost` when there is no answer, `certificate_refused`,
 * `wrong_protocol`, `frame_too_large`, `aborted`
 */
export const fetchBytes = async (
  url: string,
  limit: number,
  signal?: AbortSignal,
  {
    clock = systemClock,
    alsoStatus,
  }: {
    readonly clock?: Clock;
    /** A status besides 200 to 299 whose body is taken. */
    readonly alsoStatus?: number;
  } = {},
): Promise<Uint8Array> => {
  const within = deadline(clock, TIMEOUT_MS, signal);
  try {
    const response = await fetch(url, { signal: within.signal });
    if (!response.ok && response.status !== alsoStatus) {
      await response.body?.cancel();
      throw unexpectedStatus(url, response.status);
    }
    const excess = (): FloeError =>
      new FloeError('frame_too_large', `${url}: expected at most ${limit} bytes`);
    return await readAtMost(response.body, limit, excess);
  } catch (cause) {
    if (cause instanceof FloeError) throw cause;
    if (signal?.aborted === true)
      throw new FloeError('aborted', 'The operation was cancelled.', {}, { cause });
    throw unreachable(url, cause);
  } finally {
    within.release();
  }
};

/**
 * @param base the coordinator's address over HTTP
 * @throws FloeError what {@link fetchBytes} throws, `spec_invalid`, `spec_mismatch`
 */
export const readAnnouncement = async (
  base: string,
  signal?: AbortSignal,
): Promise<Announcement> => {
  const url = new URL('/run', base).href;
  const bytes = await fetchBytes(url, MAX_ANNOUNCEMENT_BYTES, signal);
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(bytes));
  } catch (cause) {
    throw new FloeError('spec_invalid', `${url} is not JSON`, {}, { cause });
  }
  const parsed = v.safeParse(announcementSchema, value);
  if (!parsed.success)
    throw new FloeError('spec_invalid', `${url} is not the answer of a Floe coordinator`);
  const { network } = parsed.output;
  let encoded: Uint8Array;
  try {
    encoded = fromBase64url(parsed.output.spec);
  } catch (cause) {
    throw new FloeError('spec_invalid', `${url}: the specification is no base64url`, {}, { cause });
  }
  const spec = decodeRunSpec(encoded);
  const run = hashRunSpec(spec);
  if (!equalBytes(run, fromHex(parsed.output.run)))
    throw new FloeError(
      'spec_mismatch',
      `${url} announces another hash than its specification has`,
    );
  return { spec, run, network: network === undefined ? undefined : parseNetworkConfig(network) };
};
