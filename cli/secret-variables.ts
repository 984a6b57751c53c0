/**
 * @module Secrets that come in the environment. They are taken out of it before anything else is
 * done, so that threads and processes which this one starts do not inherit them, and nothing that
 * prints the environment shows them. What the operating system shows of a process as it was started
 * (on Linux `/proc/<pid>/environ`, to the same user and to root) keeps them: a file, a descriptor
 * or the prompt leaves no such trace.
 */

const NAMES = ['FLOE_PASSPHRASE', 'FLOE_SUI_KEY'] as const;
export type SecretVariable = (typeof NAMES)[number];

const taken = new Map<SecretVariable, string>();

/** Takes what is there out of the environment. Done by every command before it begins. */
export const takeSecretVariables = (): void => {
  for (const name of NAMES) {
    const value = process.env[name];
    if (value === undefined) continue;
    delete process.env[name];
    taken.set(name, value);
  }
};

/** What the variable held; undefined where it was missing or empty. */
export const secretVariable = (name: SecretVariable): string | undefined => {
  takeSecretVariables();
  return taken.get(name) || undefined;
};
