/**
 * @module Places: an identity holds a place from its first cohort on. A login alone takes none, and
 * an identity that leaves without having been in a cohort is forgotten. Throw-away identities
 * therefore cannot lock newcomers out, nor push members off the list of readers.
 */
import type { SignedRecord } from '../../protocol/records/records.ts';
import { MAX_PLACES, MAX_READERS, MAX_REGISTERED } from './config.ts';
import { attemptOf, type Hex, type State } from './state.ts';

/** The places after another cohort was frozen; the latest cohorts stay where not all can. */
export const withCohort = (places: State['places'], members: readonly Hex[]): State['places'] => {
  const next = new Set(places);
  // Set anew, a key moves to the end: the order is that of the latest cohorts.
  for (const key of members) {
    next.delete(key);
    next.add(key);
  }
  return next.size <= MAX_PLACES ? next : new Set([...next].slice(-MAX_PLACES));
};

/**
 * The last registration of each identity, with one more. Where these are too many, those go first
 * that hold no place, and of these the oldest: an identity that is forgotten is not told at login
 * how often it has registered.
 */
export const withRegistered = (
  { registered, places }: Pick<State, 'registered' | 'places'>,
  key: Hex,
  record: SignedRecord<'register'>,
): State['registered'] => {
  const next = new Map(registered);
  next.delete(key);
  next.set(key, record);
  if (next.size <= MAX_REGISTERED) return next;
  const [oldest] = next.keys();
  const stranger = [...next.keys()].find((one) => one !== key && !places.has(one));
  next.delete(stranger ?? (oldest as Hex));
  return next;
};

/**
 * Participants that have been in a cohort, those of the latest cohorts first, up to the limit of an
 * envelope.
 */
export const cohortReaders = ({ places }: State): readonly Hex[] =>
  [...places].toReversed().slice(0, MAX_READERS);

/**
 * The state without participants that have left, hold no place and are not invited to this attempt.
 */
export const withoutStrangers = (state: State): State => {
  const { participants, places } = state;
  const invited = new Set(attemptOf(state)?.invited);
  const kept = [...participants].filter(
    ([key, { present }]) => present || places.has(key) || invited.has(key),
  );
  return kept.length === participants.size ? state : { ...state, participants: new Map(kept) };
};
