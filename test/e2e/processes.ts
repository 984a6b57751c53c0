/**
 * @module Real processes for the end-to-end tests: `floe coordinator` and `floe join` over
 * WebSocket on loopback, watched through their logs and killed with SIGKILL.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { createServer, type AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../../cli/main.ts', import.meta.url));
/**
 * What a participant of these runs says to take cohorts of three from a run that anybody may join.
 */
export const LOWERED = ['--require-minimum', '3', '--require-known', '0'];
export const PASSPHRASE = 'correct horse battery staple';

const running = new Set<FloeProcess>();

/** Kills what a test left running; returns what each had printed last, for a test that failed. */
export const killAll = async (): Promise<string> => {
  const left = [...running];
  await Promise.all(left.map((process) => process.kill()));
  return left
    .map(
      ({ command, stdout, stderr }) =>
        `$ floe ${command}\n${stdout.slice(-1500)}\n${stderr.slice(-1500)}`,
    )
    .join('\n\n');
};

/** A running `floe` command: `command` is split at spaces, `more` is taken as it is. */
export class FloeProcess {
  readonly #child: ChildProcess;
  readonly #watchers = new Set<(line: string) => void>();
  readonly exited: Promise<number | null>;
  stdout = '';
  stderr = '';

  readonly command: string;

  constructor(
    command: string,
    more: readonly string[] = [],
    env: Readonly<Record<string, string>> = {},
  ) {
    this.command = `${command} ${more.join(' ')}`;
    this.#child = spawn(process.execPath, [MAIN, ...command.split(' '), ...more], {
      env: { ...process.env, FLOE_PASSPHRASE: PASSPHRASE, FLOE_NETWORK: '', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.exited = new Promise((resolve) => this.#child.once('close', resolve));
    running.add(this);
    void this.exited.then(() => running.delete(this));
    this.#read('stdout');
    this.#read('stderr');
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  #read(name: 'stdout' | 'stderr'): void {
    let rest = '';
    this.#child[name]?.setEncoding('utf8').on('data', (text: string) => {
      this[name] += text;
      const lines = `${rest}${text}`.split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) for (const watcher of this.#watchers) watcher(line);
    });
  }

  /**
   * Resolves with the first line, past or coming, that `matches`; rejects when the process ends
   * before.
   */
  line(matches: (line: string) => boolean): Promise<string> {
    const past = `${this.stdout}${this.stderr}`.split('\n').find(matches);
    if (past !== undefined) return Promise.resolve(past);
    return new Promise((resolve, reject) => {
      const watcher = (line: string): void => {
        if (!matches(line)) return;
        this.#watchers.delete(watcher);
        resolve(line);
      };
      this.#watchers.add(watcher);
      void this.exited.then((code) =>
        reject(new Error(`floe ended with ${code}:\n${this.stdout}\n${this.stderr.slice(-2000)}`)),
      );
    });
  }

  /** SIGKILL: nothing of the process gets a chance to tidy up. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.exited;
  }
}

/** A port that is free now; the coordinator needs the same one again after each crash. */
export const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });

/** The phase that a line of the coordinator's log announces, with its round. */
export const phaseOf = (
  line: string,
): { readonly phase: string; readonly attempt: number } | undefined => {
  if (!line.includes('"msg":"phase"')) return undefined;
  return JSON.parse(line) as { phase: string; attempt: number };
};
