/**
 * @module `floe` called as a user calls it, but in this process: the same program, its output, its
 * exit code, in a folder and an environment of its own. A process of its own takes a second to load
 * what this one has loaded already; that it starts and ends as a process should, the tests with
 * real ones show.
 */
import type { Ed25519Keypair } from '@mysten/sui/keypairs/ed25519';
import { vi } from 'vitest';
import { main } from '../../cli/main.ts';

export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** What a call inherits from nobody. */
const NOTHING = { FLOE_NETWORK: '', FLOE_PASSPHRASE: '', FLOE_SUI_KEY: '' };

let before: Promise<unknown> = Promise.resolve();

const call = async (
  args: readonly string[],
  folder: string,
  env: Readonly<Record<string, string>>,
): Promise<Ended> => {
  const home = process.cwd();
  const written = { stdout: '', stderr: '' };
  const read = (name: 'stdout' | 'stderr') =>
    vi.spyOn(process[name], 'write').mockImplementation((chunk) => {
      written[name] += String(chunk);
      return true;
    });
  const spies = [read('stdout'), read('stderr')];
  for (const [name, value] of Object.entries({ ...NOTHING, ...env })) vi.stubEnv(name, value);
  process.chdir(folder);
  try {
    await main(args);
    return { code: Number(process.exitCode ?? 0), ...written };
  } finally {
    process.exitCode = undefined;
    process.chdir(home);
    vi.unstubAllEnvs();
    for (const spy of spies) spy.mockRestore();
  }
};

/**
 * One after the other, however many are asked for at once: the process has one folder and one
 * environment.
 *
 * @param folder where it is called, known at the latest when it is
 */
export const floeIn =
  (folder: () => string) =>
  (args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ended> => {
    const ended = before.then(() => call(args, folder(), env));
    before = ended.catch(() => undefined);
    return ended;
  };

/** The environment of who has this key. */
export const having = (key: Ed25519Keypair | undefined): Record<string, string> =>
  key === undefined ? {} : { FLOE_SUI_KEY: key.getSecretKey() };
