/**
 * @module What happens at which virtual time, in order: by time, then by participant, then by the
 * order in which it was added. So the order does not depend on threads.
 */
export interface Entry {
  /** Ms since the beginning of the simulation. */
  readonly at: number;
  /** Number of the participant; -1 for what concerns nobody. */
  readonly index: number;
  readonly act: () => void;
}

export interface Agenda {
  add(entry: Entry): void;
  first(): Entry | undefined;
  shift(): void;
  /** Removes what a participant has sent. */
  forget(index: number): void;
}

export const createAgenda = (): Agenda => {
  let entries: Entry[] = [];
  /** Entries of each participant: most of those who leave have none. */
  const counts = new Map<number, number>();
  const count = ({ index }: Entry, by: 1 | -1): void => {
    const now = (counts.get(index) ?? 0) + by;
    if (now === 0) counts.delete(index);
    else counts.set(index, now);
  };
  /** How many entries come before: those at the same place were added earlier. */
  const placeOf = ({ at, index }: Entry): number => {
    let [low, high] = [0, entries.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      const other = entries[middle] as Entry;
      if (other.at < at || (other.at === at && other.index <= index)) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  return {
    add: (entry) => {
      count(entry, 1);
      entries.splice(placeOf(entry), 0, entry);
    },
    first: () => entries[0],
    shift: () => {
      const first = entries.shift();
      if (first !== undefined) count(first, -1);
    },
    forget: (index) => {
      if (!counts.delete(index)) return;
      entries = entries.filter((entry) => entry.index !== index);
    },
  };
};
