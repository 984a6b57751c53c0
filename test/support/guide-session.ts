/**
 * @module A reader of the guide: executes the steps of a page in a folder of its own. `floe` is
 * called in this process, several commands at once where the page has several terminals, so that a
 * page costs one start and not ten; other commands are processes.
 */
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { vi } from 'vitest';
import { main } from '../../cli/main.ts';
import { patternOf, PLACEHOLDERS, wordsOf, type GuideStep } from './guide-page.ts';

const ROOT = join(import.meta.dirname, '../..');
const runProgram = promisify(execFile);

export interface GuideSession {
  readonly step: (step: GuideStep) => Promise<void>;
  /** Ctrl-C for all commands that run still. */
  readonly stop: () => Promise<void>;
  /** All that was printed. */
  readonly transcript: () => string;
}

interface Running {
  readonly command: string;
  readonly ended: Promise<number>;
}

export interface GuideSessionInit {
  readonly folder: string;
  /** The port that takes the place of 7700. */
  readonly port: number;
  /** Milliseconds until an expected line is missing. */
  readonly patience?: number;
}

/** Flags that make a page fit a test; they change no line that a page shows. */
const cheaper = (words: readonly string[], port: number): readonly string[] => {
  const [command] = words;
  if (command === 'coordinator') return [...words, '--port', String(port)];
  if (command === 'sim') return [...words, '--workers', '1'];
  if (command === 'devnet') return [...words, '--nodes', '4', '--shards-per-node', '1'];
  return words;
};

/** Modules of the package by name are files here: a test builds nothing. */
const localImports = (text: string): string =>
  text.replaceAll(/'floe\/(client|coordinator|protocol|sim)'/gu, (_, face: string) =>
    JSON.stringify(pathToFileURL(join(ROOT, face, 'index.ts')).href),
  );

export const startGuideSession = (init: GuideSessionInit): GuideSession => {
  const { folder, port, patience = 240_000 } = init;
  const known = new Map<string, string>();
  const running: Running[] = [];
  let printed = '';
  let since = 0;
  let wake: (() => void) | undefined;
  const print = (text: string): void => {
    printed += text;
    wake?.();
  };
  const home = process.cwd();
  process.chdir(folder);
  const spies = (['stdout', 'stderr'] as const).map((name) =>
    vi.spyOn(process[name], 'write').mockImplementation((chunk) => {
      print(String(chunk));
      return true;
    }),
  );
  const here = (text: string): string =>
    text.replaceAll(':7700', `:${port}`).replaceAll('$FLOE', ROOT);
  const filled = (command: string): string =>
    PLACEHOLDERS.reduce(
      (text, name) =>
        text.replaceAll(new RegExp(String.raw`\b${name}\b`, 'gu'), known.get(name) ?? name),
      here(command),
    );

  const floe = async (words: readonly string[], env: Readonly<Record<string, string>>) => {
    // Secrets are taken from the environment at once; a command without one has none.
    const all = { FLOE_NETWORK: '', FLOE_PASSPHRASE: '', FLOE_SUI_KEY: '', ...env };
    for (const [name, value] of Object.entries(all)) vi.stubEnv(name, value);
    await main(cheaper(words, port));
    const code = Number(process.exitCode ?? 0);
    process.exitCode = undefined;
    return code;
  };
  const call = async (command: string): Promise<number> => {
    const { env, words } = wordsOf(filled(command));
    const [program = '', ...args] = words;
    if (program === 'floe') return floe(args, env);
    if (program === 'curl') {
      const [, url = '', , header = '', , body = ''] = args;
      const [name = '', value = ''] = header.split(': ');
      const answer = await fetch(url, { method: 'POST', headers: { [name]: value }, body });
      print(`${await answer.text()}\n`);
      return 0;
    }
    const { stdout, stderr } = await runProgram('bash', ['-c', filled(command)], { cwd: folder });
    print(`${stdout}${stderr}`);
    return 0;
  };
  const failed = (what: string): Error =>
    new Error(`${what}; what was printed since:\n${printed.slice(since)}`);

  const expectLine = async (line: string): Promise<void> => {
    const pattern = patternOf(here(line), known);
    const deadline = AbortSignal.timeout(patience);
    for (;;) {
      const lines = printed.slice(since).split('\n');
      const match = lines.map((each) => pattern.exec(each.trim())).find((found) => found !== null);
      if (match !== undefined) {
        for (const [name, value] of Object.entries(match.groups ?? {})) known.set(name, value);
        return;
      }
      const ended = running.length === 0;
      if (ended || deadline.aborted) throw failed(`no line ${JSON.stringify(line)}`);
      await new Promise<void>((resolve) => {
        wake = resolve;
        deadline.addEventListener('abort', () => resolve(), { once: true });
      });
    }
  };
  const begin = (command: string): void => {
    const ended = call(command).finally(() => {
      running.splice(running.indexOf(entry), 1);
      wake?.();
    });
    const entry: Running = { command, ended };
    running.push(entry);
  };
  const stop = async (): Promise<void> => {
    const left = [...running];
    if (left.length > 0) process.emit('SIGINT', 'SIGINT');
    await Promise.all(left.map(({ ended }) => ended));
  };

  return {
    transcript: () => printed,
    step: async (step) => {
      switch (step.type) {
        case 'file':
          await writeFile(join(folder, step.name), localImports(step.text));
          return;
        case 'run':
          since = printed.length;
          for (const command of step.commands) {
            const code = await call(command);
            if (code !== step.exit) throw failed(`${command} ended with ${code}`);
          }
          return;
        case 'terminal':
          since = printed.length;
          for (const command of step.commands) {
            begin(command);
            // The others would take its passphrase out of the environment that all of them share.
            if (command.includes('floe coordinator')) await expectLine('listening  ...');
          }
          return;
        case 'expect':
          for (const line of step.lines) await expectLine(line);
          return;
        case 'stop':
          return stop();
        case 'not-run':
      }
    },
    stop: async () => {
      try {
        await stop();
      } finally {
        vi.unstubAllEnvs();
        for (const spy of spies) spy.mockRestore();
        process.chdir(home);
      }
    },
  };
};
