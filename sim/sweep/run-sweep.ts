/**
 * @module Runs a sweep: every point in a process of its own, what is finished never again, and one
 * table at the end. The same call on the same folder continues a sweep that was stopped or killed.
 */
import { rm } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { FloeError, toFloeError } from '../../protocol/errors.ts';
import { writeWhole } from '../../protocol/ports/files.ts';
import type { ExportFormat } from '../outputs/formats.ts';
import type { ScenarioInput } from '../scenario.ts';
import type { Summary } from '../summary.ts';
import { parseAxis } from './axes.ts';
import { gridOf, type Point } from './grid.ts';
import { runInChild } from './point-child.ts';
import { axesOfMap, mapOf, type SweepMap } from './map.ts';
import { renderMap } from './map-page.ts';
import { jobsFor, runPool, type Machine } from './pool.ts';
import {
  finishedPoint,
  folderOfPoint,
  folderOfRun,
  openSweep,
  TABLES,
  type SweepDefinition,
} from './sweep-folder.ts';
import {
  costsCsv,
  groupsCsv,
  rowsCsv,
  tableOf,
  type PointError,
  type PointResult,
  type SweepTable,
} from './table.ts';

export type SweepEvent =
  | {
      readonly type: 'sweep';
      readonly folder: string;
      readonly points: number;
      /** Of these, finished before. */
      readonly finished: number;
      /** Runs at once, at most. */
      readonly jobs: number;
      /** Worker threads of each run. */
      readonly workers: number;
      readonly cores: number;
      /** Bytes of memory that could be used. */
      readonly available: number;
    }
  | { readonly type: 'point'; readonly name: string }
  | {
      readonly type: 'point-round';
      readonly name: string;
      readonly version: number;
      readonly of: number;
    }
  | { readonly type: 'point-finished'; readonly name: string; readonly summary: Summary }
  | { readonly type: 'point-failed'; readonly name: string; readonly error: PointError };

/** Runs one point in its folder; a fake in tests. */
export type RunPoint = (
  init: {
    readonly input: ScenarioInput;
    /** The run is `run` in it. */
    readonly outDir: string;
    readonly module: string | undefined;
    readonly exports: readonly ExportFormat[];
  },
  signal: AbortSignal,
  onRound: (version: number, of: number) => void,
) => Promise<void>;

export interface SweepOptions {
  /** Made if missing. */
  readonly folder: string;
  /** Settings that all points have. */
  readonly base: ScenarioInput;
  /** `seed=1..5`, `strategy=fedavg,fedprox`. */
  readonly over: readonly string[];
  /** URL of a simulation module. */
  readonly module?: string;
  /** Test accuracy to which rounds are counted. */
  readonly target?: number;
  /** Runs at once, at most. Default: one for each core, as memory allows. */
  readonly jobs?: number;
  /** Forms in which the results of each run are written. */
  readonly exports?: readonly ExportFormat[];
  /** Whether the results are drawn over two axes as well; the seed is no axis of a map. */
  readonly map?: boolean;
  readonly signal?: AbortSignal;
  readonly onEvent?: (event: SweepEvent) => void;
  readonly machine?: Machine;
  readonly runPoint?: RunPoint;
}

const THIS_MACHINE: Machine = {
  cores: availableParallelism(),
  available: () => process.availableMemory(),
};

const inChild: RunPoint = ({ input, ...others }, signal, onRound) =>
  runInChild(
    { type: 'run', input, ...others, strategyModules: input.strategyModules ?? [] },
    signal,
    onRound,
  );

/** What says what the sweep is: a network's configuration and the threads do not. */
const definitionOf = ({ base, over, module, target }: SweepOptions): SweepDefinition => {
  const { substrate, workers: _, ...settings } = base;
  const place = typeof substrate === 'string' ? substrate : substrate?.type;
  return {
    format: 'floe/sweep/v1',
    base: { ...settings, ...(place === undefined ? {} : { substrate: place }) },
    over: [...over],
    ...(module === undefined ? {} : { module }),
    ...(target === undefined ? {} : { target }),
  };
};

