/**
 * @module Speed of the encoding, compared with a plain copy of the same bytes in the same run: `npx
 * node bench/encoding.ts [dimension] [cohort]`. MB count float32 values for encode and decode,
 * lanes for the rest. The copy is of 64 MiB, which no cache holds. A ratio of 0.1 means ten times
 * as long as copying the same bytes; it carries over to other machines better than the MB/s do.
 */
import { randomBytes } from 'node:crypto';
import {
  addInto,
  decodeSum,
  encodeUpdate,
  pack,
  ringLayout,
  unpack,
  type EncodingSpec,
} from '../protocol/encoding/index.ts';
import { report } from './table.ts';

const dimension = Number(process.argv[2] ?? 1_000_000);
const n = Number(process.argv[3] ?? 10);
const spec: EncodingSpec = {
  ring: 'ring32',
  clipNorm: 1,
  rotation: true,
  weightCap: 600,
};
const rotationSeed = new Uint8Array(32).fill(7);
const delta = Float32Array.from({ length: dimension }, (_, i) => ((i * 7919) % 1013) - 506);
const layout = ringLayout(spec, n, dimension);
const { modulusBits } = layout;

const WARM_UP = 3;
const REPETITIONS = 9;

/** Median seconds of one call. */
const median = (run: () => unknown): number => {
  const seconds: number[] = [];
  for (let i = 0; i < WARM_UP + REPETITIONS; i += 1) {
    const start = performance.now();
    run();
    if (i >= WARM_UP) seconds.push((performance.now() - start) / 1000);
  }
  return seconds.toSorted((a, b) => a - b)[REPETITIONS >> 1]!;
};

const encode = (rotation: boolean) =>
  encodeUpdate({
    delta,
    examples: 600,
    spec: { ...spec, rotation },
    n,
    rotationSeed,
    random: randomBytes,
  });
const { lanes } = encode(true);
const packed = pack(lanes, modulusBits);
const acc = lanes.slice();

const source = new Float64Array(2 ** 23).fill(1);
const target = new Float64Array(source.length);

const rows: readonly (readonly [string, number, () => unknown])[] = [
  ['memcpy', source.byteLength, () => target.set(source)],
  ['encode, rotated', delta.byteLength, () => encode(true)],
  ['encode, not rotated', delta.byteLength, () => encode(false)],
  [
    'decode, rotated',
    delta.byteLength,
    () => decodeSum({ lanes, spec, n, survivors: 1, rotationSeed, dimension }),
  ],
  ['pack', lanes.byteLength, () => pack(lanes, modulusBits)],
  ['unpack', lanes.byteLength, () => unpack(packed, modulusBits, layout.lanes)],
  ['fold (addInto)', lanes.byteLength, () => addInto(acc, lanes, modulusBits)],
];

console.log(
  `d = ${dimension}, n = ${n}, L = ${layout.level}, b = ${modulusBits}: ${layout.blocks} blocks of ` +
    `${layout.segments[0].blockSize}, upload ${(packed.length / 1e6).toFixed(3)} MB`,
);
let copyRate = 0;
for (const [name, bytes, run] of rows) {
  const rate = bytes / 1e6 / median(run);
  copyRate ||= rate;
  report({
    what: name,
    value: rate,
    unit: 'MB/s',
    ratio: { value: rate / copyRate, to: 'memcpy' },
  });
}
