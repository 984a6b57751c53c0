/**
 * @module What an attacker keeps from round to round: bytes in a file of the run's folder, so that
 * an interrupted simulation continues with the same attack. An attack that kept it in a variable
 * would begin anew.
 */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

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

/** A file, which is there whole before `save` returns. */
export const fileMemory = (path: string): AttackMemory => ({
  load: () => {
    try {
      return new Uint8Array(readFileSync(path));
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw thrown;
    }
  },
  save: (bytes) => {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(`${path}.tmp`, bytes);
    renameSync(`${path}.tmp`, path);
  },
});
