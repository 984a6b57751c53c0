/**
 * What a user meets in the first hour: help that can be read by people and by programs, the run
 * file to begin with, completions, errors that are printed once.
 */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Command } from 'commander';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { completionScript } from '../../cli/completions.ts';
import { rangesText } from '../../client/reader/describe.ts';
import { newRun } from '../../coordinator/index.ts';
import { makeScenario } from '../../sim/index.ts';
import { createProgram } from '../../cli/main.ts';
import { createOutput } from '../../cli/output.ts';
import { FloeError } from '../../protocol/errors.ts';
import { readRunFile } from '../../protocol/spec/run-file.ts';
import { defaultOf } from '../../protocol/spec/setting.ts';
import { SETTINGS } from '../../protocol/spec/settings.ts';
import { floeIn } from '../support/floe.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'floe-hour-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));
const floe = floeIn(() => folder);

/** Every command, by the words that call it. */
const commandsOf = (command: Command, path: readonly string[] = []): readonly string[][] =>
  command.commands.flatMap((under) => {
    const words = [...path, under.name()];
    return [words, ...commandsOf(under, words)];
  });
const CALLS = commandsOf(createProgram()).filter(([first]) => first !== 'help');

describe('help', () => {
  it('of every command shows examples that call it', async () => {
    expect(CALLS.length).toBeGreaterThan(20);
    for (const words of CALLS) {
      const { code, stdout } = await floe([...words, '--help']);
      expect(code).toBe(0);
      const [, examples = ''] = stdout.split('\nExamples:\n');
      expect(examples, words.join(' ')).toContain(`floe ${words.join(' ')}`);
    }
  });

  it('and the version are JSON where that is asked for', async () => {
    const version = await floe(['--version', '--json']);
    expect(JSON.parse(version.stdout)).toEqual({ version: expect.any(String) as string });
    expect((await floe(['-V', '--json'])).stdout).toBe(version.stdout);
    const buy = await floe(['pass', 'buy', '--help', '--json']);
    expect(JSON.parse(buy.stdout)).toMatchObject({
      command: 'buy',
      flags: expect.arrayContaining([
        expect.objectContaining({ flag: '--network', takesValue: true }),
      ]) as unknown,
    });
    expect((JSON.parse(buy.stdout) as { examples: string[] }).examples.length).toBeGreaterThan(0);
    const all = JSON.parse((await floe(['--help', '--json'])).stdout) as { commands: unknown[] };
    expect(all.commands.length).toBeGreaterThan(15);
  });

  it.each([
    [['join', 'ws://host', '--bits', '8'], /--bits; it is a setting of the run.*floe coordinator/u],
    [['verify', 'x', '--out', 'y'], /--out; it is an option of .*floe pull/u],
    [['sim', '--target', 'risk'], /--target; it is an option of .*floe contract infer/u],
    [['coordinator', '--bitz', '8'], /--bitz; the nearest known option is --bits/u],
  ])('%j names the commands that know a flag, or the nearest one', async (args, message) => {
    const { code, stderr } = await floe(args);
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
  });
});

it('numbers in order are written as ranges', () => {
  expect(rangesText([])).toBe('');
  expect(rangesText([4])).toBe('4');
  expect(rangesText([1, 2, 3, 5, 7, 8])).toBe('1-3, 5, 7-8');
});

it('a simulation of few participants takes all of them', () => {
  expect(makeScenario({ participants: 3 })).toMatchObject({ cohort: 3, minimum: 3 });
  expect(makeScenario({ participants: 200 })).toMatchObject({ cohort: 10 });
  expect(() => makeScenario({ participants: 3, cohort: 4 })).toThrow(/--cohort/u);
});

it('another setting than that of the run in a folder is named with both values', async () => {
  const state = join(folder, 'state');
  await mkdir(state);
  await writeFile(join(state, 'settings.json'), '{"rounds": 50}');
  const begin = () => Promise.reject(new Error('not begun'));
  const given = newRun(state, { settings: { rounds: 20 }, begin });
  await expect(given).rejects.toThrow(/holds a run with rounds 50, and 20 was given/u);
  await expect(given).rejects.toMatchObject({
    remedy: expect.stringContaining('--state') as string,
  });
});

