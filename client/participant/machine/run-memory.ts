/**
 * @module A participant's memory of a run, without its secrets: these stay with the host
 * (`host/secrets.ts`), so a state or an event of the machine may be logged. Each function returns
 * the memory to save; the machine uses it once it is saved.
 */
import { equalBytes, fromHex, toHex } from '../../../protocol/bytes.ts';
import type { SignedRecord } from '../../../protocol/records/records.ts';
import { registeredBy, type Registered } from '../../../protocol/rules/index.ts';
import { isCorrelated, newStream, streamAfter } from '../../../protocol/rules/noise-streams.ts';
import type { GuardState } from '../../../protocol/secagg/index.ts';
import type { RunView } from './record-checks.ts';
import { MAX_MEMBERS, type StoredAttempt, type RunMemory } from '../../keystore/keystore.ts';

/** The attempt in progress as it is saved, without its secrets. */
export type AttemptMemory = Omit<StoredAttempt, 'sigma' | 'seal' | 'sharing' | 'opened'> & {
  /** The share frame that was made; what it shares is with the host. */
  readonly sharing?: Uint8Array;
  /** The entries of the others were opened; what they held is with the host. */
  readonly opened?: true;
};

export type Memory = Omit<RunMemory, 'attempt'> & { readonly attempt?: AttemptMemory };

export type Vector = NonNullable<StoredAttempt['vector']>;

/** What the machine may know of what is saved. */
export const withoutSecrets = ({ attempt, ...rest }: RunMemory): Memory => {
  if (attempt === undefined) return rest;
  const { sigma: _sigma, seal: _seal, sharing, opened, ...fields } = attempt;
  return {
    ...rest,
    attempt: {
      ...fields,
      ...(sharing === undefined ? {} : { sharing: sharing.frame }),
      ...(opened === undefined ? {} : { opened: true }),
    },
  };
};

/** Begins an attempt with this registration; the one before, if any, is forgotten. */
export const begin = (
  memory: Memory,
  open: SignedRecord<'open'>,
  register: SignedRecord<'register'>,
): Memory => ({
  ...memory,
  last: { attempt: open.attempt, open: open.hash },
  registered: registeredBy(register),
  attempt: { attempt: open.attempt, open: open.bytes, register: register.bytes },
});

/** The last registration seen of a member, by its key in hex. */
export const registersSeen = ({ members = [] }: Memory): ReadonlyMap<string, Registered> =>
  new Map(members.map(({ key, ...registered }) => [toHex(key), registered]));

/** The cohort was accepted, with these registrations. */
export const joinCohort = (
  memory: Memory,
  fields: Pick<AttemptMemory, 'cohort' | 'guard'>,
  registers: Iterable<SignedRecord<'register'>>,
  lasting: Pick<RunMemory, 'grouping'> = {},
): Memory => {
  const members = new Map(registersSeen(memory));
  for (const register of registers) {
    const key = toHex(register.author);
    // Again at the end: those seen last are kept.
    members.delete(key);
    members.set(key, registeredBy(register));
  }
  const kept = [...members].slice(-MAX_MEMBERS);
  return {
    ...add(memory, fields, lasting),
    members: kept.map(([key, registered]) => ({ key: fromHex(key), ...registered })),
  };
};

/** The attempt in progress, as it is saved. */
export const saved = ({ attempt }: Memory): AttemptMemory => {
  if (attempt === undefined) throw new Error('no attempt is in progress');
  return attempt;
};

/** Adds to the attempt in progress, and, in the same write, what outlives it. */
export const add = (
  memory: Memory,
  fields: Partial<AttemptMemory>,
  lasting: Partial<Pick<RunMemory, 'spent' | 'past' | 'summed' | 'grouping' | 'stream'>> = {},
): Memory => ({ ...memory, ...lasting, attempt: { ...saved(memory), ...fields } });

/** Forgets the attempt in progress. @param withdrawn why the participant left it, if it did */
export const end = ({ attempt, last, ...rest }: Memory, withdrawn: string | undefined): Memory => {
  if (last === undefined) return rest;
  const isOfLast =
    withdrawn !== undefined && (attempt === undefined || attempt.attempt === last.attempt);
  return {
    ...rest,
    last: { attempt: last.attempt, open: last.open, ...(isOfLast ? { withdrawn } : {}) },
  };
};

/** The own update is in the sum of this commit, where it was in the survivor set of its attempt. */
const summedBy = (
  { summed }: Pick<Memory, 'summed'>,
  { attempt, body }: SignedRecord<'commit'>,
): Pick<Memory, 'summed'> =>
  summed?.attempt === attempt && equalBytes(summed.survivors, body.survivors)
    ? { summed: { ...summed, committed: true } }
    : {};

/** The attempt with this survivor set is not committed yet. */
export const inSurvivors = ({
  attempt,
  body,
}: SignedRecord<'survivors'>): Pick<Memory, 'summed'> => ({
  summed: { attempt, survivors: body.hash, committed: false },
});

/** What the registration states of the own noise; undefined where that is not correlated. */
export const ownStream = (
  { spec, run }: Pick<RunView, 'spec' | 'run'>,
  { stream }: Pick<Memory, 'stream'>,
): Uint8Array | undefined => (isCorrelated(spec) ? (stream ?? newStream(run)) : undefined);

/** The own noise is in the sum of this set, once however often the set comes. */
export const streamIn = (
  view: Pick<RunView, 'spec' | 'run'>,
  memory: Pick<Memory, 'stream' | 'summed'>,
  { attempt, body }: SignedRecord<'survivors'>,
): Pick<Memory, 'stream'> => {
  const own = ownStream(view, memory);
  const { summed } = memory;
  const isKnown = summed?.attempt === attempt && equalBytes(summed.survivors, body.hash);
  return own === undefined || isKnown ? {} : { stream: streamAfter(own, body.hash) };
};

/** The newest attempt that is known to have been committed with the own update in its sum. */
export const summedIn = ({ summed }: Pick<Memory, 'summed'>): number | undefined =>
  summed?.committed === true ? summed.attempt : undefined;

/**
 * Remembers the newest commit; the attempt in progress ends with it if it is that one or an earlier
 * one.
 */
export const commitTo = (
  { attempt, ...rest }: Memory,
  before: SignedRecord<'commit'> | undefined,
  commit: SignedRecord<'commit'>,
): Memory => {
  const isLater = attempt !== undefined && attempt.attempt > commit.attempt;
  const isNew = before === undefined || before.attempt < commit.attempt;
  return {
    ...rest,
    ...summedBy(rest, commit),
    commit: commit.bytes,
    commits: (rest.commits ?? 0) + (isNew ? 1 : 0),
    ...(isLater ? { attempt } : {}),
  };
};

/** Whether this commit was spot-checked, by an earlier attempt too. */
export const wasChecked = ({ checked }: Memory, commit: Uint8Array): boolean =>
  checked !== undefined && equalBytes(checked.commit, commit);

/** The keystore's own copy of the guard's state. */
export const guardOf = ({
  upload,
  answer,
  ...state
}: GuardState): NonNullable<StoredAttempt['guard']> => ({
  ...state,
  upload: upload && { hash: upload.hash, sharers: [...upload.sharers] },
  answer: answer && { survivors: [...answer.survivors], dropped: [...answer.dropped] },
});
