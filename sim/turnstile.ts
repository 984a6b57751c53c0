/**
 * @module A limit on the logins under way: those beyond it wait.
 */

/** Queues participants that wait for a login, in order of arrival. */
export const createTurnstile = (places: number) => {
  const waiting: (() => void)[] = [];
  let free = places;
  return {
    enter: async (): Promise<void> => {
      if (free > 0) free -= 1;
      else await new Promise<void>((resolve) => waiting.push(resolve));
    },
    leave: (): void => {
      const next = waiting.shift();
      if (next === undefined) free += 1;
      else next();
    },
  };
};
