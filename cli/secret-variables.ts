/**
 * @module Secrets in environment variables. They are removed from the environment before anything
 * else happens: child processes and threads must not inherit them, and a program that prints its
 * environment must not show them. The operating system keeps the original environment of a process
 * (on Linux `/proc/<pid>/environ`, readable by the same user and root). A file, a descriptor or the
 * prompt leaves no such trace.
 */

const NAMES = ['FLOE_PASSPHRASE', 'FLOE_SUI_KEY'] as const;
export type SecretVariable = (typeof NAMES)[number];

const taken = new Map<SecretVariable, string>();

/** Removes the secrets from the environment. Every command calls it first. */
export const takeSecretVariables = (): void => {
  for (const name of NAMES) {
    const value = process.env[name];
    if (value === undefined) continue;
    delete process.env[name];
    taken.set(name, value);
  }
};

/** The value of the variable; undefined if it was missing or empty. */
export const secretVariable = (name: SecretVariable): string | undefined => {
  takeSecretVariables();
  return taken.get(name) || undefined;
};
