/**
 * @module One run of the trials in real processes: a coordinator and its participants, the moment at which something is done to
 * them, and what they printed from then on.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { NetworkConfig } from '../../protocol/net/config.ts';
import { FloeProcess, freePort, LOWERED, phaseOf } from '../../test/e2e/processes.ts';

export const PHASES = [
  'opening',
  'register',
  'freezing-cohort',
  'share',
  'upload',
  'freezing-survivors',
  'consistency',
  'unmask',
  'finishing',
  'registering',
] as const;
export type PhaseName = (typeof PHASES)[number];

export const ROUNDS = 3;
const PARTICIPANTS = 3;
/** The round in which something happens: the first has nothing to lose, the last is to show that the run goes on. */
const ROUND = 2;

export interface Played {
  /** Hash of the last model; undefined when the run did not end in time. */
  readonly model: string | undefined;
  readonly attempts: string | undefined;
  /** Who printed what, from the phase on until the round was over. */
  readonly printed: readonly string[];
}

export interface Play {
  readonly folder: string;
  readonly name: string;
  readonly network: NetworkConfig;
  /** CSV file that participants share out among themselves. */
  readonly table: string;
  readonly phase?: PhaseName;
  /** Done as the phase begins. */
  readonly onPhase?: () => void;
  /** Seconds for the run as a whole. */
  readonly seconds: number;
}

/** Lines of a process; those of its log, which are JSON, are of no use to a reader unless they warn. */
const speaks = (line: string): boolean => !line.startsWith('{') || /"level":(40|50)/u.test(line);

const listen = (
  process: FloeProcess,
  who: string,
  isOn: () => boolean,
  printed: string[],
): void => {
  // Matches nothing: it only listens, until the process ends.
  process
    .line((line) => {
      if (isOn() && line.trim() !== '' && speaks(line)) printed.push(`${who}: ${line}`);
      return false;
    })
    .catch(() => undefined);
};

/** Plays a run to its end, or for as long as it may take. */
export const play = async (init: Play): Promise<Played> => {
  const { folder, name, network, table, phase, onPhase, seconds } = init;
  const port = await freePort();
  const file = join(folder, `${name}.json`);
  await writeFile(file, JSON.stringify(network));
  const server = new FloeProcess(
    `coordinator --verbose --port ${port} --seed soak --rounds ${ROUNDS} --cohort ${PARTICIPANTS} --minimum 3` +
      ' --model linear --inputs 4 --classes 2 --ring ring32 --bits 16 --network',
    [file, '--state', join(folder, name)],
  );
  const printed: string[] = [];
  let isOn = false;
  const processes = [server];
  try {
    listen(server, 'coordinator', () => isOn, printed);
    if (phase !== undefined) {
      const begins = (line: string): boolean => {
        const found = phaseOf(line);
        return found?.phase === phase && found.round === ROUND;
      };
      const watch = async (): Promise<void> => {
        await server.line(begins);
        isOn = true;
        onPhase?.();
        await server.line((line) => line.startsWith(`round ${ROUND}/`));
        isOn = false;
      };
      // A run that does not get so far is reported by its end.
      watch().catch(() => undefined);
    }
    await server.line((line) => line.startsWith('listening'));
    for (let i = 0; i < PARTICIPANTS; i += 1) {
      const participant = new FloeProcess(
        `join ws://127.0.0.1:${port} --shard ${i + 1}/${PARTICIPANTS} --seed p${i} --backend cpu`,
        [...LOWERED, '--network', file, '--data', table],
      );
      listen(participant, `participant ${i + 1}`, () => isOn, printed);
      processes.push(participant);
    }
    const line = await Promise.race([
      server.line((text) => text.startsWith('finished after')),
      new Promise<undefined>((resolve) => {
        setTimeout(() => resolve(undefined), seconds * 1_000).unref();
      }),
    ]);
    return {
      model: /model (?<hash>[0-9a-f]{64})/u.exec(line ?? '')?.groups?.['hash'],
      attempts: /\((?<attempts>\d+) attempts\)/u.exec(line ?? '')?.groups?.['attempts'],
      printed,
    };
  } finally {
    await Promise.all(processes.map((process) => process.kill()));
  }
};
