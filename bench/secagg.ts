/**
 * @module Speed of secure aggregation: `npx node bench/secagg.ts [MiB]`. Masking and unmasking are
 * given as a ratio to the raw AES-256-CTR keystream of OpenSSL, measured in the same run and
 * interleaved. Each figure is the best of several rounds, because other load on the machine can
 * only slow a round down. The costs of keys, pairs and shares are in milliseconds. A whole round is
 * in CPU seconds of all parties, compared with the portable primitives.
 */
import { createCipheriv } from 'node:crypto';
import { sha256, utf8 } from '../protocol/bytes.ts';
import { seededRandom } from '../protocol/ports/random.ts';
import {
  applyMasks,
  deriveKeys,
  nativePrimitives,
  portablePrimitives,
  ready,
  reconstruct,
  split,
  threshold,
  webKeystream,
} from '../protocol/secagg/index.ts';
import type { Lanes, MaskJob, Primitives } from '../protocol/secagg/index.ts';
import { play } from '../test/secagg/play.ts';
import { report } from './table.ts';

await ready();
const MIB = Number(process.argv[2] ?? 32);
if (!(MIB >= 1 && MIB <= 1024)) throw new RangeError('expected 1 to 1024 MiB');
const TOTAL = MIB << 20;
const CHUNK = 256 * 1024;
const ROUNDS = 9;
const MASKS = 4;

const seedOf = (label: string): Uint8Array => sha256(utf8(label));
const jobs: MaskJob[] = Array.from({ length: MASKS }, (_, i) => ({
  seed: seedOf(`mask ${i}`),
  sign: i % 2 === 0 ? 1 : -1,
}));
const zeros = new Uint8Array(CHUNK);

/** MB/s of one run over `TOTAL` bytes of keystream. */
const rate = async (run: () => Promise<void> | void): Promise<number> => {
  const start = performance.now();
  await run();
  return TOTAL / 1e3 / (performance.now() - start);
};

const raw = (): void => {
  const cipher = createCipheriv('aes-256-ctr', seedOf('raw'), new Uint8Array(16));
  for (let at = 0; at < TOTAL; at += CHUNK) cipher.update(zeros);
};
const mask =
  (lanes: Lanes, bits: number, keystream?: typeof webKeystream) => async (): Promise<void> =>
    applyMasks(lanes, jobs, bits, keystream === undefined ? {} : { keystream });
const chacha = (): void => {
  const key = seedOf('chacha');
  const cipher = createCipheriv('chacha20', key, new Uint8Array(16));
  for (let at = 0; at < TOTAL; at += CHUNK) cipher.update(zeros);
};

const perMask = TOTAL / MASKS;
const lanes16 = new Uint16Array(perMask / 2);
const lanes32 = new Uint32Array(perMask / 4);
const candidates: readonly (readonly [string, () => Promise<void> | void])[] = [
  ['masking, 16-bit lanes, b = 16', mask(lanes16, 16)],
  ['masking, 16-bit lanes, b = 12', mask(lanes16, 12)],
  ['masking, 32-bit lanes, b = 32', mask(lanes32, 32)],
  ['masking, 16-bit lanes, WebCrypto', mask(lanes16, 16, webKeystream)],
  ['OpenSSL chacha20, keystream only', chacha],
];

console.log(
  `keystream ${MIB} MiB as ${MASKS} masks, best of ${ROUNDS}; unmasking is the same code`,
);
await rate(raw);
for (const [name, run] of candidates) {
  await rate(run);
  let [base, own] = [0, 0];
  for (let round = 0; round < ROUNDS; round++) {
    base = Math.max(base, await rate(raw));
    own = Math.max(own, await rate(run));
  }
  const to = `raw AES-256-CTR (${base.toFixed(0)} MB/s)`;
  report({ what: name, value: own, unit: 'MB/s', ratio: { value: own / base, to } });
}

/**
 * Costs of one pair, by both implementations; the peer of each native figure is the portable one.
 */
const KINDS = [nativePrimitives ?? portablePrimitives(), portablePrimitives()] as const;
const timed = async (count: number, run: () => unknown): Promise<number> => {
  await run();
  const start = performance.now();
  for (let i = 0; i < count; i++) await run();
  return (performance.now() - start) / count;
};
/** Reports milliseconds with `ours`, and the ratio to the same with `theirs`. */
const compare = async (
  what: string,
  count: number,
  run: (primitives: Primitives) => () => unknown,
): Promise<void> => {
  const [ours, theirs] = KINDS;
  const [own, base] = [await timed(count, run(ours)), await timed(count, run(theirs))];
  const to = `portable (${base.toFixed(3)} ms)`;
  report({ what, value: own, unit: 'ms', ratio: { value: own / base, to } });
};
const secret = seedOf('sigma');
const kemSecret = new Uint8Array(64).fill(7);
await compare('keys of one secret', 20, (p) => () => deriveKeys(secret, 'mask', p));
await compare('X25519 agreement', 50, (p) => {
  const [pair, peer] = [p.pointPair(secret), p.pointKey(p.pointPair(seedOf('b')).publicKey)];
  return () => pair.agree(peer);
});
await compare('ML-KEM-768 encapsulate', 50, (p) => {
  const key = p.kemKey(p.kemPair(kemSecret).publicKey);
  return () => key.encapsulate();
});
await compare('ML-KEM-768 decapsulate', 50, (p) => {
  const pair = p.kemPair(kemSecret);
  const { ciphertext } = p.kemKey(pair.publicKey).encapsulate();
  return () => pair.decapsulate(ciphertext);
});
for (const n of [10, 100, 255]) {
  const t = threshold(n);
  const make = (): Uint8Array[] => split(secret, n, t, seededRandom(seedOf('random')));
  const shares = make();
  const what = `one secret, ${t} of ${n}`;
  report({ what: `split ${what}`, value: await timed(5, make), unit: 'ms' });
  const back = await timed(5, () => reconstruct(shares.slice(n - t), t));
  report({ what: `reconstruct ${what}`, value: back, unit: 'ms' });
}

/**
 * CPU seconds of all parties in one attempt, from keys to the sum, one participant dropped after
 * sharing.
 */
const wholeRound = async (n: number, primitives: Primitives): Promise<number> => {
  const length = 1 << 17;
  const updates = new Uint16Array(length);
  const before = process.cpuUsage();
  const { sum, expected } = await play({
    n,
    length,
    modulusBits: 16,
    seed: `bench ${n}`,
    drops: { beforeUpload: [1] },
    update: () => updates,
    primitives,
  });
  const { user, system } = process.cpuUsage(before);
  if (sum === null || !sum.every((lane, i) => lane === expected[i]))
    throw new Error('the sum of the round is wrong');
  return (user + system) / 1e6;
};
for (const n of [10, 50]) {
  const [own, base] = [await wholeRound(n, KINDS[0]), await wholeRound(n, KINDS[1])];
  report({
    what: `whole round, n = ${n}, d = 100,000 (2^17 lanes), all parties`,
    value: own,
    unit: 's CPU',
    ratio: { value: own / base, to: `portable (${base.toFixed(2)} s)` },
  });
}
