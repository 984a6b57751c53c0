/**
 * @module The local Ledger: freezes and model versions in the journal. Participants have only the
 * coordinator's word for it, which is why masked rounds add the consistency round. A consortium
 * without a chain uses it permanently.
 */
import * as v from 'valibot';
import { equalBytes } from '../protocol/bytes.ts';
import { decodeCbor, encodeCbor, fixedBytes } from '../protocol/wire/cbor.ts';
import { FloeError } from '../protocol/errors.ts';
import { localBeacon } from '../protocol/rules/beacon.ts';
import { JOURNAL_RECEIPT, type Ledger } from '../protocol/ports/ledger.ts';
import { blobRefSchema } from '../protocol/records/records.ts';
import type { Journal } from './journal/port.ts';

const keys = v.pipe(v.array(fixedBytes(32)), v.maxLength(255));
const cohortSchema = v.strictObject({
  root: fixedBytes(32),
  members: keys,
  entropy: fixedBytes(32),
});
const survivorsSchema = v.strictObject({
  hash: fixedBytes(32),
  members: keys,
  dataCommitment: fixedBytes(32),
});
const modelSchema = v.strictObject({
  modelHash: fixedBytes(32),
  stateHash: v.optional(fixedBytes(32)),
  blob: blobRefSchema,
  transcriptRoot: fixedBytes(32),
});
const MAX_VALUE_BYTES = 16 << 10;

type Kind = 'cohort' | 'survivors' | 'model';

/**
 * The first and the last version in a row, around `version`, that are of this very model; and where
 * the next one begins.
 *
 * @param versions those that are registered, ascending
 */
const span = async (
  versions: readonly number[],
  hashOf: (version: number) => Promise<Uint8Array | undefined>,
  version: number,
  hash: Uint8Array,
): Promise<readonly [number, number]> => {
  const at = versions.indexOf(version);
  const isSame = async (i: number): Promise<boolean> => {
    const other = versions[i] === undefined ? undefined : await hashOf(versions[i]);
    return other !== undefined && equalBytes(other, hash);
  };
  let [first, next] = [at, at + 1];
  // A commit that changed nothing makes no new model: one after the other is asked, both ways.
  while (await isSame(first - 1)) first -= 1;
  while (await isSame(next)) next += 1;
  return [versions[first] ?? version, versions[next] ?? Number.MAX_SAFE_INTEGER - 1];
};

export const journalLedger = ({ frozen }: Pick<Journal, 'frozen'>): Ledger => {
  /** Says `value` once; the same again is fine. */
  const freeze = async (
    kind: Kind,
    run: Uint8Array,
    attempt: number,
    value: Uint8Array,
  ): Promise<string> => {
    const standing = await frozen.freeze(kind, run, attempt, value);
    if (!equalBytes(standing, value))
      throw new FloeError(
        'already_frozen',
        `another ${kind} of attempt ${attempt} is already frozen`,
        {
          attempt,
        },
      );
    return `${JOURNAL_RECEIPT}${kind}/${attempt}`;
  };
  const read = async <Schema extends v.GenericSchema>(
    schema: Schema,
    kind: Kind,
    run: Uint8Array,
    attempt: number,
  ): Promise<v.InferOutput<Schema> | undefined> => {
    const value = await frozen.read(kind, run, attempt);
    return value && decodeCbor(schema, value, 'journal_corrupt', MAX_VALUE_BYTES);
  };
  const hashOf = async (run: Uint8Array, attempt: number): Promise<Uint8Array | undefined> =>
    (await read(modelSchema, 'model', run, attempt))?.modelHash;

  return {
    kind: 'journal',
    beacon: 'members',
    freezeCohort: async ({ run, attempt, root, members, entropy }) => ({
      receipt: await freeze(
        'cohort',
        run,
        attempt,
        encodeCbor({ root, members: [...members], entropy }),
      ),
      beacon: localBeacon(root, entropy),
    }),
    freezeSurvivors: async ({ run, attempt, hash, members, dataCommitment }) => ({
      receipt: await freeze(
        'survivors',
        run,
        attempt,
        encodeCbor({ hash, members: [...members], dataCommitment }),
      ),
    }),
    registerModel: async ({
      run,
      attempt,
      modelHash,
      stateHash,
      blob: { id, sha256, size },
      transcriptRoot,
    }) => {
      const blob = { id, sha256, size };
      const value = encodeCbor({
        modelHash,
        ...(stateHash === undefined ? {} : { stateHash }),
        blob,
        transcriptRoot,
      });
      return { receipt: await freeze('model', run, attempt, value) };
    },
    readCohort: async (run, attempt) => {
      const cohort = await read(cohortSchema, 'cohort', run, attempt);
      return cohort && { root: cohort.root, beacon: localBeacon(cohort.root, cohort.entropy) };
    },
    readSurvivors: async (run, attempt) => {
      const survivors = await read(survivorsSchema, 'survivors', run, attempt);
      return survivors && { hash: survivors.hash, dataCommitment: survivors.dataCommitment };
    },
    readFamily: async (run, version, modelHash) => {
      const hash = await hashOf(run, version);
      if (hash === undefined)
        throw new FloeError('ledger_unavailable', `model ${version} is not registered`);
      if (!equalBytes(hash, modelHash))
        throw new FloeError(
          'context_mismatch',
          `the ledger holds another model of attempt ${version}`,
        );
      // An attempt has a higher number than the version it is on, and no higher one than the next.
      const versions = await frozen.attempts('model', run);
      const own = (other: number) => hashOf(run, other);
      const [first, next] = await span(versions, own, version, hash);
      const attempts = await frozen.attempts('survivors', run, first + 1, next + 1);
      return Promise.all(
        attempts.map(async (attempt) => {
          const [survivors, cohort] = await Promise.all([
            read(survivorsSchema, 'survivors', run, attempt),
            read(cohortSchema, 'cohort', run, attempt),
          ]);
          if (cohort === undefined || survivors === undefined)
            throw new FloeError(
              'journal_corrupt',
              `survivors of attempt ${attempt} without a cohort`,
            );
          return { attempt, cohort: cohort.members, members: survivors.members };
        }),
      );
    },
    readModel: async (run, attempt) => {
      const model = await read(modelSchema, 'model', run, attempt);
      return model && { run, attempt, ...model };
    },
  };
};
