/**
 * @module One run of the trials in real processes: a coordinator and its participants, the moment
 * of the disturbance, and their output from then on.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { NetworkConfig } from '../../protocol/net/config.ts';
import type { Shown } from './verdict.ts';
import type { ATTEMPT_PHASES } from '../../coordinator/machine/phases.ts';
import { FloeProcess, freePort, LOWERED, phaseOf } from '../../test/e2e/processes.ts';

export type PhaseName = (typeof ATTEMPT_PHASES)[number];

export const ROUNDS = 3;
const PARTICIPANTS = 3;
/**
 * The round in which something happens: the first has nothing to lose, the last is to show that the
 * run continues.
 */
const ROUND = 2;

export interface Played extends Shown {
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

/**
 * Lines of a process; those of its log, which are JSON, are of no use to a reader unless they warn.
 */
const speaks = (line: string): boolean => !line.startsWith('{') || /"level":(40|50)/u.test(line);

const listen = (
  process: FloeProcess,
  who: string,
  isOn: () => boolean,
  { printed, lines }: { readonly printed: string[]; readonly lines: string[] },
): void => {
  // Matches nothing: it only listens, until the process ends.
  process
    .line((line) => {
      if (line.trim() === '' || !speaks(line)) return false;
      lines.push(`${who}: ${line}`);
      if (isOn()) printed.push(`${who}: ${line}`);
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
  const texts = { printed: [] as string[], lines: [] as string[] };
  const left: string[] = [];
  let isOn = false;
  const processes = [server];
  try {
    listen(server, 'coordinator', () => isOn, texts);
    if (phase !== undefined) {
      const begins = (line: string): boolean => {
        const found = phaseOf(line);
        return found?.phase === phase && found.attempt === ROUND;
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
    let isOver = false;
    const last = server.line((line) => line.startsWith(`round ${ROUNDS}/`));
    // A run that does not get so far is reported by its end.
    const end = async (): Promise<void> => {
      await last;
      isOver = true;
    };
    end().catch(() => undefined);
    await server.line((line) => line.startsWith('listening'));
    for (let i = 0; i < PARTICIPANTS; i += 1) {
      const participant = new FloeProcess(
        `join ws://127.0.0.1:${port} --shard ${i + 1}/${PARTICIPANTS} --seed p${i} --backend cpu`,
        [...LOWERED, '--network', file, '--data', table],
      );
      const who = `participant ${i + 1}`;
      listen(participant, who, () => isOn, texts);
      const watch = async (): Promise<void> => {
        await participant.exited;
        if (!isOver) left.push(who);
      };
      void watch();
      processes.push(participant);
    }
    const line = await Promise.race([
      server.line((text) => text.startsWith('finished after')),
      new Promise<undefined>((resolve) => {
        setTimeout(() => resolve(undefined), seconds * 1_000).unref();
      }),
    ]);
    // From here on they are stopped.
    isOver = true;
    const accuracy = /accuracy (?<accuracy>[\d.]+) %/u.exec(line === undefined ? '' : await last);
    return {
      model: /model (?<hash>[0-9a-f]{64})/u.exec(line ?? '')?.groups?.['hash'],
      attempts: /\((?<attempts>\d+) attempts\)/u.exec(line ?? '')?.groups?.['attempts'],
      accuracy: accuracy?.groups === undefined ? undefined : Number(accuracy.groups['accuracy']),
      left,
      ...texts,
    };
  } finally {
    await Promise.all(processes.map((process) => process.kill()));
  }
};
