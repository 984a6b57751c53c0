/**
 * @module Speed of secure aggregation: `npx node bench/secagg.ts [MiB]`. Masking and unmasking are
 * given as a ratio to the raw AES-256-CTR keystream of OpenSSL measured in the same run,
 * interleaved with it. Each figure is the best of several rounds, because whatever else runs on the
 * machine can only slow a round down. The costs of keys, pairs and shares are in milliseconds.
 */
import { createCipheriv } from 'node:crypto';
import { sha256, utf8 } from '../protocol/bytes.ts';
import { seededRandom } from '../protocol/random.ts';
import {
  applyMasks,
  decapsulate,
  derive,
  encapsulate,
  freezeCohort,
  makeShares,
  openShare,
  pairMask,
  ready,
  reconstruct,
  split,
  threshold,
  webKeystream,
} from '../protocol/secagg/index.ts';
import type { Lanes, MaskJob } from '../protocol/secagg/index.ts';
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

const N = 12;
const people = Array.from({ length: N }, (_, i) => {
  const sigma = seedOf(`sigma ${i}`);
  return { id: seedOf(`id ${i}`), sigma, keys: derive(sigma) };
});
const cohort = freezeCohort(people.map(({ id, keys }) => ({ id, keys: keys.public })));
const context = seedOf('context');
const [alice, bob] = people as [(typeof people)[0], (typeof people)[0]];
const bobMember = { id: bob.id, keys: bob.keys.public };
const sent = encapsulate(alice.keys, context, alice.id, bobMember);
const back = encapsulate(bob.keys, context, bob.id, { id: alice.id, keys: alice.keys.public });
const make = async () =>
  makeShares({
    context,
    cohort,
    self: alice.id,
    sigma: alice.sigma,
    keys: alice.keys,
    selfSecret: seedOf('b'),
    random: seededRandom(seedOf('random')),
  });
const { message } = await make();
const entry = message.entries[cohort.members.findIndex(({ id }) => id === bob.id)]!;
const cost = async (name: string, count: number, run: () => unknown): Promise<void> => {
  await run();
  const start = performance.now();
  for (let i = 0; i < count; i++) await run();
  report({ what: name, value: (performance.now() - start) / count, unit: 'ms' });
};

await cost('round keys of one participant', 20, () => derive(alice.sigma));
await cost('encapsulate', 20, () => encapsulate(alice.keys, context, alice.id, bobMember));
await cost('decapsulate', 20, () => decapsulate(bob.keys, sent.ciphertext));
await cost('pair mask seed', 20, () =>
  pairMask({
    keys: alice.keys,
    context,
    self: alice.id,
    peer: bobMember,
    fromPeer: back.ciphertext,
  }),
);
await cost(`make shares, n = ${N}`, 5, make);
await cost('open one share', 20, async () =>
  openShare({ context, cohort, self: bob.id, keys: bob.keys, author: alice.id, entry }),
);
for (const n of [10, 100, 255]) {
  const t = threshold(n);
  const shares = split(alice.sigma, n, t, seededRandom(seedOf('random')));
  await cost(`split one secret, ${t} of ${n}`, 5, () =>
    split(alice.sigma, n, t, seededRandom(seedOf('random'))),
  );
  await cost(`reconstruct one secret, ${t} of ${n}`, 5, async () =>
    reconstruct(shares.slice(n - t), t),
  );
}
