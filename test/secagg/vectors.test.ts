/**
 * The committed vectors are recomputed; the context functions are checked against their written-out
 * definition.
 */
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { concatBytes, fromHex, sha256, toHex, utf8 } from '../../protocol/bytes.ts';
import { localBeacon, nextBeacon } from '../../protocol/rules/beacon.ts';
import {
  cohortRoot,
  createParty,
  nativePrimitives,
  openEntry,
  portablePrimitives,
  ready,
  attemptContext,
} from '../../protocol/secagg/index.ts';
import { makeCohort, makeContext, makeParticipants } from './play.ts';
import { makeVectors } from './vectors.ts';

beforeAll(ready);

const file = new URL('../vectors/secagg.json', import.meta.url);
const committed: unknown = JSON.parse(readFileSync(file, 'utf8'));

it('the committed vectors hold', async () => {
  const vectors = await makeVectors();
  expect(vectors).toEqual(committed);
  expect(vectors.sum).toEqual(vectors.expected);
});

it.each([nativePrimitives!, portablePrimitives()])(
  'the entries of the file open to its pair seeds with $kind primitives',
  async (primitives) => {
    const { participants } = await makeVectors();
    const people = makeParticipants('floe vectors', 4, primitives);
    const cohort = makeCohort(people, primitives);
    const context = makeContext(cohort, 1);
    const [first] = participants;
    for (const index of [1, 2, 3]) {
      const { id: self, sigma, seal } = people[index]!;
      const party = createParty({ context, cohort, self, sigma, seal });
      expect(toHex(party.mask.public.x25519)).toBe(participants[index]!.mask.x25519);
      const found = await openEntry(party, people[0]!.id, fromHex(first!.entries[index]!));
      expect(toHex(found.seed)).toBe(first!.pairSeeds[index]);
    }
  },
);

it('hold without node:crypto and setImmediate too, as in a browser', async () => {
  vi.resetModules();
  vi.stubGlobal('setImmediate', undefined);
  vi.spyOn(process, 'getBuiltinModule').mockReturnValue(undefined);
  try {
    const secagg = await import('../../protocol/secagg/index.ts');
    expect(secagg.nodeKeystream).toBeUndefined();
    expect(secagg.platformKeystream).toBe(secagg.webKeystream);
    const browser = await import('./vectors.ts');
    expect(await browser.makeVectors()).toEqual(committed);
  } finally {
    vi.restoreAllMocks();
    vi.unstubAllGlobals();
  }
});

const codeOf = (run: () => unknown): unknown => {
  try {
    run();
  } catch (error) {
    return (error as { code?: string }).code;
  }
  return undefined;
};

const hash = (label: string) => sha256(utf8(label));

describe('the context', () => {
  const init = {
    runHash: hash('run'),
    attempt: 258,
    modelHash: hash('model'),
    cohortRoot: hash('root'),
    registersRoot: hash('registers'),
    beacon: hash('beacon'),
  };

  it('is SHA-256 of tag, run, round (8 bytes, big-endian), model, root, registers, beacon', () => {
    const written = concatBytes(
      utf8('floe/secagg/context/v3'),
      init.runHash,
      new Uint8Array([0, 0, 0, 0, 0, 0, 1, 2]),
      init.modelHash,
      init.cohortRoot,
      init.registersRoot,
      init.beacon,
    );
    expect(attemptContext(init)).toEqual(sha256(written));
  });

  it('changes with every field', () => {
    const changed = (
      ['runHash', 'modelHash', 'cohortRoot', 'registersRoot', 'beacon'] as const
    ).map((field) => attemptContext({ ...init, [field]: hash('changed') }));
    const all = [attemptContext(init), attemptContext({ ...init, attempt: 257 }), ...changed];
    expect(new Set(all.map(toHex)).size).toBe(7);
  });

  it('refuses fields of another length and rounds that are no integer', () => {
    for (const field of ['runHash', 'modelHash', 'cohortRoot', 'registersRoot', 'beacon'] as const)
      expect(codeOf(() => attemptContext({ ...init, [field]: new Uint8Array(31) }))).toBe(
        'record_malformed',
      );
    for (const attempt of [-1, 0.5, Number.NaN, 2 ** 53])
      expect(codeOf(() => attemptContext({ ...init, attempt }))).toBe('record_malformed');
  });
});

describe('the cohort root and the local beacon', () => {
  const ids = [1, 2, 3, 4].map((byte) => new Uint8Array(32).fill(byte));

  it('is the RFC 9162 tree over the tagged ids', () => {
    const [a, b, c] = ids.map((id) =>
      sha256(new Uint8Array([0]), utf8('floe/secagg/cohort/v1'), id),
    );
    const one = new Uint8Array([1]);
    expect(cohortRoot(ids.slice(0, 3))).toEqual(sha256(one, sha256(one, a!, b!), c!));
  });

  it('refuses lists that are unsorted, repeated, too short or too long', () => {
    expect(codeOf(() => cohortRoot(ids.toReversed()))).toBe('record_malformed');
    expect(codeOf(() => cohortRoot([ids[0]!, ids[0]!, ids[1]!]))).toBe('record_malformed');
    expect(codeOf(() => cohortRoot(ids.map((id) => id.subarray(1))))).toBe('record_malformed');
    expect(codeOf(() => cohortRoot(ids.slice(2)))).toBe('cohort_too_small');
    expect(codeOf(() => cohortRoot(Array.from({ length: 256 }, () => ids[0]!)))).toBe(
      'cohort_too_large',
    );
  });

  it('the beacon depends on the root, the beacon before, every entropy and their order', () => {
    const root = cohortRoot(ids);
    const first = hash('first');
    const beacons = [
      localBeacon(root, nextBeacon(first, ids)),
      localBeacon(root, nextBeacon(first, ids.toReversed())),
      localBeacon(root, nextBeacon(first, ids.slice(1))),
      localBeacon(root, nextBeacon(hash('other'), ids)),
      localBeacon(ids[0]!, nextBeacon(first, ids)),
    ];
    expect(new Set(beacons.map(toHex)).size).toBe(5);
  });
});
