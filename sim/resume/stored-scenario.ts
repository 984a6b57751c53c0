/**
 * @module `scenario.json`: the settings of a simulation with all defaults filled in, so that a run
 * can be resumed, repeated and compared with others.
 */
import * as v from 'valibot';
import { join } from 'node:path';
import { FloeError } from '../../protocol/errors.ts';
import { readOptional, writeWhole } from '../../protocol/ports/files.ts';
import { RUN_FILES } from '../../protocol/records/run-files.ts';
import { EXPORT_FORMATS, type ExportFormat } from '../outputs/formats.ts';
import { makeScenario, settingsOf, type Scenario } from '../scenario.ts';

const MAX_BYTES = 4 << 20;

const storedSchema = v.strictObject({
  format: v.literal('floe/scenario/v1'),
  settings: v.record(v.string(), v.unknown()),
  substrate: v.picklist(['local', 'devnet', 'network']),
  /** URL of the simulation module. */
  module: v.optional(v.string()),
  /** How the data's columns and values map to the contract's. */
  map: v.optional(v.unknown()),
  /** Data, model or trainer are values of the program that ran it. */
  ownTask: v.optional(v.literal(true)),
  /** Forms in which the results are written at the end. */
  exports: v.optional(v.array(v.picklist(EXPORT_FORMATS))),
});
export type StoredScenario = v.InferOutput<typeof storedSchema>;

export const storedScenario = (
  scenario: Scenario,
  others: {
    readonly module?: string | undefined;
    readonly map?: unknown;
    readonly ownTask: boolean;
    readonly exports: readonly ExportFormat[];
  },
): StoredScenario => ({
  format: 'floe/scenario/v1',
  settings: { ...settingsOf(scenario), drops: scenario.drops },
  substrate: scenario.substrate.type,
  ...(others.module === undefined ? {} : { module: others.module }),
  ...(others.map === undefined ? {} : { map: others.map }),
  ...(others.ownTask ? { ownTask: true } : {}),
  ...(others.exports.length === 0 ? {} : { exports: [...others.exports] }),
});

export const writeScenario = (folder: string, stored: StoredScenario): Promise<void> =>
  writeWhole(join(folder, RUN_FILES.scenario), `${JSON.stringify(stored, null, 2)}\n`);

/** @throws FloeError `file_not_found`, `data_malformed` */
export const readScenario = async (folder: string): Promise<StoredScenario> => {
  const path = join(folder, RUN_FILES.scenario);
  const bytes = await readOptional(path, MAX_BYTES);
  if (bytes === undefined)
    throw new FloeError('file_not_found', `no ${RUN_FILES.scenario} in ${folder}`);
  try {
    return v.parse(storedSchema, JSON.parse(new TextDecoder().decode(bytes)));
  } catch (cause) {
    throw new FloeError('data_malformed', `${path} is not a scenario`, {}, { cause });
  }
};

const nameOf = (name: string): string => `${RUN_FILES.scenario}: ${name}`;

/** The scenario of a run on this machine. @throws FloeError `usage` for any other run */
export const scenarioOf = ({ settings, substrate }: StoredScenario, folder: string): Scenario => {
  if (substrate === 'network') throw onNetwork(folder);
  return makeScenario({ ...settings, substrate }, nameOf);
};

/** @throws FloeError `usage` */
export const requireUnbuffered = ({ buffer }: Pick<Scenario, 'buffer'>, folder: string): void => {
  if (buffer !== undefined)
    throw new FloeError(
      'usage',
      `${folder} has a buffer, whose updates wait in the memory of their participants and are lost: begin the run anew`,
    );
};

const onNetwork = (folder: string): FloeError =>
  new FloeError(
    'usage',
    `${folder} ran on a network, whose chain keeps the attempt in progress: expected a run begun with --local or on its own devnet`,
  );

/**
 * The run can be resumed, and on what it began with.
 *
 * @throws FloeError `usage`, `file_not_found`, `data_malformed`
 */
export const requireSame = async (scenario: Scenario, partial: string): Promise<void> => {
  const { type } = scenario.substrate;
  if (type === 'network') throw onNetwork(partial);
  const { substrate } = await readScenario(partial);
  if (substrate === 'network') throw onNetwork(partial);
  if (substrate !== type)
    throw new FloeError(
      'usage',
      substrate === 'local'
        ? `${partial} was begun with --local: expected the same`
        : `${partial} was begun on its own devnet: expected a run without --local`,
    );
};
