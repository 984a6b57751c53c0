/**
 * @module `floe verify`: recomputes a run's rounds from its transcript and its blobs, and names what is wrong.
 */
import { Command } from 'commander';
import { EXIT } from './exit-codes.ts';
import { runCommand, withCommonOptions } from './run-command.ts';

interface Options {
  readonly keyFile?: string;
  readonly keystore?: string;
  readonly passphraseFile?: string;
  readonly expectRun?: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly debug?: boolean;
}

export const verifyCommand = (): Command =>
  withCommonOptions(new Command('verify'))
    .argument('<source>', "a run's folder (such as runs/latest) or a coordinator's address")
    .description("recompute a run's rounds from the transcript and the blobs")
    .option('--key-file <path>', "file with an auditor's seed in hex (default: the folder's own)")
    .option('--keystore <folder>', 'open the models with the key of this keystore')
    .option('--passphrase-file <path>', 'passphrase of the keystore (or FLOE_PASSPHRASE)')
    .option('--expect-run <hash>', 'the run hash that was agreed on')
    .addHelpText(
      'after',
      `
Level L0 needs no key: signatures, the chain, cohorts, survivor sets, blobs, the ledger where it is there.
Level L1 needs a key that the run admits: every sum and every model is recomputed bit for bit.

Examples:
  floe verify runs/latest
  floe verify http://host:7700 --keystore ./me

Exit codes: 0 everything holds, 1 something is wrong (the round and the record are named),
others: floe help exit-codes.`,
    )
    .action(async (source: string, options: Options) => {
      await runCommand(options, async ({ output, signal }) => {
        const { openSource } = await import('./source.ts');
        const { verifyRun } = await import('../protocol/verify/index.ts');
        await using run = await openSource(source, options, signal);
        output.line(
          `run        ${run.hash}${run.reader === undefined ? '; no key: level L0 only' : `; reading as ${run.reader}`}`,
        );
        output.line(`ledger     ${run.ledger?.kind ?? 'not available: freezes are not compared'}`);
        const result = await verifyRun({
          spec: run.spec,
          transcript: run.transcript,
          store: run.store,
          signal,
          ...(run.gate === undefined ? {} : { gate: run.gate }),
          ...(run.ledger === undefined ? {} : { ledger: run.ledger }),
        });
        output.document({ run: run.hash, source, ...result });
        const count = (outcome: string): number =>
          result.rounds.filter((round) => round.outcome === outcome).length;
        output.line(
          `rounds     ${count('committed')} committed, ${count('aborted')} given up, ${count('open') + count('pending')} unfinished`,
        );
        if (result.culprit === undefined) {
          output.say(
            `${output.style('green', 'everything holds')}, level ${result.level}; model ${result.modelHash ?? 'none'}`,
          );
          return EXIT.ok;
        }
        const { round, record, entry, author, reason } = result.culprit;
        output.say(
          `${output.style('red', 'something is wrong')}: round ${round}, ${record} record (entry ${entry})${author === undefined ? '' : `, signed by ${author}`}: ${reason}`,
        );
        return EXIT.failed;
      });
    });
