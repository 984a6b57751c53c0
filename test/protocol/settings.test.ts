/**
 * One table: every setting is in each place that is derived from it, no place has anything beyond
 * it, and an entry that is added to a table is in all of them at once.
 */
import { readFile } from 'node:fs/promises';
import { Command } from 'commander';
import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { createProgram } from '../../cli/main.ts';
import { withFlags } from '../../cli/flags.ts';
import { nearest } from '../../protocol/spec/nearest-name.ts';
import {
  checkSetting,
  readFlag,
  readSettings,
  withDefaultSettings,
} from '../../protocol/spec/read-settings.ts';
import { runSpecSchema, SPEC_DEFAULTS } from '../../protocol/spec/run-spec.ts';
import { schemaOf, specEntries } from '../../protocol/spec/setting-schema.ts';
import {
  defaultOf,
  flagOf,
  SETTING_COMMANDS,
  type Setting,
  type SettingsTable,
} from '../../protocol/spec/setting.ts';
import { settingFlags, settingsAmong } from '../../protocol/spec/setting-flags.ts';
import { DATA_FILE_SETTINGS } from '../../protocol/spec/settings/data-files.ts';
import { SETTINGS } from '../../protocol/spec/settings.ts';
import { specDefaults, specFieldsOf } from '../../protocol/spec/settings-in-spec.ts';
import { settingsPage } from '../../scripts/settings-page.ts';
import { makeScenario } from '../../sim/scenario.ts';

const ENTRIES: readonly (readonly [string, Setting])[] = Object.entries(SETTINGS);

/** Fields of the specification that are no settings. */
const FIXED = new Set([
  'robust.drawn',
  'model.survey.bins',
  'version',
  'id',
  'coordinator',
  'model.architecture',
  'model.base.hash',
  'model.base.name',
  'model.tensors',
  'model.topology',
  'model.seed',
  'parent.modelHash',
  'parent.stateHash',
  'parent.object',
  // A closed run has `members.keys`, the setting `allow`.
  'members',
]);

interface SchemaView {
  readonly entries?: Readonly<Record<string, SchemaView>>;
  readonly wrapped?: SchemaView;
}

/** Dotted names of the fields of a schema. */
const fieldsOf = (view: SchemaView, prefix = ''): string[] =>
  Object.entries(view.entries ?? {}).flatMap(([name, field]) => {
    const bare = field.wrapped ?? field;
    return bare.entries === undefined ? [`${prefix}${name}`] : fieldsOf(bare, `${prefix}${name}.`);
  });

/** Settings that a run file alone has are without a flag. */
const FLAGGED = ENTRIES.filter(([, setting]) => setting.type !== 'data' || setting.flags);

const flagsOf = (command: Command): string[] =>
  command.options.filter(({ hidden }) => !hidden).map(({ long }) => long ?? '');

const shownFlag = (name: string, setting: Setting): string =>
  `--${setting.type === 'boolean' && setting.default ? 'no-' : ''}${flagOf(name, setting)}`;

/** Flags that a command has for itself under the name of a setting of others. */
const OWN_WORDS: Readonly<Record<string, readonly string[]>> = {
  // Commands that only read have a network too; join has its own words for both.
  cost: ['--network', '--local', '--seed'],
  join: ['--network', '--local', '--seed'],
  evaluate: ['--network', '--task'],
  predict: ['--network', '--task'],
  'contract infer': ['--task', '--drop'],
  'contract check': ['--weight-cap'],
};

