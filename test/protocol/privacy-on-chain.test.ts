/**
 * @module The privacy of a model version as the chain holds it: each mechanism by its name, and a
 * refusal of one that is not known. The bytes after the variant's number are epsilon and delta.
 */
import { expect, it } from 'vitest';
import { MECHANISMS, ModelObject } from '../../protocol/net/sui/layout.ts';
import { versionFactsOf } from '../../protocol/net/sui/lineage.ts';

const ID = `0x${'01'.repeat(32)}`;
const bytes = Array.from({ length: 32 }, () => 7);
const NUMBERS = { epsilon: '4000000', delta: '1000000' };

const contentOf = (privacy: Parameters<typeof ModelObject.serialize>[0]['privacy']): Uint8Array =>
  ModelObject.serialize({
    id: ID,
    run: ID,
    attempt: 3,
    architectureHash: bytes,
    modelHash: bytes,
    stateHash: [],
    dataCommitment: bytes,
    metrics: { examples: 5, named: [] },
    privacy,
    parent: null,
    transcriptRoot: bytes,
    blob: { blobId: 7, sha256: bytes, size: 9 },
  }).toBytes();

const NONE = contentOf({ None: true });
/** Id, run, attempt, three hashes with their lengths, an empty one, examples, no metrics. */
const VARIANT = 32 + 32 + 8 + 33 + 33 + 1 + 33 + 8 + 1;

it('names the mechanism, in the order of the package', () => {
  expect(versionFactsOf(NONE).privacy).toBeUndefined();
  const written = [
    contentOf({ Gaussian: NUMBERS }),
    contentOf({ Skellam: NUMBERS }),
    contentOf({ Central: NUMBERS }),
    contentOf({ Ftrl: NUMBERS }),
  ];
  expect(written.map((content) => content[VARIANT])).toEqual([1, 2, 3, 4]);
  expect(written.map((content) => versionFactsOf(content).privacy)).toEqual(
    MECHANISMS.map((mechanism) => ({ mechanism, epsilon: 4, delta: 1e-6 })),
  );
});

it('refuses a variant that it does not know, by name', () => {
  expect(NONE[VARIANT]).toBe(0);
  for (const unknown of [5, 6, 127]) {
    const content = contentOf({ Central: NUMBERS });
    content[VARIANT] = unknown;
    expect(() => versionFactsOf(content)).toThrow(
      expect.objectContaining({
        code: 'usage',
        message: expect.stringContaining('None, Gaussian, Skellam, Central or Ftrl'),
      }),
    );
  }
});
