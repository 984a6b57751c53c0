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
    add: (entry) => void entries.splice(placeOf(entry), 0, entry),
    first: () => entries[0],
    shift: () => void entries.shift(),
    forget: (index) => {
      entries = entries.filter((entry) => entry.index !== index);
    },
  };
};
