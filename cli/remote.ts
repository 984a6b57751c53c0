/**
 * @module What a coordinator says over HTTP: the specification it runs, and the transcript so far. Everything is checked
 * here: size, schema, and that the specification has the hash that was announced.
 */
import * as v from 'valibot';
import { equalBytes, fromHex } from '../protocol/bytes.ts';
import { FloeError } from '../protocol/errors.ts';
import { decodeRunSpec, hashRunSpec, type RunSpec } from '../protocol/run-spec.ts';

const SPEC_LIMIT = 8 << 20;
const TRANSCRIPT_LIMIT = 2 ** 31 - 1;
const TIMEOUT_MS = 120_000;

const hex = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/u));
const runSchema = v.object({
  run: hex,
  coordinator: hex,
  spec: v.pipe(v.string(), v.regex(/^[\w-]*$/u)),
});

/** `ws://host:1` and `http://host:1` to the base address for HTTP; `undefined` for anything else, such as a path. */
export const httpBase = (source: string): string | undefined => {
  const match = /^(ws|http)(s?):\/\//iu.exec(source);
  if (match === null) return undefined;
  try {
    return new URL(`http${match[2] ?? ''}://${source.slice(match[0].length)}`).origin;
  } catch (cause) {
    throw new FloeError(
      'usage',
      `expected an address such as ws://host:7700, got ${source}`,
      {},
      { cause },
    );
  }
};

/** The same address for the WebSocket. */
export const webSocketAddress = (source: string): string => {
  const base = httpBase(source);
  if (base === undefined)
    throw new FloeError('usage', `expected an address such as ws://host:7700, got ${source}`);
  return base.replace(/^http/u, 'ws');
};

const fetchBytes = async (url: string, limit: number, signal: AbortSignal): Promise<Uint8Array> => {
  let response: Response;
  try {
    response = await fetch(url, {
      signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
    });
  } catch (cause) {
    if (signal.aborted)
      throw new FloeError('aborted', 'The operation was cancelled.', {}, { cause });
    throw new FloeError('connection_lost', `no answer from ${url}`, {}, { cause });
  }
  if (!response.ok || response.body === null)
    throw new FloeError('connection_lost', `${url} answered ${response.status}`);
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    size += chunk.length;
    if (size > limit)
      throw new FloeError('frame_too_large', `${url}: expected at most ${limit} bytes`);
    chunks.push(chunk);
  }
  return new Uint8Array(Buffer.concat(chunks));
};

/** The run a coordinator offers. @throws FloeError `connection_lost`, `spec_invalid`, `spec_mismatch` */
export const readWelcome = async (
  base: string,
  signal: AbortSignal,
): Promise<{ readonly spec: RunSpec; readonly run: Uint8Array }> => {
  const text = new TextDecoder().decode(await fetchBytes(`${base}/run`, SPEC_LIMIT, signal));
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new FloeError('spec_invalid', `${base}/run is not JSON`, {}, { cause });
  }
  const parsed = v.safeParse(runSchema, value);
  if (!parsed.success)
    throw new FloeError('spec_invalid', `${base}/run is not the answer of a Floe coordinator`);
  const spec = decodeRunSpec(new Uint8Array(Buffer.from(parsed.output.spec, 'base64url')));
  const run = hashRunSpec(spec);
  if (!equalBytes(run, fromHex(parsed.output.run)))
    throw new FloeError(
      'spec_mismatch',
      `${base} announces another hash than its specification has`,
    );
  return { spec, run };
};

export const readTranscript = async (base: string, signal: AbortSignal): Promise<Uint8Array> =>
  await fetchBytes(`${base}/transcript`, TRANSCRIPT_LIMIT, signal);