const writeTables = async (folder: string, table: SweepTable): Promise<void> => {
  const { costs: _, ...results } = table;
  await writeWhole(join(folder, TABLES.rows), rowsCsv(table));
  await writeWhole(join(folder, TABLES.groups), groupsCsv(table));
  await writeWhole(join(folder, TABLES.costs), costsCsv(table));
  await writeWhole(join(folder, TABLES.json), `${JSON.stringify(results, null, 2)}\n`);
};

/**
 * @throws FloeError `usage`; `aborted` where the signal stopped it, with what is finished kept. The
 * error of a single point is in its row.
 */
export const runSweep = async (
  options: SweepOptions,
): Promise<{
  readonly table: SweepTable;
  /** Where it was asked for. */
  readonly map: SweepMap | undefined;
  readonly folder: string;
}> => {
  const { folder, base, machine = THIS_MACHINE, runPoint = inChild } = options;
  const {
    exports = [],
    onEvent = () => undefined,
    signal = new AbortController().signal,
  } = options;
  const axes = options.over.map(parseAxis);
  const names = axes.map(({ name }) => name);
  const points = gridOf(base, axes);
  // Refused before the first run.
  if (options.map === true) axesOfMap(names);
  await openSweep(folder, definitionOf(options));
  const results = new Map<string, PointResult>();
  for (const point of points) {
    const summary = await finishedPoint(folder, point.name);
    const own = folderOfRun(folder, point.name);
    if (summary !== undefined)
      results.set(point.name, { type: 'finished', point, summary, folder: own });
    // A folder without a whole summary is no result, whatever its name.
    else await rm(own, { recursive: true, force: true });
  }
  const waiting = points.filter(({ name }) => !results.has(name));
  const jobs = options.jobs ?? jobsFor(machine, Math.max(1, waiting.length));
  const workers = base.workers ?? Math.max(1, Math.floor(machine.cores / jobs));
  onEvent({
    type: 'sweep',
    folder,
    points: points.length,
    finished: results.size,
    jobs,
    workers,
    cores: machine.cores,
    available: machine.available(),
  });
  const fail = (point: Point, thrown: unknown): void => {
    const { code, message } = toFloeError(thrown);
    const error = { code, message };
    results.set(point.name, { type: 'failed', point, error });
    onEvent({ type: 'point-failed', name: point.name, error });
  };
  const run = async (point: Point): Promise<number | undefined> => {
    const { name, input } = point;
    onEvent({ type: 'point', name });
    try {
      const outDir = folderOfPoint(folder, name);
      await runPoint(
        { input: { ...input, workers }, outDir, module: options.module, exports },
        signal,
        (version, of) => onEvent({ type: 'point-round', name, version, of }),
      );
      const summary = await finishedPoint(folder, name);
      if (summary === undefined) throw new FloeError('internal', `${name} left no summary`);
      results.set(name, { type: 'finished', point, summary, folder: folderOfRun(folder, name) });
      onEvent({ type: 'point-finished', name, summary });
      return summary.peakMemory;
    } catch (thrown) {
      if (!signal.aborted) fail(point, thrown);
      return undefined;
    }
  };
  await runPool({ items: waiting, jobs, machine, run, signal });
  if (signal.aborted && results.size < points.length)
    throw new FloeError(
      'aborted',
      `${results.size} of ${points.length} points are finished; the sweep is in ${folder}`,
      { sweep: folder },
    );
  const inOrder = points.flatMap(({ name }) => results.get(name) ?? []);
  const table = tableOf(names, inOrder, options.target);
  await writeTables(folder, table);
  const map = options.map === true ? mapOf(table) : undefined;
  if (map !== undefined) await writeWhole(join(folder, TABLES.map), renderMap(map));
  return { table, map, folder };
};
