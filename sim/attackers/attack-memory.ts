/**
 * @module What an attacker keeps from round to round: bytes in an encrypted file of the run's
 * folder, so that an interrupted simulation continues with the same attack. An attack that kept it
 * in a variable would begin anew.
 */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { FloeError } from '../../protocol/errors.ts';
import { deriveSeed } from '../../protocol/ports/random.ts';
import { seal, unseal } from '../resume/sealed.ts';

export interface AttackMemory {
  /**
   * What was saved last; undefined where nothing was. In a resumed simulation, the round that was
   * interrupted may have saved it, and is repeated.
   */
  load(): Uint8Array | undefined;
  save(bytes: Uint8Array): void;
}

/** For a run that is not kept. */
export const passingMemory = (): AttackMemory => {
  let kept: Uint8Array | undefined;
  return {
    load: () => kept,
    save: (bytes) => {
      kept = bytes;
    },
  };
};

/** An encrypted file, which is there whole before `save` returns. */
const fileMemory = (path: string, key: Uint8Array): AttackMemory => ({
  load: () => {
    try {
      return unseal(key, readFileSync(path), path);
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw thrown;
    }
  },
  save: (bytes) => {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(`${path}.tmp`, seal(key, bytes));
    renameSync(`${path}.tmp`, path);
  },
});

/**
 * The memory of each participant.
 *
 * @param kept folder of a run that may be resumed
 * @param members each with the secret that its file is encrypted under
 */
export const memoriesIn = (
  kept: string | undefined,
  members: readonly { readonly index: number; readonly keystoreSeed: Uint8Array }[],
): ((index: number) => AttackMemory) => {
  if (kept === undefined) return passingMemory;
  const seeds = new Map(members.map(({ index, keystoreSeed }) => [index, keystoreSeed]));
  return (index) => {
    const seed = seeds.get(index);
    if (seed === undefined) throw new FloeError('internal', `participant ${index} is of no crowd`);
    return fileMemory(join(kept, `${index}.attack`), deriveSeed(seed, 'attack-memory'));
  };
};
