/**
 * @module The local Ledger: freezes and model versions in the journal's database. It is the coordinator's own word, which is
 * why masked rounds add the consistency round; a consortium without a chain uses it for good.
 */
import * as v from 'valibot';
import { equalBytes } from '../protocol/bytes.ts';
import { decodeCbor, encodeCbor, fixedBytes } from '../protocol/cbor.ts';
import { FloeError } from '../protocol/errors.ts';
import { localBeacon } from '../protocol/ledger/beacon.ts';
import { JOURNAL_RECEIPT, type Ledger } from '../protocol/ledger/ledger.ts';
import { blobRefSchema } from '../protocol/records.ts';
import type { Journal } from './journal.ts';

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
  blob: blobRefSchema,
  transcriptRoot: fixedBytes(32),
});
const MAX_VALUE_BYTES = 16 << 10;

type Kind = 'cohort' | 'survivors' | 'model';

const decode = <Schema extends v.GenericSchema>(
  schema: Schema,
  bytes: Uint8Array | undefined,
): v.InferOutput<Schema> | undefined =>
  bytes && decodeCbor(schema, bytes, 'journal_corrupt', MAX_VALUE_BYTES);

export const journalLedger = ({ database }: Journal): Ledger => {
  const insert = database.prepare(
    'INSERT INTO ledger (kind, run, round, value) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING',
  );
  const select = database.prepare(
    'SELECT value FROM ledger WHERE kind = ? AND run = ? AND round = ?',
  );
  const selectRounds = database.prepare(
    'SELECT round FROM ledger WHERE kind = ? AND run = ? ORDER BY round',
  );
  const roundsOf = (kind: Kind, run: Uint8Array): number[] =>
    selectRounds.all(kind, run).map(({ round }) => Number(round));
  const read = (kind: Kind, run: Uint8Array, round: number): Uint8Array | undefined =>
    select.get(kind, run, round)?.['value'] as Uint8Array | undefined;
  /** Says `value` once; the same again is fine. */
  const freeze = (kind: Kind, run: Uint8Array, round: number, value: Uint8Array): string => {
    insert.run(kind, run, round, value);
    const standing = read(kind, run, round);
    if (standing === undefined || !equalBytes(standing, value))
      throw new FloeError('already_frozen', `another ${kind} of round ${round} stands`, { round });
    return `${JOURNAL_RECEIPT}${kind}/${round}`;
  };
  return {
    kind: 'journal',
    beacon: 'members',
    freezeCohort: async ({ run, round, root, members, entropy }) => ({
      receipt: freeze('cohort', run, round, encodeCbor({ root, members: [...members], entropy })),
      beacon: localBeacon(root, entropy),
    }),
    freezeSurvivors: async ({ run, round, hash, members, dataCommitment }) => ({
      receipt: freeze(
        'survivors',
        run,
        round,
        encodeCbor({ hash, members: [...members], dataCommitment }),
      ),
    }),
    registerModel: async ({
      run,
      round,
      modelHash,
      blob: { id, sha256, size },
      transcriptRoot,
    }) => {
      const blob = { id, sha256, size };
      const value = encodeCbor({ modelHash, blob, transcriptRoot });
      return { receipt: freeze('model', run, round, value) };
    },
    readCohort: async (run, round) => {
      const cohort = decode(cohortSchema, read('cohort', run, round));
      return cohort && { root: cohort.root, beacon: localBeacon(cohort.root, cohort.entropy) };
    },
    readSurvivors: async (run, round) => {
      const survivors = decode(survivorsSchema, read('survivors', run, round));
      return survivors && { hash: survivors.hash, dataCommitment: survivors.dataCommitment };
    },
    readFamily: async (run, version, modelHash) => {
      const hashOf = (round: number): Uint8Array | undefined =>
        decode(modelSchema, read('model', run, round))?.modelHash;
      const hash = hashOf(version);
      if (hash === undefined)
        throw new FloeError('ledger_unavailable', `model ${version} is not registered`);
      if (!equalBytes(hash, modelHash))
        throw new FloeError(
          'context_mismatch',
          `the ledger holds another model of round ${version}`,
        );
      const versions = roundsOf('model', run);
      // An attempt has a higher number than the version it is on, and no higher one than the next.
      return roundsOf('survivors', run).flatMap((round) => {
        const base = versions.findLast((each) => each < round);
        const frozen = decode(survivorsSchema, read('survivors', run, round));
        const of = base === undefined ? undefined : hashOf(base);
        if (of === undefined || frozen === undefined || !equalBytes(of, hash)) return [];
        const cohort = decode(cohortSchema, read('cohort', run, round));
        if (cohort === undefined)
          throw new FloeError('journal_corrupt', `survivors of round ${round} without a cohort`);
        return [{ round, cohort: cohort.members, members: frozen.members }];
      });
    },
    readModel: async (run, round) => {
      const model = decode(modelSchema, read('model', run, round));
      return model && { run, round, ...model };
    },
  };
};
