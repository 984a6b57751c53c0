/**
 * @module The exit codes of `floe`: few and stable. The error code printed with them gives the
 * details.
 */
import { ERRORS } from '../protocol/error-catalogue.ts';
import type { ErrorCode } from '../protocol/errors.ts';

export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  unavailable: 3,
  denied: 4,
  interrupted: 130,
  terminated: 143,
} as const;

const EXIT_CODES: readonly (readonly [code: number, meaning: string])[] = [
  [EXIT.ok, 'done'],
  [EXIT.failed, 'the run failed, or verification failed'],
  [EXIT.usage, 'invalid flag, argument, address, file, data or specification; nothing was started'],
  [
    EXIT.unavailable,
    'a required resource is unavailable: a backend, a store, a server, a port, coins; later it may work',
  ],
  [
    EXIT.denied,
    'no key, no permission or no trust: passphrase, keystore, allow-list, access policy, certificate',
  ],
  [EXIT.interrupted, 'stopped by Ctrl-C (SIGINT)'],
  [EXIT.terminated, 'stopped by SIGTERM'],
];

const USAGE: ReadonlySet<ErrorCode> = new Set([
  'usage',
  'file_not_found',
  'file_exists',
  'run_unfinished',
  // Of another version of Floe: a run's folder, a keystore, or the coordinator at the address.
  'run_outdated',
  'version_unsupported',
  'wrong_protocol',
  'spec_invalid',
  'spec_mismatch',
  'admission_refused',
  'network_mismatch',
  'data_malformed',
  'data_unfit',
  'data_unmapped',
  'mapping_invalid',
  'contract_invalid',
  'contract_missing',
  'model_malformed',
  'tensor_malformed',
  'tensor_mismatch',
  'base_mismatch',
  'strategy_unknown',
  'strategy_invalid',
  'faucet_missing',
  'privacy_invalid',
]);
const UNAVAILABLE: ReadonlySet<ErrorCode> = new Set([
  'backend_unavailable',
  'setup_failed',
  'download_altered',
  'store_unavailable',
  'storage_full',
  'storage_read_only',
  'storage_failed',
  'journal_locked',
  'port_unavailable',
  'ledger_unavailable',
  'gate_unavailable',
  'connection_lost',
  'coordinator_unreachable',
  'no_progress',
  'too_many_connections',
  'rate_limited',
  'funds_missing',
  'faucet_refused',
]);
const DENIED: ReadonlySet<ErrorCode> = new Set([
  'passphrase_missing',
  'keystore_locked',
  'key_invalid',
  'decryption_failed',
  'access_denied',
  'identity_not_admitted',
  'identity_in_use',
  'login_refused',
  'certificate_refused',
]);

/** The exit code an error ends the process with. */
export const exitCodeOf = (code: ErrorCode): number => {
  if (USAGE.has(code)) return EXIT.usage;
  if (UNAVAILABLE.has(code)) return EXIT.unavailable;
  if (DENIED.has(code)) return EXIT.denied;
  return code === 'aborted' ? EXIT.interrupted : EXIT.failed;
};

/** The table as text, and below it which error codes give which exit code. */
export const exitCodeHelp = (): string => {
  const rows = EXIT_CODES.map(([code, meaning]) => {
    const codes = (Object.keys(ERRORS) as ErrorCode[]).filter((name) => exitCodeOf(name) === code);
    const named = code === EXIT.failed ? 'every other error code' : codes.join(', ');
    return `  ${String(code).padStart(3)}  ${meaning}${named === '' ? '' : `\n       ${named}`}`;
  });
  return `Exit codes of floe:\n\n${rows.join('\n')}\n`;
};
