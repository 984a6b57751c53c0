/**
 * @module The process of one point of a sweep: runs or resumes its scenario and ends. It ends with
 * the sweep's process too, however that ends.
 */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { loadStrategies } from '../../protocol/algorithm/load-module.ts';
import { FloeError, toFloeError, type ErrorCode } from '../../protocol/errors.ts';
import { isThere } from '../../protocol/ports/files.ts';
import { PARTIAL } from '../../protocol/ports/run-folder.ts';
import { RUN_FILES } from '../../protocol/records/run-files.ts';
import { runScenario, type RunOptions } from '../run.ts';
import { settingsOfModule } from '../module-settings.ts';
import { makeScenario } from '../scenario.ts';
import { RUN_NAME, type FromPoint, type ToPoint } from './point-messages.ts';

const abort = new AbortController();

const tell = (message: FromPoint): void => {
  process.send?.(message);
};

/** An interrupted run that cannot be resumed begins anew. */
const NOT_RESUMABLE: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'data_malformed',
  'file_not_found',
  'journal_corrupt',
  'run_outdated',
  'spec_mismatch',
  // With a buffer, for example.
  'usage',
]);

const run = async (message: Extract<ToPoint, { readonly type: 'run' }>): Promise<void> => {
  const { input, outDir, module, exports, strategyModules } = message;
  await settingsOfModule(module);
  await Promise.all(strategyModules.map(loadStrategies));
  const scenario = makeScenario(input, (name) => name);
  const options: RunOptions = {
    outDir,
    folderName: RUN_NAME,
    ...(module === undefined ? {} : { module }),
    exports,
    signal: abort.signal,
    onEvent: (event) => {
      if (event.type === 'round')
        tell({ type: 'round', version: event.round.version, of: event.of });
    },
  };
  const partial = join(outDir, `${RUN_NAME}${PARTIAL}`);
  const clear = () => rm(partial, { recursive: true, force: true });
  const begun = await isThere(join(partial, RUN_FILES.scenario));
  if (!begun || scenario.substrate.type === 'network') {
    await clear();
    await runScenario(scenario, options);
    return;
  }
  try {
    await runScenario(scenario, { ...options, resume: partial });
  } catch (thrown) {
    if (!NOT_RESUMABLE.has(toFloeError(thrown).code)) throw thrown;
    await clear();
    await runScenario(scenario, options);
  }
};

const answer = async (message: ToPoint): Promise<void> => {
  if (message.type === 'stop') return abort.abort();
  try {
    await run(message);
    tell({ type: 'done' });
  } catch (thrown) {
    const { code, message: text } = toFloeError(thrown);
    tell({ type: 'failed', code, message: text });
  }
  process.disconnect();
  return undefined;
};

if (process.send === undefined)
  throw new FloeError('usage', 'expected to be started by floe sweep');
// Ctrl-C reaches every process of a terminal; the sweep says when to stop.
process.on('SIGINT', () => undefined);
process.on('message', (message) => void answer(message as ToPoint));
// Threads of a run that was broken off may still be at work.
process.on('disconnect', () => process.exit());
