/**
 * @module What a compliance suite asks of a test runner. The suites import no runner: the caller
 * passes `describe`, `it` and `expect`, which Vitest, Jest and Bun have under these names.
 */

export interface Checks {
  readonly not: Checks;
  toBe(expected: unknown): void;
  toBeDefined(): void;
  toBeGreaterThan(least: number): void;
  toBeGreaterThanOrEqual(least: number): void;
  toBeInstanceOf(type: new (...args: never[]) => unknown): void;
  toBeLessThanOrEqual(most: number): void;
  toBeUndefined(): void;
  toEqual(expected: unknown): void;
  toHaveLength(length: number): void;
  toMatchObject(expected: object): void;
}

export interface RejectionChecks {
  toBeInstanceOf(type: new (...args: never[]) => unknown): Promise<void>;
  toEqual(expected: unknown): Promise<void>;
  toMatchObject(expected: object): Promise<void>;
  toThrow(): Promise<void>;
}

export interface Expect {
  (actual: unknown): Checks & { readonly rejects: RejectionChecks };
  objectContaining(expected: Record<string, unknown>): unknown;
}

export interface TestApi {
  readonly describe: (name: string, body: () => void) => unknown;
  readonly it: (name: string, body: () => Promise<void>) => unknown;
  readonly expect: Expect;
}
