/**
 * @module Participants that may not connect now: those that the scenario has cut off, until their
 * attempt is over, and those that are away by its participation, until they arrive.
 */
export const createWaiting = <Give>(open: (index: number, give: Give) => void) => {
  const lost = new Set<number>();
  const departed = new Set<number>();
  const held = new Map<number, Give>();
  const mayConnect = (index: number): boolean => !lost.has(index) && !departed.has(index);
  const admit = (index: number): void => {
    const give = held.get(index);
    if (give === undefined || !mayConnect(index)) return;
    held.delete(index);
    open(index, give);
  };
  return {
    /** How many are away by the participation. */
    get departed() {
      return departed.size;
    },
    /** Those that the scenario has cut off in this attempt. */
    get lost(): readonly number[] {
      return [...lost];
    },
    lose: (index: number): void => void lost.add(index),
    depart: (index: number): void => void departed.add(index),
    arrive: (index: number): void => {
      departed.delete(index);
      admit(index);
    },
    /** Opens a connection, now or as soon as the participant may have one. */
    connect: (index: number, give: Give): void => {
      held.set(index, give);
      admit(index);
    },
    roundOver: (): void => {
      lost.clear();
      for (const index of held.keys()) admit(index);
    },
  };
};
