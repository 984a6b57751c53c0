/**
 * The command line from outside: as a user calls it, a process for each call where that matters.
 */
import { spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as v from 'valibot';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createProgram } from '../../cli/main.ts';
import { summarySchema } from '../../sim/index.ts';
import { floeIn } from '../support/floe.ts';
import { writeTable } from '../support/table.ts';
import { eventsOf, resultOf } from '../support/json-lines.ts';

const MAIN = new URL('../../cli/main.ts', import.meta.url).pathname;

let folder: string;
let table: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'floe-cli-'));
  await writeFile(join(folder, 'policy-typo.json'), '{"minimun": 3}');
  await writeFile(join(folder, 'policy-range.json'), '{"minimum": 2}');
  table = await writeTable(join(folder, 'table.csv'), { rows: 360, features: 6, classes: 3 });
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const start = (args: readonly string[], env: Record<string, string> = {}) => {
  const child = spawn(process.execPath, [MAIN, ...args], {
    cwd: folder,
    env: { ...process.env, FLOE_PASSPHRASE: '', ...env },
  });
  let stdout = '';
  let stderr = '';
  const watchers: (() => void)[] = [];
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString();
    for (const watcher of watchers) watcher();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
    for (const watcher of watchers) watcher();
  });
  const ended = new Promise<Ended>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, stdout, stderr }));
  });
  /** Resolves with the first match in what was printed so far. */
  const printed = (pattern: RegExp): Promise<RegExpExecArray> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        const match = pattern.exec(stdout) ?? pattern.exec(stderr);
        if (match !== null) resolve(match);
      };
      watchers.push(look);
      look();
      void ended.then(() => reject(new Error(`ended before ${String(pattern)}: ${stderr}`)));
    });
  return { child, ended, printed };
};

/** Without a process of its own. */
const called = floeIn(() => folder);
const floe = async (...args: string[]): Promise<Ended> => start(args).ended;

const SMALL = [
  '--participants',
  '5',
  '--cohort',
  '5',
  '--rounds',
  '2',
  '--model',
  'mlp:8',
  '--backend',
  'wasm',
  '--workers',
  '1',
  '--local',
];

