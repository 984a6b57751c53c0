/**
 * @module The class of an exit code says what its caller can do: mend what was given, wait, or ask
 * for a key. Codes of data, contracts and connections are in the class that their remedy names.
 */
import { expect, it } from 'vitest';
import { EXIT, exitCodeHelp, exitCodeOf } from '../../cli/exit-codes.ts';
import { ERRORS } from '../../protocol/error-catalogue.ts';
import type { ErrorCode } from '../../protocol/errors.ts';

const CLASSES: readonly (readonly [number, readonly ErrorCode[]])[] = [
  [EXIT.usage, ['usage', 'run_outdated', 'version_unsupported', 'wrong_protocol', 'spec_invalid']],
  [EXIT.usage, ['mapping_invalid', 'model_malformed', 'tensor_mismatch', 'strategy_unknown']],
  [EXIT.unavailable, ['rate_limited', 'port_unavailable', 'coordinator_unreachable']],
  [EXIT.denied, ['certificate_refused', 'login_refused', 'passphrase_missing']],
  [EXIT.failed, ['verification_failed', 'commit_fabricated', 'internal']],
];

it.each(CLASSES)('exit code %i', (code, errors) => {
  for (const error of errors) expect(exitCodeOf(error), error).toBe(code);
});

it('all faults of data and of contracts are faults of what was given', () => {
  const codes = (Object.keys(ERRORS) as ErrorCode[]).filter((name) =>
    /^(data|contract)_/u.test(name),
  );
  expect(codes.length).toBeGreaterThan(4);
  for (const code of codes) expect(exitCodeOf(code), code).toBe(EXIT.usage);
  for (const code of codes) expect(exitCodeHelp()).toContain(code);
});
