/**
 * @module `floe status`: the state of a run, asked of its coordinator.
 */
import { command } from './command.ts';
import { EXIT } from './exit-codes.ts';
import { trustSource } from './source.ts';
import { TRUST } from './trust-flags.ts';

export const statusCommand = () =>
  command({
    name: 'status',
    about: 'show the state of a run: phase, participants, last commits, alarms',
    args: { '<coordinator>': 'address of the coordinator, such as ws://host:7700' },
    flags: TRUST,
    notes: `Reads /health of the coordinator, which needs no key and changes nothing. Alarms are diagnostic: see
"The anomaly report" in docs/security.md. Behind a proxy that closes /health the command fails.`,
    examples: ['floe status ws://localhost:7700', 'floe status wss://floe.example.org --json'],
    exit: 'Exit codes: 0 the coordinator runs, 1 it has stopped or failed, 2 something else answered,\n3 nothing did.',
    run: async (context) => {
      const { args, output, signal } = context;
      const [address = ''] = args;
      await trustSource(address, context);
      const { readStatus } = await import('../client/connect/status.ts');
      const { describeStatus } = await import('./describe-status.ts');
      const status = await readStatus(address, signal);
      output.document(status);
      output.print(describeStatus(status));
      return status.running && status.failure === undefined ? EXIT.ok : EXIT.failed;
    },
  });
