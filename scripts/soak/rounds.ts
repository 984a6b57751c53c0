/**
 * @module `soak rounds`: many rounds of a tiny model, stored in the state folder. Measures memory
 * of the coordinator, its journal, its files, and the processor time of a restart. Memory is heap
 * and buffers after a garbage collection, because resident memory depends mostly on the allocator.
 */
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RUN_FILES } from '../../protocol/records/run-files.ts';
import { FloeProcess, freePort, LOWERED } from '../../test/e2e/processes.ts';
import { writeTable } from '../../test/support/table.ts';

const say = (line: string): void => void process.stdout.write(`${line}\n`);
const MIB = 1 << 20;

/** Resident memory in MiB; NaN where the system does not say. */
const memoryOf = async (pid: number | undefined): Promise<number> => {
  const text = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return Number(/VmRSS:\s+(?<kib>\d+)/u.exec(text)?.groups?.['kib']) / 1024;
};

const HEAP = new URL('heap.ts', import.meta.url).href;
const MEASURED = { NODE_OPTIONS: `--expose-gc --import ${HEAP}` };

/** Memory of the process after a garbage collection, MiB: see heap.ts. */
const keptBy = async (
  server: FloeProcess,
): Promise<{ readonly heap: number; readonly buffers: number }> => {
  if (server.pid !== undefined) process.kill(server.pid, 'SIGUSR2');
  const line = await server.line((each) => each.startsWith('heap '));
  const { heapUsed, external } = JSON.parse(line.slice('heap '.length)) as Record<string, number>;
  return { heap: (heapUsed ?? 0) / MIB, buffers: (external ?? 0) / MIB };
};

/** Clock ticks of Linux in a second, as `/proc` counts processor time. */
const TICKS = 100;

/** Processor time so far, user and system, ms; NaN where the system does not say. */
const processorTime = async (pid: number | undefined): Promise<number> => {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  // After the name, which may hold spaces: the 12th and 13th field are utime and stime.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return ((Number(fields[11]) + Number(fields[12])) / TICKS) * 1000;
};

const sizesIn = async (
  folder: string,
): Promise<{ readonly files: number; readonly bytes: number; readonly journal: number }> => {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  let bytes = 0;
  let journal = 0;
  for (const { parentPath, name } of files) {
    // A file of the moment may be gone.
    const { size } = await stat(join(parentPath, name)).catch(() => ({ size: 0 }));
    bytes += size;
    if (name.startsWith(RUN_FILES.journal)) journal += size;
  }
  return { files: files.length, bytes, journal };
};

export interface RoundOptions {
  readonly rounds: number;
  readonly participants: number;
  /** Rounds at which is measured. */
  readonly at: readonly number[];
}

export const rounds = async (options: RoundOptions): Promise<void> => {
  const { participants } = options;
  const folder = await mkdtemp(join(tmpdir(), 'floe-soak-'));
  const table = await writeTable(join(folder, 'table.csv'), { rows: 60, features: 4, classes: 2 });
  const port = await freePort();
  const state = join(folder, 'state');
  const start = (): FloeProcess =>
    new FloeProcess(
      `coordinator --local --port ${port} --seed soak --rounds ${options.rounds} --cohort ${participants} --minimum 3` +
        ' --model linear --inputs 4 --classes 2 --state',
      [state],
      MEASURED,
    );
  let server = start();
  const processes = [server];
  try {
    await server.line((line) => line.startsWith('listening'));
    for (let i = 0; i < participants; i += 1)
      processes.push(
        new FloeProcess(
          `join ws://127.0.0.1:${port} --shard ${i + 1}/${participants} --seed p${i} --backend cpu`,
          [...LOWERED, '--data', table],
        ),
      );
    say(
      '   round   RSS MiB   heap MiB   buffers MiB   journal bytes   bytes a round     files' +
        '   folder bytes   restart CPU ms',
    );
    for (const round of options.at.filter((one) => one <= options.rounds)) {
      // One measurement after the other.
      await server.line((line) => line.startsWith(`round ${round}/`));
      const memory = await memoryOf(server.pid);
      const { heap, buffers } = await keptBy(server);
      const { files, bytes, journal } = await sizesIn(state);
      let restart = Number.NaN;
      if (round < options.rounds) {
        await server.kill();
        server = start();
        processes.push(server);
        await server.line((line) => line.startsWith('listening'));
        restart = await processorTime(server.pid);
      }
      const cells = [
        [round, 8],
        [memory.toFixed(0), 10],
        [heap.toFixed(1), 11],
        [buffers.toFixed(1), 14],
        [journal, 16],
        [Math.round(journal / round), 16],
        [files, 10],
        [`${(bytes / MIB).toFixed(1)} MiB`, 15],
        [Number.isNaN(restart) ? 'over' : restart.toFixed(0), 17],
      ] as const;
      say(cells.map(([value, width]) => String(value).padStart(width)).join(''));
    }
    say(await server.line((line) => line.startsWith('finished after')));
  } finally {
    await Promise.all(processes.map((process) => process.kill()));
    await rm(folder, { recursive: true, force: true });
  }
};
