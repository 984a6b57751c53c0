/**
 * Bytes of a peer: 250,000 mutated frames and records give a named error or decode, and nothing
 * else happens. Each mutant is an honest frame or record with a few bytes changed, cut, repeated or
 * put in the place of others.
 */
import { beforeAll, expect, it } from 'vitest';
import { FloeError, isErrorCode } from '../../protocol/errors.ts';
import { decodeClientFrame, decodeServerFrame, encodeFrame } from '../../protocol/wire/messages.ts';
import { randomBelow, seededRandom } from '../../protocol/ports/random.ts';
import { decodeRecord } from '../../protocol/records/records.ts';
import { buildRound, makeCast, recordsOf, type BuiltRound } from '../rules/build-round.ts';

const COUNT = 250_000;

let attempt: BuiltRound;
beforeAll(async () => {
  const all = [0, 1, 2, 3];
  attempt = buildRound(await makeCast(4), {
    secagg: 'masked',
    invited: all,
    members: all,
    sharers: all,
    survivors: all,
  });
});

type Decode = (bytes: Uint8Array) => unknown;

const seedsOf = ({ records, entries }: BuiltRound): readonly (readonly [Uint8Array, Decode])[] => {
  const record = (type: Parameters<typeof recordsOf>[1]): Uint8Array =>
    recordsOf(attempt, type)[0]?.bytes ?? new Uint8Array();
  const own = [...(entries.values().next().value ?? [])];
  const path = new Uint8Array(96);
  const inbox = recordsOf(attempt, 'share').map(({ bytes }) => ({
    record: bytes,
    entry: own[0]!,
    path,
  }));
  const registers = recordsOf(attempt, 'register').map(({ bytes }) => bytes);
  const client = [
    encodeFrame({ type: 'hello', key: new Uint8Array(32), nonce: new Uint8Array(32) }),
    encodeFrame({ type: 'login', signature: new Uint8Array(64) }),
    encodeFrame({ type: 'record', record: record('register') }),
    encodeFrame({ type: 'share', record: record('share'), entries: own }),
    encodeFrame({ type: 'withdraw', attempt: 1, code: 'trainer_failed' }),
    encodeFrame({ type: 'report', attempt: 1, code: 'gate_unavailable' }),
  ];
  const server = [
    encodeFrame({ type: 'record', record: record('open') }),
    encodeFrame({ type: 'cohort', record: record('cohort'), registers }),
    encodeFrame({ type: 'sharers', record: record('sharers'), inbox }),
    encodeFrame({ type: 'ack', hash: new Uint8Array(32) }),
    encodeFrame({ type: 'error', code: 'phase_closed', message: 'm' }),
    encodeFrame({ type: 'finished', rounds: 3 }),
    encodeFrame({ type: 'finished', rounds: 3, failure: 'update_not_finite' }),
  ];
  return [
    ...client.map((bytes) => [bytes, decodeClientFrame] as const),
    ...server.map((bytes) => [bytes, decodeServerFrame] as const),
    ...records.map(({ bytes }) => [bytes, decodeRecord] as const),
  ];
};

it(`${COUNT} mutated frames and records give named errors`, () => {
  const random = seededRandom(new Uint8Array(32).fill(41));
  const draw = (below: number): number => randomBelow(random, below);
  const seeds = seedsOf(attempt);
  const mutate = (bytes: Uint8Array): Uint8Array => {
    // Heads of items stand at the front: half of the changes go there.
    const place = (): number => draw(draw(2) === 0 ? Math.min(64, bytes.length) : bytes.length);
    const at = place();
    switch (draw(5)) {
      case 0:
        return bytes.with(at, draw(256));
      case 1:
        return bytes.with(at, draw(256)).with(place(), draw(256)).with(place(), draw(256));
      case 2:
        return bytes.slice(0, at);
      case 3:
        return new Uint8Array([...bytes.subarray(0, at), ...bytes.subarray(place())]);
      default: {
        const changed = bytes.slice();
        changed.set(bytes.subarray(place()).subarray(0, bytes.length - at), at);
        return changed;
      }
    }
  };
  const codes = new Map<string, number>();
  for (let i = 0; i < COUNT; i += 1) {
    const [bytes, decode] = seeds[draw(seeds.length)]!;
    const mutant = mutate(bytes);
    try {
      decode(mutant);
      codes.set('decoded', (codes.get('decoded') ?? 0) + 1);
    } catch (thrown) {
      const code = thrown instanceof FloeError ? thrown.code : `unnamed: ${String(thrown)}`;
      codes.set(code, (codes.get(code) ?? 0) + 1);
    }
  }
  const named = [...codes.keys()].filter((code) => code !== 'decoded');
  expect(named.filter((code) => !isErrorCode(code))).toEqual([]);
  expect(new Set(named)).toEqual(
    new Set(['frame_malformed', 'record_malformed', 'signature_invalid', 'version_unsupported']),
  );
});
