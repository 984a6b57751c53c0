#!/usr/bin/env node
/**
 * @module Long trials of whole runs in real processes, too long for the test suite: outages of
 * minutes in every phase, the end of every paid epoch, thousands of rounds. `npm run soak --
 * --help`.
 */
import { Command, InvalidArgumentError } from 'commander';
import { FAULTS, type FaultName } from './soak/network.ts';
import type { EpochOptions, OutageOptions } from './soak/outages.ts';
import type { RoundOptions } from './soak/rounds.ts';
import { ATTEMPT_PHASES } from '../coordinator/machine/phases.ts';
import type { PhaseName } from './soak/run.ts';

const positive = (text: string): number => {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1)
    throw new InvalidArgumentError(`expected a whole number above 0, got ${text}`);
  return value;
};

/** `a,b` out of what there is. */
const some =
  <Name extends string>(known: readonly Name[]) =>
  (text: string): readonly Name[] =>
    text.split(',').map((name) => {
      const found = known.find((one) => one === name);
      if (found === undefined)
        throw new InvalidArgumentError(`expected one of ${known.join(', ')}, got ${name}`);
      return found;
    });

const numbers = (text: string): readonly number[] => text.split(',').map(positive);

const program = new Command('soak').description(
  'long trials of whole runs: a coordinator and participants in processes of their own',
);

program
  .command('outages')
  .description('takes a part of the network away, once in each phase, and compares the models')
  .option('--seconds <n>', 'how long each outage lasts', positive, 180)
  .option('--faults <names>', `of ${FAULTS.join(', ')}`, some<FaultName>(FAULTS), FAULTS)
  .option(
    '--phases <names>',
    `of ${ATTEMPT_PHASES.join(', ')}`,
    some<PhaseName>(ATTEMPT_PHASES),
    ATTEMPT_PHASES,
  )
  .option('--give-up <n>', 'seconds after an outage until a run counts as stuck', positive, 600)
  .addHelpText(
    'after',
    `
keys: 2 of 3 key servers; nodes: 5 of 13 storage nodes, and no relay or aggregator in the network file; rpc: Sui's
RPC; relay: the upload relay. Each outage is a run of its own, of three rounds and three participants, on a devnet in this
process; it begins with the phase in the second round. Printed are the lines of coordinator and participants from then until the
round ends, and a verdict. A trial holds when nobody is accused, no participant leaves, and the run ends with the model of a run
without outage; or with another one, because attempts were aborted under the name of the outage, at the same accuracy; or
waits and says why.

Exit code: 0 when every trial held, 1 otherwise. All of it takes about three hours; to try it:
  npm run soak -- outages --seconds 2 --faults keys --phases upload`,
  )
  .action(async (options: OutageOptions) => {
    const { outages } = await import('./soak/outages.ts');
    process.exitCode = await outages(options);
  });

program
  .command('epochs')
  .description('ends every epoch that was paid for, once in each phase, and compares the models')
  .option(
    '--phases <names>',
    `of ${ATTEMPT_PHASES.join(', ')}`,
    some<PhaseName>(ATTEMPT_PHASES),
    ATTEMPT_PHASES,
  )
  .option('--give-up <n>', 'seconds until a run counts as stuck', positive, 600)
  .addHelpText(
    'after',
    `
Exit code: 0 when every trial held, see outages, 1 otherwise. To try it:
  npm run soak -- epochs --phases share`,
  )
  .action(async (options: EpochOptions) => {
    const { epochs } = await import('./soak/outages.ts');
    process.exitCode = await epochs(options);
  });

program
  .command('rounds')
  .description('many rounds of a tiny model without a network: what grows')
  .option('--rounds <n>', 'rounds', positive, 2_000)
  .option('--participants <n>', 'participants, all in every cohort', positive, 5)
  .option('--at <list>', 'rounds at which is measured', numbers, [100, 1_000, 2_000])
  .addHelpText(
    'after',
    `
At each of these rounds: memory of the coordinator (resident, and its heap and buffers after a
garbage collection), bytes of its journal, files in its state folder. It is then killed (SIGKILL) and
started again: the processor time until it listens. To try it:
  npm run soak -- rounds --rounds 6 --at 3,6`,
  )
  .action(async (options: RoundOptions) => {
    const { rounds } = await import('./soak/rounds.ts');
    await rounds(options);
  });

await program.parseAsync();
