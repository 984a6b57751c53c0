/**
 * @module The host's data on disk: the machine's memory with the secrets of the attempt, which
 * never leave this side. Both are written together, before any later step.
 */
import type { Keystore, StoredAttempt, RunMemory } from '../../keystore/keystore.ts';
import type { RunSpec } from '../../../protocol/spec/run-spec.ts';
import type { Trained } from './trained.ts';
import { readUpdate } from './kept-update.ts';
import { withoutSecrets, type AttemptMemory, type Memory } from '../machine/run-memory.ts';

/** The secrets of one attempt. Never logged, never in a state or an event of the machine. */
export interface Secrets {
  readonly sigma: Uint8Array;
  readonly seal: Uint8Array;
  /** Once the shares are made. */
  readonly sharing?: Omit<NonNullable<StoredAttempt['sharing']>, 'frame'>;
  /** Once the entries of the others are opened. */
  readonly opened?: NonNullable<StoredAttempt['opened']>;
}

export interface Keeper {
  /** What was saved when it was opened, without secrets. */
  readonly loaded: Memory;
  /** In a buffered run: the update that this memory names. */
  readonly update: Trained | undefined;
  /** @throws Error where the attempt has none */
  secretsOf(attempt: number): Secrets;
  /** Written with the next memory of this attempt. */
  set(attempt: number, secrets: Secrets): void;
  /** Durable once it resolves. @throws FloeError of the keystore */
  save(memory: Memory): Promise<void>;
}

const withSecrets = (
  { sharing, opened, ...attempt }: AttemptMemory,
  { sigma, seal, ...secrets }: Secrets,
): StoredAttempt => ({
  ...attempt,
  sigma,
  seal,
  ...(sharing === undefined || secrets.sharing === undefined
    ? {}
    : { sharing: { ...secrets.sharing, frame: sharing } }),
  ...(opened === undefined || secrets.opened === undefined ? {} : { opened: secrets.opened }),
});

const secretsIn = ({ sigma, seal, sharing, opened }: StoredAttempt): Secrets => ({
  sigma,
  seal,
  ...(sharing === undefined
    ? {}
    : { sharing: { selfSecret: sharing.selfSecret, own: sharing.own } }),
  ...(opened === undefined ? {} : { opened }),
});

const withoutUpdate = ({ ahead: _lost, ...memory }: RunMemory): RunMemory => memory;

/** @throws FloeError of the keystore */
export const openKeeper = async (
  keystore: Keystore,
  view: { readonly spec: RunSpec; readonly run: Uint8Array },
  empty: RunMemory,
): Promise<Keeper> => {
  const { run } = view;
  const stored = (await keystore.load(run)) ?? empty;
  const update = stored.ahead && (await readUpdate(keystore, view, stored.ahead));
  const found = update === undefined ? withoutUpdate(stored) : stored;
  // A crash came between the save that no longer names it and this.
  if (found.ahead === undefined) await keystore.eraseLocal(run, 'update');
  // A crash came between the save that ended an attempt, or names its vector, and the other write.
  if (found.attempt?.vector === undefined) await keystore.eraseVector(run);
  const secrets = new Map<number, Secrets>();
  let held = found.attempt?.attempt;
  let holdsUpdate = found.ahead !== undefined;
  if (found.attempt !== undefined) secrets.set(found.attempt.attempt, secretsIn(found.attempt));
  const secretsOf = (of: number): Secrets => {
    const known = secrets.get(of);
    if (known === undefined) throw new Error('no secrets of this attempt');
    return known;
  };
  return {
    loaded: withoutSecrets(found),
    update,
    secretsOf,
    set: (of, made) => void secrets.set(of, made),
    save: async ({ attempt, ...rest }) => {
      const full =
        attempt === undefined
          ? rest
          : { ...rest, attempt: withSecrets(attempt, secretsOf(attempt.attempt)) };
      await keystore.save(run, full);
      if (held !== undefined && held !== attempt?.attempt) await keystore.eraseVector(run);
      held = attempt?.attempt;
      if (holdsUpdate && full.ahead === undefined) await keystore.eraseLocal(run, 'update');
      holdsUpdate = full.ahead !== undefined;
      for (const other of secrets.keys()) if (other !== held) secrets.delete(other);
    },
  };
};
