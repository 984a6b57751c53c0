/**
 * @module The tickets of a draw: a hash over R, the attempt and a key gives the key its place.
 * Source: specification of secure aggregation, section 2.0.1.
 */
import { compareBytes, concatBytes, sha256, utf8 } from '../bytes.ts';

/** The attempt that is drawn: its number and R. */
export interface DrawAt {
  readonly attempt: number;
  readonly beacon: Uint8Array;
}

/**
 * A place in the draw of one attempt: a hash over R, the attempt and the key. R is not known before
 * the answers of the last round, so no key can be made for a place in a set that was signed by then
 * (see protocol/rules/beacon.ts).
 */
export const ticket = (at: DrawAt, key: Uint8Array): Uint8Array => ticketsOf(at)(key);

const TICKET = utf8('floe/invite/v2');

/** The tickets of one draw: what all hash alike is laid out once, for thousands of keys. */
const ticketsOf = ({ attempt, beacon }: DrawAt): ((key: Uint8Array) => Uint8Array) => {
  const number = new Uint8Array(4);
  new DataView(number.buffer).setUint32(0, attempt);
  const start = concatBytes(TICKET, beacon, number);
  return (key) => sha256(concatBytes(start, key));
};

/** Sorted by ticket; a batch has the ticket of its first key. */
export const byTicket = <Item>(
  at: DrawAt,
  items: readonly Item[],
  keyOf: (item: Item) => Uint8Array,
): readonly Item[] => {
  const ticketOf = ticketsOf(at);
  return items
    .map((item) => ({ item, place: ticketOf(keyOf(item)) }))
    .toSorted((a, b) => compareBytes(a.place, b.place))
    .map(({ item }) => item);
};
