/**
 * @module The devnet's one error class, and its codes. Codes are stable across versions; messages
 * are not.
 */

const CODES = {
  option_invalid: 'Correct the option in the message.',
  fault_invalid: 'Correct the fault command; the README of floe-devnet lists all of them.',
  snapshot_invalid: 'Choose another folder, or delete this one and start again.',
  port_taken:
    'Stop the process that listens there (an earlier devnet?), choose other ports with --port, or begin another network with --fresh.',
  argument_invalid: 'Correct the argument in the message.',
  module_malformed: 'Compile the Move package again.',
  compile_failed: 'Correct the Move sources; the message contains the compiler output.',
  package_missing: 'Give the folder with Move.toml. Its dependencies must be on this machine.',
  compiler_missing: 'Install the compiler: npm install @zktx.io/sui-move-builder',
  internal: 'This is a fault of the devnet. Report it with the message.',
} as const;

export type DevnetErrorCode = keyof typeof CODES;

/**
 * The error of every function of this package, apart from errors of sockets and files.
 *
 * @example throw new DevnetError('option_invalid', `expected at least 4 nodes, got ${nodes}`);
 */
export class DevnetError extends Error {
  override readonly name = 'DevnetError';
  readonly code: DevnetErrorCode;

  constructor(code: DevnetErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }

  /** The action for the user. */
  get remedy(): string {
    return CODES[this.code];
  }
}