describe('help and usage', () => {
  it('prints the version, the help, the exit codes', async () => {
    const [version, short, help, codes, sim] = await Promise.all([
      floe('--version'),
      called(['-V']),
      floe('--help'),
      floe('help', 'exit-codes'),
      floe('help', 'sim'),
    ]);
    expect(version).toMatchObject({ code: 0, stderr: '' });
    expect(version.stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
    for (const name of ['sim', 'coordinator', 'join', 'pull', 'verify', 'doctor'])
      expect(help.stdout).toContain(`  ${name} `);
    expect(short.stdout).toBe(version.stdout);
    expect(help.code).toBe(0);
    expect(codes.stdout).toMatch(/130 {2}stopped by Ctrl-C/);
    expect(sim.stdout).toContain('--partition');
  });

  it.each(
    createProgram()
      .commands.map((command) => command.name())
      .filter((name) => name !== 'help')
      .concat(['offer', 'give', 'transfer', 'buy', 'list'].map((name) => `pass ${name}`)),
  )('%s --help shows examples', async (command) => {
    const { code, stdout, stderr } = await called([...command.split(' '), '--help']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain('Examples:');
    expect(stdout).toMatch(/exit codes/i);
  });

  it.each([
    [['nonsense'], /unknown command/],
    [['sim', '--nonsense'], /unknown option --nonsense; the nearest known option is --/],
    [['sim', '--chort', '5'], /unknown option --chort; the nearest known option is --cohort/],
    [['pass', 'list', '--quite'], /unknown option --quite; the nearest known option is --quiet/],
    [['sim', '--rounds'], /argument missing/],
    [['sim', '--rounds', '0'], /--rounds: expected a whole number from 1/],
    [['sim', '--rounds', '1e3'], /--rounds/],
    [['sim', '--participants', '5', '--cohort', '6'], /--cohort/],
    [['sim', '--participants', '20000'], /--participants: expected a whole number from 3 to 10000/],
    [['sim', '--partition', 'cake'], /--partition/],
    [['sim', '--drop', '0.9'], /--drop/],
    [['sim', '--no-mask', '--drop', 'share:0.1'], /--drop/],
    [['sim', '--ring', 'ring8'], /--ring/],
    [['sim', '--learning-rate', '0'], /--learning-rate/],
    [['sim', '--backend', 'abacus'], /--backend/],
    [['sim', '--data', 'missing.csv'], /missing\.csv/],
    [['join'], /address/],
    [['join', 'host:7700'], /ws:\/\//],
    [['join', 'ws://host', '--shard', '3/2'], /--shard/],
    [['join', 'ws://host', '--expect-run', 'zz'], /--expect-run/],
    [
      ['join', 'ws://host', '--require-minimum', '2'],
      /--require-minimum: expected a whole number from 3/,
    ],
    [
      ['join', 'ws://host', '--require-known', '2'],
      /--require-known: expected a fraction from 0 to 1/,
    ],
    [['join', 'ws://host', '--require-clip-norm', '5'], /--require-clip-norm: expected MIN\.\.MAX/],
    [['join', 'ws://host', '--require', 'missing.json'], /--require: no missing\.json/],
    [['join', 'ws://host', '--require-members', 'missing'], /--require-members: no missing/],
    [['join', 'ws://host', '--require-parent', 'zz'], /--require-parent/],
    [
      ['sim', '--selection', 'batches', '--participants', '11', '--minimum', '6'],
      /--selection: 11 members cannot be cut into batches of 6 to 10/,
    ],
    [['sim', '--selection', 'batches', '--drop', 'share:0.1'], /a batch takes part whole/],
    [['coordinator', '--selection', 'lots'], /--selection/],
    [['coordinator', '--allow', 'missing.txt'], /--allow: no missing\.txt/],
    [['coordinator', '--port', '70000'], /--port/],
    [['coordinator', 'missing.json'], /missing\.json/],
    [['coordinator', '--auditor', '12'], /--auditor/],
    [['coordinator', '--access', 'everybody'], /--access/],
    [['verify'], /missing required argument/],
    [['verify', 'missing'], /missing/],
    [['pull', 'missing'], /missing/],
    [['help', 'nonsense'], /expected sim/],
    [['cost', '--storage-price', '-1'], /--storage-price: expected a whole number from 0/],
    [['pass', 'buy', `0x${'0'.repeat(64)}`, '--at-most', '-1'], /--at-most: expected .* 0 or more/],
    [['join', 'ws://host', '--require', 'policy-typo.json'], /minimun: unknown key/],
    [['join', 'ws://host', '--require', 'policy-range.json'], /minimum: expected >=3, got 2/],
    [['join', 'ws://host', '--consent', 'a', 'b'], /--consent requires --answers consent/],
  ])('%j is a usage error', async (args, message) => {
    const { code, stdout, stderr } = await called(args);
    expect(stderr).toMatch(message);
    expect(stderr).toMatch(/^error [a-z_]+: .+\nwhat to do: .+\n$/);
    expect(stdout).toBe('');
    expect(code).toBe(2);
  });

  it('with --json an error is a document', async () => {
    const { code, stdout } = await floe('sim', '--rounds', '0', '--json');
    expect(code).toBe(2);
    expect(resultOf(stdout)).toMatchObject({ error: { code: 'usage', retryable: false } });
  });

  it('a stack is shown with --debug only', async () => {
    expect((await called(['verify', 'missing'])).stderr).not.toContain('    at ');
    expect((await called(['verify', 'missing', '--debug'])).stderr).toContain('    at ');
  });
});

describe('floe doctor', () => {
  it('says what the machine can do', async () => {
    const { code, stdout } = await floe('doctor', '--json');
    const report = resultOf(stdout) as { ok: boolean; checks: { name: string; ok: boolean }[] };
    expect(code).toBe(0);
    expect(report.ok).toBe(true);
    for (const name of [
      'node',
      'sha-256',
      'aes-256-ctr',
      'signatures',
      'post-quantum',
      'journal',
      'disk',
      'network',
      'backend cpu',
      'training',
    ])
      expect(report.checks).toContainEqual(expect.objectContaining({ name, ok: true }));
    expect((await readdir(folder)).filter((name) => name.startsWith('.floe-doctor'))).toEqual([]);
  });

  it('fails on a folder that is not there', async () => {
    const { code, stdout } = await floe('doctor', '--dir', 'missing');
    expect(code).toBe(1);
    expect(stdout).toMatch(/no {3}disk/);
  });
});

describe('floe sim, verify and pull', () => {
  it('simulates, verifies, exports, and names what was altered', async () => {
    const sim = await floe('sim', '--data', table, ...SMALL, '--json');
    expect({ code: sim.code, stderr: sim.stderr }).toEqual({ code: 0, stderr: '' });
    const { folder: own, ...summary } = resultOf(sim.stdout) as { folder: string };
    const { modelHash } = v.parse(summarySchema, summary);
    const events = eventsOf(sim.stdout);
    expect(events.slice(0, 2)).toEqual(['starting', 'started']);
    expect(events.filter((event) => event === 'round')).toHaveLength(2);

    const good = await floe('verify', 'runs/latest', '--json');
    expect(good.code).toBe(0);
    expect(resultOf(good.stdout)).toMatchObject({ ok: true, level: 'L1', modelHash });

    const pulled = await floe('pull', 'runs/latest', '--out', 'model', '--tfjs', '--json');
    expect(pulled.code).toBe(0);
    expect(resultOf(pulled.stdout)).toMatchObject({ modelHash, attempt: 2 });
    const [a, b] = await Promise.all(
      [join('model', 'model.safetensors'), join(own, 'model.safetensors')].map(async (path) =>
        readFile(join(folder, path)),
      ),
    );
    expect(a).toEqual(b);
    expect((await floe('pull', 'runs/latest', '--out', 'model')).stderr).toMatch(
      /^error file_exists/,
    );
    expect((await floe('pull', 'runs/latest', '--attempt', '9', '--out', 'other')).stderr).toMatch(
      /expected one of 0, 1, 2/,
    );

    const stranger = join(folder, 'stranger.key');
    await writeFile(stranger, `${'07'.repeat(32)}\n`);
    expect(
      await floe('pull', 'runs/latest', '--key-file', stranger, '--out', 'other'),
    ).toMatchObject({ code: 4 });
    expect(
      resultOf((await floe('verify', 'runs/latest', '--key-file', stranger, '--json')).stdout),
    ).toMatchObject({ ok: true, level: 'L0' });

    const blobs = join(folder, own, 'blobs');
    const files = (await readdir(blobs, { recursive: true })).filter((name) => name.length > 60);
    const victim = join(blobs, files.toSorted()[0] as string);
    const bytes = await readFile(victim);
    bytes[9] = (bytes[9] as number) ^ 1;
    await writeFile(victim, bytes);
    const bad = await floe('verify', 'runs/latest');
    expect(bad.code).toBe(1);
    expect(bad.stdout).toMatch(/verification failed: attempt \d+, \w+ record \(entry \d+\)/);
  });

  it('Ctrl-C ends a run cleanly with exit code 130', async () => {
    const args = SMALL.with(5, '100000');
    const { child, ended, printed } = start([
      'sim',
      '--data',
      table,
      ...args,
      '--seed',
      'interrupted',
      '--no-baseline',
    ]);
    await printed(/round +5000\/|run {8}/);
    child.kill('SIGINT');
    const { code, stderr } = await ended;
    expect(code).toBe(130);
    expect(stderr).toMatch(/^stopped by Ctrl-C; the partial run is in .*\.partial$/mu);
    expect(stderr).not.toMatch(/^error/mu);
    const names = (await readdir(join(folder, 'runs'))).filter((name) =>
      name.includes('interrupted'),
    );
    expect(names).toEqual([expect.stringMatching(/\.partial$/)]);
  });
});

describe('floe coordinator and join', () => {
  const secret = 'correct horse battery staple';
  /** Cohorts of three, of a run that anybody may join. */
  const LOWERED = ['--require-minimum', '3', '--require-known', '0'];
  const FLAGS = [
    '--cohort',
    '3',
    '--minimum',
    '3',
    '--model',
    'mlp:8',
    '--inputs',
    '6',
    '--classes',
    '3',
  ];

  it('needs a passphrase, and keeps no settings that make no run', async () => {
    expect(await floe('coordinator', '--state', 'none', ...FLAGS)).toMatchObject({
      code: 4,
      stderr: expect.stringMatching(/^error passphrase_missing/) as string,
    });
    for (const [given, message] of [
      [['--model', 'mlp:8'], /--inputs and --classes/],
      [['--access', 'pass'], /--access: expected --network/],
      [[...FLAGS, '--selection', 'batches'], /batches are made of the members of a closed run/],
      [[...FLAGS, '--allow-origin', 'no address'], /origin/],
      [[...FLAGS, '--tls-cert', table, '--tls-key', table], /a certificate and its key in PEM/],
    ] as const) {
      const wrong = await start(['coordinator', '--state', 'wrong', ...given], {
        FLOE_PASSPHRASE: secret,
      }).ended;
      expect(wrong).toMatchObject({
        code: 2,
        stderr: expect.stringMatching(message) as string,
      });
      expect(await readdir(folder)).not.toContain('wrong');
    }
    const unread = ['join', 'ws://127.0.0.1:1', '--data', 'none.csv', '--keystore', 'never'];
    expect(await start(unread, { FLOE_PASSPHRASE: secret }).ended).toMatchObject({
      stderr: expect.stringContaining('error file_not_found') as string,
    });
    const names = await readdir(folder);
    for (const name of ['none', 'never']) expect(names).not.toContain(name);
  });

  it('Ctrl-C says in a plain line what is kept, with exit code 130', async () => {
    const env = { FLOE_PASSPHRASE: secret };
    const coordinator = start(['coordinator', '--state', 'calm', '--port', '0', ...FLAGS], env);
    const [, port = ''] = await coordinator.printed(/listening {2}http:\/\/127\.0\.0\.1:(\d+)/);
    const participant = start(
      ['join', `ws://127.0.0.1:${port}`, '--data', table, ...LOWERED, '--keystore', 'calm-key'],
      env,
    );
    await participant.printed(/takes part in/);
    for (const [{ child, ended }, kept] of [
      [participant, 'the identity in calm-key is kept, run the same command to resume'],
      [coordinator, 'the identity and the run in calm are kept, run the same command to resume'],
    ] as const) {
      child.kill('SIGINT');
      // One after the other: the coordinator serves the participant.
      const { code, stderr } = await ended;
      expect(code).toBe(130);
      expect(stderr).toContain(`\nstopped by Ctrl-C; ${kept}\n`);
      expect(stderr).not.toMatch(/^error/mu);
    }
  });

  it('runs, is joined, resumes after kill -9, and its run verifies', async () => {
    await writeFile(join(folder, 'run.json'), JSON.stringify({ name: 'trial', rounds: 12 }));
    const env = { FLOE_PASSPHRASE: secret };
    const coordinator = (port: string) =>
      start(['coordinator', 'run.json', '--state', 'state', '--port', port, ...FLAGS], env);
    const first = coordinator('0');
    const [, port = ''] = await first.printed(/listening {2}http:\/\/127\.0\.0\.1:(\d+)/);
    const [, run = ''] = await first.printed(/run {8}([0-9a-f]{64})/);
    // A participant that lowers something says so before it connects.
    const lowering = start(['join', 'ws://127.0.0.1:1', '--data', table, ...LOWERED], env);
    await lowering.printed(/requires less than the default: minimum 3 \(default 5\); known 0/);
    lowering.child.kill('SIGKILL');
    // The default policy refuses the run, and the coordinator has said what a participant would
    // have to lower.
    const refused = await start(
      ['join', `ws://127.0.0.1:${port}`, '--data', table, '--shard', '1/3'],
      env,
    ).ended;
    expect(refused).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(
        /admission_refused: minimum: the run offers sums of 3 updates.*only --require-minimum/u,
      ) as string,
    });
    await first.printed(/--require-minimum 3 --require-known 0/);
    await writeFile(join(folder, 'policy.json'), JSON.stringify({ minimum: 3, known: 0 }));
    const joins = [1, 2, 3].map((i) =>
      start(
        [
          'join',
          `ws://127.0.0.1:${port}`,
          '--data',
          table,
          '--shard',
          `${i}/3`,
          // The third keeps its identity where the default says.
          ...(i === 3 ? [] : ['--keystore', `me${i}`]),
          ...(i === 2 ? ['--out', 'own-model'] : []),
          '--expect-run',
          run,
          ...(i === 1 ? ['--require', 'policy.json'] : LOWERED),
          '--json',
        ],
        env,
      ),
    );
    await first.printed(/round 2\/12 committed/);
    first.child.kill('SIGKILL');
    await first.ended;
    const second = coordinator(port);
    const finished = await second.ended;
    expect(finished.stdout).toMatch(/^resumed {4}"trial"/);
    expect(finished.code).toBe(0);
    const [, attempts, hash = ''] =
      /finished after 12 rounds \((\d+) attempts\); model ([0-9a-f]{64})/.exec(finished.stdout) ??
      [];
    for (const [i, { ended }] of joins.entries()) {
      const { code, stdout } = await ended;
      expect(code).toBe(0);
      expect(resultOf(stdout)).toMatchObject({
        keystore: i === 2 ? 'floe-participant/table-3-of-3' : `me${i + 1}`,
        ...(i === 1
          ? { file: 'own-model/model.safetensors', tfjs: 'own-model/tfjs/model.json' }
          : {}),
        run,
        attempt: Number(attempts),
        modelHash: hash,
        examples: 120,
        lowered: ['minimum 3 (default 5)', 'known 0 (default 1)'],
      });
    }
    const verified = await start(['verify', 'state', '--keystore', 'me2', '--json'], env).ended;
    expect(verified.code).toBe(0);
    expect(resultOf(verified.stdout)).toMatchObject({ ok: true, level: 'L1', modelHash: hash });
    expect(
      (
        await start(
          ['join', 'ws://127.0.0.1:1', '--data', table, '--keystore', 'me1', '--show-key'],
          { FLOE_PASSPHRASE: 'wrong' },
        ).ended
      ).code,
    ).toBe(4);
    // The passphrase and the identity are nowhere in what was printed or left in clear.
    expect(finished.stdout + finished.stderr).not.toContain(secret);
    expect((await stat(join(folder, 'state'))).mode & 0o077).toBe(0);
  });
});
