/**
 * @module Who may be in an attempt. By the specification: members of a closed run only, and where
 * it is selected in batches exactly one whole batch, from the invited to the survivors. By the
 * draw: after the first commit R draws the invited from a set that was signed before R was known.
 * One rule each, for participant, coordinator and verifier. Source: specification of secure
 * aggregation, section 2.0.1.
 */
import { compareBytes, equalBytes, ownBytes, toHex } from '../bytes.ts';
import { FloeError } from '../errors.ts';
import type { Body } from '../records/records.ts';
import { MOST_INVITED } from '../spec/bounds.ts';
import type { RunSpec } from '../spec/run-spec.ts';
import { drawsInvited } from '../robust/groups.ts';
import { partition } from './batches.ts';
import { drawnGroups } from './group-draw.ts';
import { byTicket, type DrawAt } from './tickets.ts';

type Keys = readonly Uint8Array[];
type Batches = readonly Keys[];

const batchesKnown = new WeakMap<RunSpec, Batches>();
const membersKnown = new WeakMap<RunSpec, ReadonlySet<string>>();

/** The members of a closed run, in hex; undefined for an open one. */
export const membersOf = (spec: RunSpec): ReadonlySet<string> | undefined => {
  if (spec.members.type === 'open') return undefined;
  const known = membersKnown.get(spec) ?? new Set(spec.members.keys.map(toHex));
  membersKnown.set(spec, known);
  return known;
};

/** The batches of a run that is selected in batches, else none. */
export const batchesOf = (spec: RunSpec): Batches => {
  if (spec.selection !== 'batches' || spec.members.type === 'open') return [];
  const known = batchesKnown.get(spec) ?? partition(spec.id, spec.members.keys, spec.cohort);
  batchesKnown.set(spec, known);
  return known;
};

const isBatch = (batch: Keys, keys: Keys): boolean =>
  batch.length === keys.length && batch.every((key, i) => equalBytes(key, keys[i] as Uint8Array));

/**
 * What is wrong with a list of participants of one attempt; undefined where nothing is.
 *
 * @param keys ascending: the invited, the cohort, the sharers or the survivors
 * @param what the list in words, for the message
 * @returns `not_a_member` or `batch_incomplete`
 */
export const selectionFault = (spec: RunSpec, keys: Keys, what: string): FloeError | undefined => {
  const members = membersOf(spec);
  const stranger = members && keys.find((key) => !members.has(toHex(key)));
  if (stranger !== undefined)
    return new FloeError('not_a_member', `${what}: a key that the specification does not list`, {
      author: toHex(stranger),
    });
  if (spec.selection !== 'batches' || batchesOf(spec).some((batch) => isBatch(batch, keys)))
    return undefined;
  return new FloeError('batch_incomplete', `${what}: expected one whole batch of the members`);
};

/** How many are invited to one attempt, at most; of a buffered run all members are. */
export const mostInvited = ({ cohort, buffer }: RunSpec): number =>
  buffer === undefined ? Math.ceil(cohort.size * cohort.overSelect) : MOST_INVITED;

/** What an attempt is drawn from, see the Open record. */
export type Draw = NonNullable<Body<'open'>['draw']>;

const wholeBatches = (spec: RunSpec, here: Keys): Batches => {
  const present = new Set(here.map(toHex));
  return batchesOf(spec).filter((batch) => batch.every((key) => present.has(toHex(key))));
};

/**
 * The order of the draw: whole batches, or single keys. Who is late comes after all others, who is
 * out does not come.
 */
const orderOf = (
  spec: RunSpec,
  at: DrawAt,
  { eligible, late, out }: Draw,
): { readonly front: readonly Keys[]; readonly back: readonly Keys[] } => {
  const gone = new Set(out.map(toHex));
  const behind = new Set(late.map(toHex));
  const here = gone.size === 0 ? eligible : eligible.filter((key) => !gone.has(toHex(key)));
  const items: readonly Keys[] =
    spec.selection === 'batches' ? wholeBatches(spec, here) : here.map((key) => [key]);
  const isLate = (item: Keys): boolean =>
    behind.size > 0 && item.some((key) => behind.has(toHex(key)));
  const ordered = byTicket(at, items, ([first]) => first ?? new Uint8Array());
  return {
    front: ordered.filter((item) => !isLate(item)),
    back: ordered.filter(isLate),
  };
};

/** What R gives. */
export interface Drawn {
  readonly must: Keys;
  readonly late: Keys;
  readonly places: number;
}

const drawFrom = (spec: RunSpec, at: DrawAt, draw: Draw): Drawn => {
  if (drawsInvited(spec)) return { must: drawnGroups(spec, at, draw).invited, late: [], places: 0 };
  const { front, back } = orderOf(spec, at, draw);
  const items = spec.selection === 'batches' ? 1 : mostInvited(spec);
  const must = front.slice(0, items);
  const behind = back.slice(0, items - must.length);
  const taken = must.flat();
  const places = (spec.selection === 'batches' ? spec.cohort.size : items) - taken.length;
  return {
    must: taken.toSorted(compareBytes),
    late: behind.flat().toSorted(compareBytes),
    places: must.length === items ? 0 : places,
  };
};

const drawn = new WeakMap<Draw, DrawAt & { readonly spec: RunSpec; readonly result: Drawn }>();

/**
 * Whom R draws. Of an open run exactly these are invited. Of a closed run, whose keys were listed
 * before any R, other members may take the places that `must` leaves. Drawn once for one record:
 * it is met as it comes and as evidence, and by every participant of a process.
 */
export const drawnBy = (spec: RunSpec, at: DrawAt, draw: Draw): Drawn => {
  const known = drawn.get(draw);
  if (known?.spec === spec && known.attempt === at.attempt && equalBytes(known.beacon, at.beacon))
    return known.result;
  const result = drawFrom(spec, at, draw);
  drawn.set(draw, { attempt: at.attempt, beacon: ownBytes(at.beacon), spec, result });
  return result;
};

const sameKeys = (a: Keys, b: Keys): boolean =>
  a.length === b.length && a.every((key, i) => equalBytes(key, b[i] as Uint8Array));

/** What is wrong with the invited of an attempt that R draws; undefined where nothing is. */
export const drawFault = (
  spec: RunSpec,
  at: DrawAt,
  draw: Draw,
  invited: Keys,
): string | undefined => {
  const { must, late, places } = drawnBy(spec, at, draw);
  const here = new Set(invited.map(toHex));
  const left = must.filter((key) => !here.has(toHex(key)));
  if (left.length > 0) return `${left.length} whom R draws are not invited`;
  if (spec.members.type === 'open')
    return sameKeys(invited, [...must, ...late].toSorted(compareBytes))
      ? undefined
      : 'others are invited than R draws from the eligible set';
  if (places === 0) return sameKeys(invited, must) ? undefined : 'more are invited than R draws';
  const out = new Set(draw.out.map(toHex));
  return invited.some((key) => out.has(toHex(key)))
    ? 'a participant is invited that the Open record lists as out'
    : undefined;
};
