/**
 * @module The devnet's one error class, and its codes. Codes are stable across versions; messages
 * are not.
 */

const CODES = {
  option_invalid: 'Correct the option that the message names.',
  fault_invalid: 'Correct the fault command; the README of floe-devnet lists all of them.',
  snapshot_invalid: 'Give another folder, or delete this one and start anew.',
  argument_invalid: 'Correct the argument that the message names.',
  module_malformed: 'Compile the Move package again.',
  compile_failed: 'Correct the Move sources as the compiler says.',
  package_missing: 'Give the folder that holds Move.toml; dependencies must be on this machine.',
  compiler_missing: 'Install the compiler: npm install @zktx.io/sui-move-builder',
  internal: 'This is a fault of the devnet: please report it with the message.',
} as const;

export type DevnetErrorCode = keyof typeof CODES;

/**
 * What every function of this package throws, besides errors of sockets and files.
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

  /** What the user can do about it. */
  get remedy(): string {
    return CODES[this.code];
  }
}
