/**
 * @module The fixture of a test in a compliance suite: opened for the test, closed after it, also
 * when the test fails.
 */

/** @returns a wrapper of a test's body, which receives a fresh fixture */
export const withFixtures =
  <Fixture extends { close?(): void | Promise<void> }>(open: () => Promise<Fixture>) =>
  (body: (fixture: Fixture) => Promise<void>) =>
  async (): Promise<void> => {
    const fixture = await open();
    try {
      await body(fixture);
    } finally {
      await fixture.close?.();
    }
  };
