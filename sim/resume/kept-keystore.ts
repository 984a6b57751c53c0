/**
 * @module The keystore of a participant whose run may be resumed: in memory, but for what it
 * carries from round to round and no record holds. Its memory of attempts is not kept, because a
 * resumed run repeats the attempt that was interrupted, and a participant begins none twice; of it
 * remains in which sums its updates are, which says how far the carried values have moved on.
 */
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import { memoryKeystore, type Keystore } from '../../client/keystore/index.ts';
import { EMPTY_RUN, type RunMemory } from '../../client/keystore/keystore.ts';
import { fromHex, toHex } from '../../protocol/bytes.ts';
import { FloeError } from '../../protocol/errors.ts';
import { readOptional } from '../../protocol/ports/files.ts';

/** What a participant knows of its last registration. */
export type LastRegistered = NonNullable<RunMemory['registered']>;
type Summed = NonNullable<RunMemory['summed']>;

/** The part of the run before. */
export interface PartBefore {
  /** Its last attempt, which was committed. */
  readonly attempt: number;
  /** In it: the next registration must follow this one. */
  readonly registered: LastRegistered | undefined;
}

const summedSchema = v.array(
  v.strictObject({
    attempt: v.number(),
    survivors: v.pipe(v.string(), v.hexadecimal(), v.length(64)),
    committed: v.boolean(),
  }),
);

const decodeSummed = (path: string, bytes: Uint8Array | undefined): readonly Summed[] => {
  if (bytes === undefined) return [];
  try {
    const rows = v.parse(summedSchema, JSON.parse(new TextDecoder().decode(bytes)));
    return rows.map((row) => ({ ...row, survivors: fromHex(row.survivors) }));
  } catch (cause) {
    throw new FloeError('data_malformed', `${path} is damaged`, {}, { cause });
  }
};

/**
 * What was known at the end of the part before. The attempt that ended it was committed, whether or
 * not its participant heard of it in time; what came after is repeated.
 */
const summedAt = (rows: readonly Summed[], attempt: number): Summed | undefined => {
  const last = rows.findLast((row) => row.attempt <= attempt);
  return last && { ...last, committed: last.committed || last.attempt === attempt };
};

/**
 * A keystore in memory that keeps no update of a buffered run: a simulated participant does not
 * restart within a run, and the updates of thousands would be in memory twice.
 */
export const simulatedKeystore = async (seed: Uint8Array): Promise<Keystore> => {
  const keystore = await memoryKeystore(seed);
  return {
    ...keystore,
    saveLocal: async (run, part, values) =>
      part === 'update' ? undefined : keystore.saveLocal(run, part, values),
  };
};

/**
 * @param folder of all participants
 * @param index of this one, which names its files
 * @param before of a resumed run
 */
export const keptKeystore = async (
  seed: Uint8Array,
  folder: string,
  index: number,
  before?: PartBefore,
): Promise<Keystore> => {
  const keystore = await simulatedKeystore(seed);
  const pathOf = (part: string): string => join(folder, `${index}.${part}`);
  const write = async (part: string, content: string | Uint8Array): Promise<void> => {
    await mkdir(folder, { recursive: true });
    await writeFile(`${pathOf(part)}.tmp`, content);
    await rename(`${pathOf(part)}.tmp`, pathOf(part));
  };
  const known = async (): Promise<readonly Summed[]> =>
    decodeSummed(pathOf('summed'), await readOptional(pathOf('summed')));
  // Of the newest attempt and the one before: the newest may be repeated.
  let rows: readonly Summed[] | undefined;
  let carries = false;
  const note = async (summed: Summed): Promise<void> => {
    rows ??= await known();
    const last = rows.at(-1);
    if (last?.attempt === summed.attempt && last.committed === summed.committed) return;
    const earlier = rows.filter(({ attempt }) => attempt < summed.attempt).slice(-1);
    rows = [...earlier, summed];
    const plain = rows.map((row) => ({ ...row, survivors: toHex(row.survivors) }));
    await write('summed', JSON.stringify(plain));
  };
  return {
    ...keystore,
    load: async (run) => {
      const saved = await keystore.load(run);
      if (saved !== undefined || before === undefined) return saved;
      const { attempt, registered } = before;
      const summed = summedAt(await known(), attempt);
      return {
        ...EMPTY_RUN,
        ...(registered === undefined ? {} : { registered }),
        ...(summed === undefined ? {} : { summed }),
      };
    },
    save: async (run, memory) => {
      if (carries && memory.summed !== undefined) await note(memory.summed);
      await keystore.save(run, memory);
    },
    saveLocal: async (_, part, values) => {
      if (part === 'update') return;
      carries = true;
      await write(part, values);
    },
    loadLocal: (_, part) => readOptional(pathOf(part)),
  };
};
