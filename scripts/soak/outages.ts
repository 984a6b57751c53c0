/**
 * @module `soak outages` and `soak epochs`: each trial is a separate run, compared with an
 * undisturbed one, see verdict.ts.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DEFAULT_EPOCHS } from '../../protocol/net/config.ts';
import type { Devnet } from 'floe-devnet';
import { writeTable } from '../../test/support/table.ts';
import { networkOf, startNetwork, switchFault, type FaultName } from './network.ts';
import { play, type PhaseName, type Played } from './run.ts';
import { verdictLines, verdictOf } from './verdict.ts';

const say = (line: string): void => void process.stdout.write(`${line}\n`);
const LONGEST_LINE = 400;
/** Enough that one example is no point of accuracy. */
const ROWS = 600;

interface Trial {
  readonly name: string;
  readonly phase: PhaseName;
  readonly fault?: FaultName;
  /** Done as the phase begins. */
  readonly disturb: (devnet: Devnet) => void;
  /** Seconds that the disturbance lasts. */
  readonly lasts: number;
}

/** Codes that name an outage; what names anything else blames a wrong party. */
const CAUSES: Readonly<Record<FaultName | 'epochs', ReadonlySet<string>>> = {
  keys: new Set(['gate_unavailable']),
  nodes: new Set(['store_unavailable']),
  rpc: new Set(['ledger_unavailable']),
  relay: new Set(['store_unavailable']),
  epochs: new Set(['blob_expired', 'store_unavailable']),
};

/** Prints the result of a trial. @returns whether it passed */
const report = (trial: Trial, played: Played, undisturbed: Played): boolean => {
  const { attempts, printed } = played;
  say(`\n== ${trial.name}`);
  for (const line of printed) say(`   ${line.slice(0, LONGEST_LINE)}`);
  const verdict = verdictOf(played, undisturbed, CAUSES[trial.fault ?? 'epochs']);
  const [first, ...more] = verdictLines(verdict);
  say(`-- ${trial.name}: ${first}${attempts === undefined ? '' : `, ${attempts} attempts`}`);
  for (const line of more) say(`--   ${line}`);
  return verdict.type !== 'failed';
};

const runTrials = async (trials: readonly Trial[], giveUp: number): Promise<number> => {
  const folder = await mkdtemp(join(tmpdir(), 'floe-soak-'));
  const table = await writeTable(join(folder, 'table.csv'), {
    rows: ROWS,
    features: 4,
    classes: 2,
  });
  let failed = 0;
  try {
    const playOn = async (
      devnet: Devnet,
      options: Pick<Parameters<typeof play>[0], 'name' | 'seconds'> & { readonly trial?: Trial },
    ): Promise<Played> => {
      const { name, seconds, trial } = options;
      const network = networkOf(devnet, trial?.fault);
      const about =
        trial === undefined
          ? {}
          : { phase: trial.phase, onPhase: (): void => trial.disturb(devnet) };
      return play({ folder, table, network, name, seconds, ...about });
    };
    const quiet = await startNetwork();
    const undisturbed = await playOn(quiet, { name: 'undisturbed', seconds: giveUp });
    await quiet.stop();
    say(
      `undisturbed: model ${undisturbed.model ?? 'NONE'}, ${undisturbed.attempts ?? 'no'} attempts`,
    );
    for (const [at, trial] of trials.entries()) {
      // Each trial has a separate network, because earlier trials must not affect it; trials run in
      // sequence.
      const devnet = await startNetwork();
      try {
        const name = `trial-${at}`;
        const played = await playOn(devnet, { name, seconds: giveUp + trial.lasts, trial });
        failed += Number(!report(trial, played, undisturbed));
      } finally {
        await devnet.stop();
      }
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  say(
    `\n${trials.length - failed} of ${trials.length} trials held: nobody accused, nobody left, every cause named`,
  );
  return failed === 0 ? 0 : 1;
};

export interface EpochOptions {
  readonly phases: readonly PhaseName[];
  /** Seconds until a run counts as stuck. */
  readonly giveUp: number;
}

export interface OutageOptions extends EpochOptions {
  readonly seconds: number;
  readonly faults: readonly FaultName[];
}

/** @returns the exit code */
export const outages = (options: OutageOptions): Promise<number> => {
  const { seconds, faults, phases, giveUp } = options;
  const trials = faults.flatMap((fault) =>
    phases.map((phase): Trial => ({
      name: `${fault} away for ${seconds} s in ${phase}`,
      phase,
      fault,
      lasts: seconds,
      disturb: (devnet) => {
        switchFault(devnet, fault, true);
        setTimeout(() => switchFault(devnet, fault, false), seconds * 1_000);
      },
    })),
  );
  return runTrials(trials, giveUp);
};

/** @returns the exit code */
export const epochs = (options: EpochOptions): Promise<number> =>
  runTrials(
    options.phases.map((phase): Trial => ({
      name: `all paid epochs end in ${phase}`,
      phase,
      lasts: 0,
      disturb: ({ faults }) => {
        for (let i = 0; i <= DEFAULT_EPOCHS; i += 1) faults.advanceEpoch();
      },
    })),
    options.giveUp,
  );
