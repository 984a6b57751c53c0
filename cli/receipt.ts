/**
 * @module `floe receipt`: the receipts of who took part in a run, shown or issued. The chain knows
 * the survivors of a round, so whoever wants a receipt to be there pays for it.
 */
import { Command } from 'commander';
import { MAX_ROUND } from '../protocol/spec/run-spec.ts';
import { FloeError } from '../protocol/errors.ts';

import { tellChange } from './change.ts';
import { wholeNumber } from './flags.ts';
import {
  address,
  findKey,
  openRegistry,
  openSender,
  withSender,
  withNetwork,
  type SenderFlags,
} from './network.ts';
import { runCommand, withCommonOptions, type CommonOptions } from './run-command.ts';

interface Options extends SenderFlags, CommonOptions {
  readonly round?: number;
  readonly for?: string;
}

export const receiptCommand = (): Command =>
  withCommonOptions(withSender(withNetwork(new Command('receipt'))))
    .argument('<run>', "the run's object id", address('run'))
    .description('receipts of contribution: list them, or issue one')
    .option(
      '--round <n>',
      'issue the receipt of this round (default: list those that are there)',
      wholeNumber('--round', 1, MAX_ROUND),
    )
    .option('--for <0x...>', 'whose receipts (default: your own)', address('--for'))
    .addHelpText(
      'after',
      `
A receipt is an object that cannot be given away. It says that its owner's update is one of those
that a round's model was made of. Whoever runs the command pays; the receipt goes to the participant.

Examples:
  floe receipt 0x5e... --for 0xb0... --network net.json
  floe receipt 0x5e... --round 3 --for 0xb0... --network net.json --keystore-file sui.keystore

Exit codes: 0 done, 1 the chain refused, 2 no such run, or no survivor of the round.`,
    )
    .action(async (run: string, options: Options) => {
      await runCommand(options, async ({ output }) => {
        const { issueReceipt, receiptsOf } = await import('../protocol/net/sui/receipts.ts');
        const registry = await openRegistry(options);
        const who = options.for ?? (await findKey(options))?.address;
        if (who === undefined) throw new FloeError('usage', 'expected --for <0x...>, or a key');
        const { round } = options;
        if (round === undefined) {
          const receipts = await receiptsOf(registry, who, run);
          output.document({ run, member: who, receipts });
          for (const { id, round: of } of receipts) output.say(`round ${of}: receipt ${id}`);
          if (receipts.length === 0) output.say(`no receipts of ${who}`);
          return;
        }
        const sender = await openSender(options, registry.client, output);
        const issued = await issueReceipt(registry, sender, run, round, who);
        const facts = { run, round, member: who, receipt: issued.id };
        const words = `receipt ${issued.id} of ${who} for round ${round}`;
        tellChange({ facts, words, executed: 'digest' in issued ? issued : undefined }, output);
      });
    });
