/**
 * @module What others wrote, a run's name on chain or a message of a coordinator, as it reaches a
 * terminal.
 */
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { commandName, createOutput, printable } from '../../cli/output.ts';
import { FloeError } from '../../protocol/errors.ts';
import { eventsOf } from '../support/json-lines.ts';

const FORGED = 'a run"\nverified, level L1\r\u001B[2J\u001B]0;title\u0007';

it('a foreign name begins no line and steers no terminal', () => {
  let printed = '';
  const sink = { isTTY: true, write: (text: string) => (printed += text) };
  const output = createOutput({
    json: false,
    quiet: false,
    debug: true,
    stdout: sink,
    stderr: sink,
  });
  output.line(`run "${FORGED}"`);
  output.say(`run "${FORGED}"`);
  output.warn(FORGED);
  output.error(new FloeError('usage', FORGED, {}, { cause: new Error(FORGED) }));
  expect(printed).not.toMatch(/^verified/mu);
  // oxlint-disable-next-line no-control-regex
  expect(printed).not.toMatch(/[\r\u0007]|\u001B(?!\[\d+m)/u);
});

it('what hides or turns text around is shown', () => {
  const hidden = [
    '\u001B[1m',
    '\u001B[8m',
    '\u001B[30;40m',
    '\u202E',
    '\u2066',
    '\u2028',
    '\u009B2J',
    '\u200B',
  ];
  for (const text of hidden) expect(printable(`a${text}b`)).toContain('\u{FFFD}');
});

it("Floe's own words stand out on a terminal only", () => {
  const printed = (isTTY: boolean): string => {
    let all = '';
    const sink = { isTTY, write: (text: string) => (all += text) };
    createOutput({ json: false, quiet: false, debug: false, stdout: sink, stderr: sink }).print([
      ['info', 'updates    NOT masked: see below'],
      ['result', 'verified, level L1'],
    ]);
    return all;
  };
  expect(printed(false)).toBe('updates    NOT masked: see below\nverified, level L1\n');
  expect(printed(true)).toContain('\u001B[32mverified\u001B[39m, level L1');
});

it('with --json every line is an event, the result or an error', () => {
  let stdout = '';
  let stderr = '';
  const output = createOutput({
    json: true,
    quiet: false,
    debug: false,
    stdout: { write: (text) => (stdout += text) },
    stderr: { write: (text) => (stderr += text) },
  });
  output.line('for people');
  output.event({ type: 'round', hash: new Uint8Array([1, 255]), gas: 7n } as { type: string }, [
    ['result', 'for people'],
  ]);
  output.warn('take care');
  output.document({ ok: true });
  output.error(new FloeError('usage', 'no'));
  expect(eventsOf(stdout)).toEqual(['round', 'warning']);
  const [event, warning, result, error] = stdout.split('\n');
  expect(event).toBe('{"event":"round","hash":"01ff","gas":"7"}');
  expect(warning).toBe('{"event":"warning","message":"take care"}');
  expect(result).toBe('{"ok":true}');
  expect(JSON.parse(error ?? '')).toMatchObject({ error: { code: 'usage', message: 'no' } });
  // Not a second time for people.
  expect(stderr).toBe('');
});

it('an error names the help of the command that ran', () => {
  const remedies = [undefined, '', 'contract check'].map((command) => {
    let stderr = '';
    const sink = { write: (text: string) => (stderr += text) };
    const flags = { json: false, quiet: false, debug: false };
    createOutput({ ...flags, command, stdout: sink, stderr: sink }).error(
      new FloeError('usage', 'no'),
    );
    return stderr.split('\n')[1];
  });
  expect(remedies).toEqual([
    'what to do: See `floe <command> --help`.',
    'what to do: See `floe --help`.',
    'what to do: See `floe contract check --help`.',
  ]);
});

it('a command is printed as it was called', () => {
  expect(commandName({ npm_lifecycle_event: 'floe' }, '/a/cli/main.ts')).toBe('npm run floe --');
  expect(commandName({ npm_lifecycle_event: 'start' }, '/a/cli/main.ts')).toBe('npm run floe --');
  const pnpm = { npm_lifecycle_event: 'floe', npm_execpath: '/usr/lib/pnpm.cjs' };
  expect(commandName(pnpm, '/a/cli/main.ts')).toBe('pnpm run floe --');
  expect(commandName({ npm_lifecycle_event: 'npx' }, '/a/.bin/floe')).toBe('npx floe');
  const source = join(process.cwd(), 'cli/main.ts');
  expect(commandName({ npm_lifecycle_event: 'test' }, source)).toBe('node cli/main.ts');
  expect(commandName({}, '/usr/local/bin/floe')).toBe('floe');
});
