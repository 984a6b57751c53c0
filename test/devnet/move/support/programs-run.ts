/**
 * @module Runs random programs in an interpreter and writes what it found down as Move unit tests,
 * for the wasm Move VM to judge. The interpreter is passed in, so that one with an injected bug can
 * take its place.
 */
import { asBytes } from '../../../../devnet/move/values.ts';
import { callValues } from './programs.ts';
import type { CallResult, MoveVm } from '../../../../devnet/move/types.ts';

export const ids = {
  std: `0x${'1'.padStart(64, '0')}`,
  sui: `0x${'2'.padStart(64, '0')}`,
  fuzz: `0x${'f022'.padStart(64, '0')}`,
} as const;

/** `ok <hex of the BCS of the result>` or the failure as a test attribute states it. */
export type Outcome =
  | { readonly type: 'returned'; readonly hex: string }
  | { readonly type: 'failed'; readonly attribute: string }
  /** Something no unit test can state; never right for a program that compiles. */
  | { readonly type: 'broken'; readonly message: string };

const location = (result: Extract<CallResult, { status: 'failure' }>): string => {
  const at = result.failure.location;
  if (at === undefined) return 'nowhere';
  const short = at.package.replace(/^0x0*/, '0x');
  return `${short === ids.fuzz.replace(/^0x0*/, '0x') ? 'fuzz' : short}::${at.module}`;
};

export const outcomeOf = (result: CallResult): Outcome => {
  if (result.status === 'success') {
    return {
      type: 'returned',
      hex: Buffer.from(asBytes(result.returns[0]?.value)).toString('hex'),
    };
  }
  const { type, code, message } = result.failure;
  const where = `location = ${location(result)}`;
  if (type === 'abort') return { type: 'failed', attribute: `abort_code = ${code}, ${where}` };
  if (type === 'arithmetic') return { type: 'failed', attribute: `arithmetic_error, ${where}` };
  if (type === 'vector')
    return { type: 'failed', attribute: `vector_error, minor_status = ${code}, ${where}` };
  return { type: 'broken', message: `${type}: ${message}` };
};

const NO_OBJECTS = { getChild: () => undefined, getReceivable: () => undefined };

/** Calls of each program. */
export const CALLS = 3;

/**
 * Publishes the package and runs `fuzz::programs::p0` ..., each `CALLS` times with other arguments.
 * With `expected` it stops at the first outcome that differs.
 */
export const runPrograms = (
  vm: MoveVm,
  modules: readonly Uint8Array[],
  count: number,
  expected?: readonly Outcome[],
): Outcome[] => {
  const published = vm.publish({
    storageId: ids.fuzz,
    modules,
    dependencies: [ids.std],
  });
  if (published.status === 'failure')
    return [{ type: 'broken', message: published.failure.message }];
  const outcomes: Outcome[] = [];
  for (let i = 0; i < count * CALLS; i++) {
    const context = {
      sender: ids.std,
      digest: new Uint8Array(32),
      epoch: 0n,
      epochTimestampMs: 0n,
    };
    const session = vm.begin({ objects: NO_OBJECTS, context, limits: { steps: 200_000 } });
    const values = callValues(i).bytes.map((bytes) => ({ type: 'bcs', bytes }) as const);
    const fn = `p${Math.floor(i / CALLS)}`;
    const call = { package: ids.fuzz, module: 'programs', function: fn, arguments: values };
    const outcome = outcomeOf(session.callFunction(call));
    outcomes.push(outcome);
    if (expected !== undefined && JSON.stringify(outcome) !== JSON.stringify(expected[i])) break;
  }
  return outcomes;
};

/** Unit tests that pass in the Move VM exactly when it agrees with the outcomes. */
export const programChecks = (outcomes: readonly Outcome[]): string => {
  const tests = outcomes.map((outcome, i) => {
    const call = `fuzz::programs::p${Math.floor(i / CALLS)}(${callValues(i).source})`;
    switch (outcome.type) {
      case 'returned':
        return `    #[test] fun t${i}() { assert!(${call} == x"${outcome.hex}", 424242); }`;
      case 'failed':
        return `    #[test, expected_failure(${outcome.attribute})] fun t${i}() { ${call}; }`;
      case 'broken':
        break;
    }
    return `    #[test] fun t${i}() { abort 434343 }`;
  });
  return `#[test_only] module fuzz::checks {\n${tests.join('\n')}\n}\n`;
};
