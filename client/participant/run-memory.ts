/**
 * @module What a participant remembers of a run, in memory and in the keystore alike: a change is
 * saved before it is seen.
 */
import { fromHex, toHex } from '../../protocol/bytes.ts';
import type { SignedRecord } from '../../protocol/records/records.ts';
import { decodeRecordOf } from '../../protocol/records/records.ts';
import { registeredBy, type Registered } from '../../protocol/rules/index.ts';
import {
  EMPTY_RUN,
  MAX_MEMBERS,
  type Keystore,
  type RoundMemory,
  type RunMemory,
} from '../keystore/keystore.ts';

export interface Memory {
  readonly run: RunMemory;
  readonly commit: SignedRecord<'commit'> | undefined;
  /** The last registration seen of a member (hex). */
  lastRegisterOf(member: string): Registered | undefined;
  /** Begins a round with this registration; the one before, if any, is forgotten. */
  begin(round: RoundMemory, openHash: Uint8Array, registered: Registered): Promise<void>;
  /**
   * Adds to the round in progress that its cohort was accepted, and remembers the registrations in
   * it.
   */
  joinCohort(
    fields: Partial<RoundMemory>,
    registers: readonly SignedRecord<'register'>[],
  ): Promise<RoundMemory>;
  /** Adds to the round in progress, and, in the same write, what outlives it. */
  add(
    fields: Partial<RoundMemory>,
    lasting?: Partial<Pick<RunMemory, 'spent' | 'past'>>,
  ): Promise<RoundMemory>;
  /** Remembers who has been proven to lie. */
  learn(proven: Pick<RunMemory, 'culprits'>): Promise<void>;
  /** Forgets the secrets of the round in progress. */
  end(withdrawn: string | undefined): Promise<void>;
  /**
   * Remembers a commit that was shown, where no later one is known: the rules of the next Open
   * record are held to it.
   */
  learnCommit(commit: SignedRecord<'commit'>): Promise<void>;
  /** Remembers that a commit was checked at this leaf: it is not checked twice. */
  noteCheck(commit: SignedRecord<'commit'>, leaf: number): Promise<void>;
  /** Remembers that a commit is wrong. @param proof encoded */
  noteProof(proof: Uint8Array): Promise<void>;
  /**
   * Remembers the newest commit; the round in progress ends with it if it is that one or an earlier
   * one.
   */
  commitTo(commit: SignedRecord<'commit'>): Promise<void>;
}

export const loadMemory = async (keystore: Keystore, run: Uint8Array): Promise<Memory> => {
  let current: RunMemory = (await keystore.load(run)) ?? EMPTY_RUN;
  let commit = current.commit === undefined ? undefined : decodeRecordOf('commit', current.commit);
  let members = new Map<string, Registered>(
    (current.members ?? []).map(({ key, ...registered }) => [toHex(key), registered]),
  );
  const save = async (next: RunMemory): Promise<void> => {
    await keystore.save(run, next);
    if (current.round !== undefined && next.round?.round !== current.round.round)
      await keystore.eraseVector(run);
    current = next;
  };
  return {
    get run() {
      return current;
    },
    get commit() {
      return commit;
    },
    lastRegisterOf: (member) => members.get(member),
    begin: (round, open, registered) =>
      save({ ...current, last: { round: round.round, open }, registered, round }),
    joinCohort: async (fields, registers) => {
      if (current.round === undefined) throw new Error('no round is in progress');
      for (const register of registers) {
        const key = toHex(register.author);
        // Again at the end: those seen last are kept.
        members.delete(key);
        members.set(key, registeredBy(register));
      }
      members = new Map([...members].slice(-MAX_MEMBERS));
      const round = { ...current.round, ...fields };
      const kept = [...members].map(([key, registered]) => ({ key: fromHex(key), ...registered }));
      await save({ ...current, members: kept, round });
      return round;
    },
    add: async (fields, lasting = {}) => {
      if (current.round === undefined) throw new Error('no round is in progress');
      const round = { ...current.round, ...fields };
      await save({ ...current, ...lasting, round });
      return round;
    },
    learn: (proven) => save({ ...current, ...proven }),
    learnCommit: async (record) => {
      if (commit !== undefined && commit.round >= record.round) return;
      await save({ ...current, commit: record.bytes });
      commit = record;
    },
    noteCheck: ({ hash }, leaf) => save({ ...current, checked: { commit: hash, leaf } }),
    noteProof: (proof) => save({ ...current, proof }),
    end: (withdrawn) => {
      const { round: _, last, ...rest } = current;
      if (last === undefined) return save(rest);
      const { round, open } = last;
      return save({
        ...rest,
        last: { round, open, ...(withdrawn === undefined ? {} : { withdrawn }) },
      });
    },
    commitTo: async (record) => {
      const { round, ...rest } = current;
      const goesOn = round !== undefined && round.round > record.round;
      const isNew = commit === undefined || commit.round < record.round;
      const commits = (current.commits ?? 0) + (isNew ? 1 : 0);
      await save({ ...rest, commit: record.bytes, commits, ...(goesOn ? { round } : {}) });
      commit = record;
    },
  };
};