it('with --json an error is printed once', async () => {
  const { stdout, stderr } = await floe(['sim', '--rounds', '0', '--json']);
  expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'usage' } });
  expect(stderr).toBe('');
  const written = { stdout: '', stderr: '' };
  const output = createOutput({
    json: true,
    quiet: false,
    debug: true,
    stdout: { write: (text) => (written.stdout += text) },
    stderr: { write: (text) => (written.stderr += text) },
  });
  output.stopped('stopped by Ctrl-C', new FloeError('aborted', 'stopped'));
  expect(JSON.parse(written.stdout)).toMatchObject({ error: { code: 'aborted' } });
  expect(written.stderr).toBe('');
  // The stack is asked for by name.
  output.error(new FloeError('usage', 'wrong'));
  expect(written.stderr).toContain('    at ');
});

describe('floe init', () => {
  it.each(['coordinator', 'sim'] as const)(
    'writes a run file for %s that is read as it is, and with every default set',
    async (command) => {
      const name = `${command}.yaml`;
      const flags = command === 'sim' ? ['--sim'] : [];
      expect((await floe(['init', name, ...flags])).stdout).toContain(`floe ${command}`);
      const path = join(folder, name);
      const read = await readRunFile(path, command);
      expect(read).toMatchObject({
        settings: { cohort: expect.any(Number) as number },
        unused: [],
      });
      const text = await readFile(path, 'utf8');
      await writeFile(path, text.replaceAll(/^# (\w+: .+)$/gmu, '$1'));
      const whole = (await readRunFile(path, command)) as { settings: Record<string, unknown> };
      for (const [key, setting] of Object.entries(SETTINGS)) {
        if (!setting.commands.includes(command as never)) continue;
        expect(text).toMatch(new RegExp(`^(# )?${key}:`, 'mu'));
        const usual = defaultOf(setting, command);
        if (usual !== undefined) expect(whole.settings[key], key).toEqual(usual);
      }
    },
  );

  it('overwrites nothing unless it is told to', async () => {
    await writeFile(join(folder, 'mine.yaml'), 'rounds: 3\n');
    const refused = await floe(['init', 'mine.yaml']);
    expect(refused.stderr).toMatch(/^error file_exists: mine\.yaml exists; --force/u);
    expect(await readFile(join(folder, 'mine.yaml'), 'utf8')).toBe('rounds: 3\n');
    expect((await floe(['init', 'mine.yaml', '--force'])).code).toBe(0);
    expect((await floe(['init', 'run.json'])).stderr).toMatch(/\.yaml or \.yml/u);
  });
});

describe('completions', () => {
  const script = (shell: string): string => completionScript(createProgram(), shell);

  it('in bash complete commands, commands under them, and flags', async () => {
    const complete = async (...words: string[]): Promise<string[]> => {
      const run = `${script('bash')}
COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length - 1}
_floe; printf '%s\\n' "\${COMPREPLY[@]}"`;
      const { stdout } = await promisify(execFile)('bash', ['--norc', '-c', run]);
      return stdout.trim().split('\n');
    };
    expect(await complete('floe', 'coo')).toEqual(['coordinator']);
    expect(await complete('floe', 'pass', 'b')).toEqual(['buy']);
    expect(await complete('floe', 'join', 'ws://host', '--require-min')).toEqual([
      '--require-minimum',
    ]);
    expect(await complete('floe', 'pull', '--out', '')).toContain('--tfjs');
  });

  it('in zsh and fish name every command and flag', async () => {
    for (const words of CALLS) {
      expect(script('zsh')).toContain(`'floe ${words.join(' ')}') compadd -- `);
      expect(script('fish')).toContain(` -a ${words.at(-1)} `);
    }
    expect(script('fish')).toMatch(
      /^complete -c floe -n '__fish_seen_subcommand_from pull' -l out -d '.*' -r$/mu,
    );
    expect((await floe(['completions', 'tcsh'])).stderr).toMatch(/bash, zsh or fish, got "tcsh"/u);
  });
});