describe('the table', () => {
  it('has the fields of the specification, and each once', () => {
    const paths = ENTRIES.flatMap(([, { spec }]) => (spec === undefined ? [] : [spec]));
    expect(new Set(paths).size).toBe(paths.length);
    const fields = fieldsOf(runSpecSchema as unknown as SchemaView).filter(
      (field) => !FIXED.has(field),
    );
    // What is below a strategy and a data contract is its own.
    const own = new Set(
      fields.map((field) => field.replace(/^(strategy|data)\..*$/u, (_, name: string) => name)),
    );
    expect([...own].toSorted()).toEqual(paths.filter((path) => path !== 'members.keys').toSorted());
  });

  it('has a flag for each entry and command, and the commands have no other flag of a setting', () => {
    const flags = new Map(FLAGGED.map(([name, setting]) => [shownFlag(name, setting), setting]));
    expect(flags.size).toBe(FLAGGED.length);
    for (const of of SETTING_COMMANDS) {
      const command = of
        .split(' ')
        .reduce<Command>(
          ({ commands }, word) => commands.find((known) => known.name() === word) as Command,
          createProgram(),
        );
      const given = flagsOf(command);
      expect(new Set(given).size, of).toBe(given.length);
      for (const [flag, { commands }] of flags)
        if (!(OWN_WORDS[of] ?? []).includes(flag))
          expect(given.includes(flag), `${of} ${flag}`).toBe(commands.includes(of));
    }
  });

  it('states a default in help once, within the range, and on one line', () => {
    for (const [name, setting] of ENTRIES) {
      expect(setting.help, name).not.toMatch(/default|\n/u);
      for (const of of setting.commands) {
        const standard = defaultOf(setting, of);
        if (standard !== undefined) v.parse(schemaOf(setting), standard);
      }
    }
    for (const of of SETTING_COMMANDS)
      for (const { description } of withFlags(new Command(), settingFlags(of)).options)
        expect(description.match(/default/gu)?.length ?? 0).toBeLessThan(2);
  });

  it('is what docs/settings.md shows', async () => {
    const page = await readFile(new URL('../../docs/settings.md', import.meta.url), 'utf8');
    expect(page).toBe(settingsPage());
    for (const [name, setting] of ENTRIES) {
      const isFlagged = setting.type !== 'data' || setting.flags;
      const flag = isFlagged ? `\`${shownFlag(name, setting)}\`` : 'none';
      expect(page).toContain(`| \`${name}\` | ${flag} |`);
      if (setting.spec !== undefined) expect(page).toContain(`\`${setting.spec}\``);
    }
    const rows = page.match(/^\| `\w+` \| (?:`--|none)/gmu) ?? [];
    expect(rows).toHaveLength(ENTRIES.length);
  });

  it('is what a scenario is made of, with a value or a default for each of its settings', () => {
    const missing = Object.entries(SETTINGS)
      .filter(([name, setting]: [string, Setting]) => {
        const scenario = makeScenario() as unknown as Record<string, unknown>;
        return setting.commands.includes('sim') && scenario[name] === undefined;
      })
      .map(([name]) => name);
    // Without them: as many bits as the ring holds, of all coordinates; plain SGD; the task and the
    // contract that the data means.
    const training = ['clipGradient', 'optimizer', 'schedule', 'statistics', 'task', 'weightDecay'];
    // No rule but the mean.
    const rule = ['aggregation', 'bucketing', 'byzantine', 'mixing'];
    const own = [
      'bits',
      'compression',
      'contract',
      'holdout',
      'measures',
      'localLayers',
      'localSteps',
      'modelPrecision',
    ];
    const implied = [...own, ...training, ...rule];
    // Readers of data files recognise what these say.
    const recognised = Object.keys(DATA_FILE_SETTINGS);
    const rest = missing.filter((name) => ![...implied, ...recognised].includes(name));
    expect(rest.toSorted()).toEqual([
      'attack',
      'bandwidth',
      'buffer',
      'clipUnit',
      'clipping',
      'fineTune',
      'groupSize',
      'local',
      'maxStaleness',
      'network',
      'privacy',
      'speed',
      'targetAccuracy',
      'workers',
    ]);
    const known = new Set([...Object.keys(SETTINGS), 'substrate']);
    expect(Object.keys(makeScenario()).filter((name) => !known.has(name))).toEqual([]);
  });
});

describe('an entry that is added to a table', () => {
  const momentum = {
    area: 'training',
    type: 'fraction',
    min: 0,
    max: 0.99,
    default: 0,
    simulated: 0.5,
    help: 'momentum of local steps',
    spec: 'training.momentum',
    commands: ['sim', 'coordinator'],
  } as const;
  const strategy = {
    area: 'training',
    type: 'variant',
    variants: {
      mean: {},
      adam: {
        learningRate: { type: 'number', above: 0, max: 10, help: 'server learning rate' },
        tau: { type: 'number', above: 0, max: 1, default: 1e-3, help: 'degree of adaptivity' },
      },
    },
    default: 'mean',
    help: 'server step',
    spec: 'strategy',
    commands: ['sim', 'coordinator'],
  } as const;
  const table = { ...SETTINGS, momentum, strategy } as const satisfies SettingsTable;
  const source = {
    command: 'coordinator',
    code: 'spec_invalid',
    nameOf: (name: string) => `run.json: ${name}`,
    whole: 'run.json',
  } as const;

  it('is a flag with help, default and range', () => {
    const command = withFlags(new Command(), settingFlags('sim', table)).exitOverride();
    expect(command.helpInformation().replaceAll(/\s+/gu, ' ')).toContain(
      '--momentum <x> momentum of local steps (default: 0.5)',
    );
    command.parse(['--momentum', '0.9', '--strategy', 'adam:learningRate=0.1'], { from: 'user' });
    expect(settingsAmong(command.opts(), 'sim', table)).toEqual({
      momentum: 0.9,
      strategy: { type: 'adam', learningRate: 0.1, tau: 1e-3 },
    });
    expect(() => command.parse(['--momentum', '1'], { from: 'user' })).toThrow(
      '--momentum: expected a fraction from 0 to 0.99, got "1"',
    );
    expect(flagsOf(withFlags(new Command(), settingFlags('fork', table)))).not.toContain(
      '--momentum',
    );
  });

  it('is a key of the run file, with its range', () => {
    const read = (value: unknown) => readSettings(table, value, source).settings;
    expect(read({ momentum: 0.9, strategy: 'adam:learningRate=2,tau=0.5' })).toEqual({
      momentum: 0.9,
      strategy: { type: 'adam', learningRate: 2, tau: 0.5 },
    });
    expect(read({ strategy: { type: 'adam', learningRate: 2 } })).toEqual({
      strategy: { type: 'adam', learningRate: 2, tau: 1e-3 },
    });
    expect(() => read({ momentum: 1 })).toThrow(
      'run.json: momentum: expected a fraction from 0 to 0.99, got 1',
    );
    expect(() => read({ strategy: { type: 'adam', learningRate: 0 } })).toThrow(
      'run.json: strategy.learningRate: expected a number above 0, at most 10, got 0',
    );
    expect(() => read({ strategy: { type: 'sgd' } })).toThrow(
      'run.json: strategy.type: expected mean or adam:learningRate=LEARNING-RATE,tau=TAU, got',
    );
  });

  it('has a default in a scenario, a field and a default in the specification, a row in the docs', () => {
    expect(withDefaultSettings(table, 'sim', {})).toMatchObject({
      momentum: 0.5,
      strategy: { type: 'mean' },
    });
    const training = v.strictObject(specEntries(table, 'training'));
    const { momentum: standard } = specDefaults(table, 'training');
    expect(standard).toBe(0);
    expect(v.safeParse(training, { ...SPEC_DEFAULTS.training, momentum: 0.9 }).success).toBe(true);
    expect(v.safeParse(training, SPEC_DEFAULTS.training).success).toBe(false);
    expect(specFieldsOf(table, { momentum: 0.9, epochs: 2, mask: false })).toEqual({
      training: { momentum: 0.9, epochs: 2 },
      secagg: 'none',
    });
    expect(settingsPage(table)).toMatch(
      /\| `momentum` \| `--momentum` \| momentum of local steps \| .* \| 0; simulated: 0\.5 \| `training\.momentum` \|/u,
    );
    expect(settingsPage(table)).toContain('| `strategy.tau` | with `"type": "adam"`: degree of');
  });
});

describe('errors', () => {
  it.each([
    [{ cohrt: 5 }, 'run.json: unknown key "cohrt"; the nearest known key is cohort'],
    [{ epoch: 5 }, 'unknown key "epoch"; the nearest known key is epochs'],
    [{ Rounds: 5 }, 'unknown key "Rounds"; the nearest known key is rounds'],
    [{ cohort: 2 }, 'run.json: cohort: expected a whole number from 3 to 255, got 2'],
    [{ cohort: '5' }, 'run.json: cohort: expected a whole number from 3 to 255, got "5"'],
    [{ rounds: null }, 'run.json: rounds: expected a whole number from 1 to 100000, got null'],
    [{ learningRate: 0 }, 'learningRate: expected a number above 0, at most 1000, got 0'],
    [{ grace: 1.5 }, 'grace: expected a whole number of seconds from 0 to 86400, got 1.5'],
    [{ ring: 'ring8' }, 'ring: expected one of ring16, ring24, ring32, got "ring8"'],
    [{ mask: 'no' }, 'mask: expected true or false, got "no"'],
    [{ name: '' }, 'name: expected a text of 1 to 100 characters, got ""'],
    [{ auditors: ['zz'] }, 'auditors.0: expected 64 hex digits, got "zz"'],
    [{ allow: [] }, 'allow: expected a list of 3 to 10000 keys, each 64 hex digits'],
    [{ access: ['all'] }, 'access.0: expected one of pass, subscription, time-lock, compute'],
    [{ access: ['pass', 'pass'] }, 'access: expected a list of pass, subscription, time-lock'],
    [{ drops: { lunch: 0.1 } }, 'drops: expected a fraction from 0 and below 1, or one for each'],
    [{ drops: 1 }, 'drops: expected a fraction from 0 and below 1'],
    [{ partition: 'cake' }, 'partition: expected iid, shards, shards:PER-PARTICIPANT, dirichlet'],
    [[], 'run.json: expected settings such as {"rounds": 20}, got []'],
    ['rounds', 'run.json: expected settings'],
    [{ constructor: 1 }, 'unknown key "constructor"'],
  ])('%j', (value, message) => {
    const read = () =>
      readSettings(SETTINGS, value, {
        command: 'coordinator',
        code: 'spec_invalid',
        nameOf: (name) => `run.json: ${name}`,
        whole: 'run.json',
      });
    expect(read).toThrow(message);
    expect(read).toThrow(expect.objectContaining({ code: 'spec_invalid' }));
  });

  it.each([
    ['partition', 'shards:2:3'],
    ['partition', 'dirichlet'],
    ['partition', 'dirichlet:'],
    ['partition', 'shards:alpha=2'],
    ['partition', 'shards:perParticipant=1,perParticipant=2'],
    ['partition', 'constructor'],
    ['drops', 'share:0.1,share:0.2'],
    ['drops', 'share'],
    ['drops', ''],
    ['mask', 'perhaps'],
    ['auditors', '0x12'],
  ] as const)('the flag of %s refuses %j', (name, text) => {
    expect(() => readFlag(SETTINGS[name], '--flag', text)).toThrow(/^--flag: expected .* got "/u);
  });

  it.each([
    ['clipping', 'adaptive:quantile=2', 'as quantile of adaptive a fraction above 0, at most 1'],
    ['compression', 'random-k:rate=x', 'as rate of random-k a '],
    ['compression', 'low-rank:mode=best', 'as mode of low-rank one of unbiased, feedback'],
    ['privacy', 'central:epsilon=-1', 'as epsilon of central a number above 0'],
    ['privacy', 'central', 'as epsilon of central a number above 0'],
    ['partition', 'dirichlet', 'as alpha of dirichlet a number above 0'],
    ['clipping', 'adaptive:speed=1', 'adaptive, adaptive:quantile=QUANTILE'],
  ] as const)('the flag of %s says what is wrong in %j', (name, text, says) => {
    const read = (): unknown => readFlag(SETTINGS[name], '--flag', text);
    expect(read).toThrow(`--flag: expected ${says}`);
    expect(read).toThrow(`, got "${text}"`);
  });

  it('what a flag reads is what a run file may have', () => {
    for (const [name, text, value] of [
      ['partition', 'shards', { type: 'shards', perParticipant: 2 }],
      ['partition', 'dirichlet:0.5', { type: 'dirichlet', alpha: 0.5 }],
      ['drops', '0.3', 0.3],
      ['drops', 'share:0.1, upload:0.2', { share: 0.1, upload: 0.2 }],
      ['auditors', `0x${'AB'.repeat(32)}`, ['ab'.repeat(32)]],
      ['access', 'time-lock', ['time-lock']],
      ['uploadFactor', '2.5', 2.5],
    ] as const) {
      expect(readFlag(SETTINGS[name], '--flag', text)).toEqual(value);
      expect(checkSetting(SETTINGS[name], value, name, 'usage')).toEqual(value);
    }
  });

  it('the nearest name counts swapped letters once and ignores case', () => {
    expect(nearest('--ruonds', ['--rounds', '--bounds'])).toBe('--rounds');
    expect(nearest('LEARNINGRATE', ['learningRate', 'name'])).toBe('learningRate');
    expect(nearest('x', [])).toBeUndefined();
  });

  it('the nearest name may begin with the given one, or be its beginning', () => {
    expect(nearest('Alter', ['Raucher?', 'Alter [Jahre]'])).toBe('Alter [Jahre]');
    expect(nearest('--group', ['--drop', '--group-size'])).toBe('--group-size');
    expect(nearest('rounds-of-it', ['grounds', 'rounds'])).toBe('rounds');
    expect(nearest('round', ['rounds', 'round-trip', 'sound'])).toBe('rounds');
  });
});
