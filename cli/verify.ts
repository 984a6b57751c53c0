/**
 * @module `floe verify`: recomputes a run's rounds from its transcript and its blobs, and names what is wrong.
 */
import { Command } from 'commander';
import { EXIT } from './exit-codes.ts';
import { withReader } from './reader.ts';
import { runCommand, withCommonOptions, type CommonOptions } from './run-command.ts';
import { withFoundNetwork } from './run-network.ts';
import type { SourceOptions } from './source.ts';

type Options = SourceOptions & CommonOptions;

export const verifyCommand = (): Command =>
  withCommonOptions(withReader(withFoundNetwork(new Command('verify'))))
    .argument(
      '<source>',
      "a run's folder (such as runs/latest), a run or model version on Sui, a coordinator's address",
    )
    .description("recompute a run's rounds from the transcript and the blobs")
    .option('--remote', "read blobs from Walrus, not the folder's copies of them")
    .option('--expect-run <hash>', 'the run hash that was agreed on')
    .addHelpText(
      'after',
      `
Level L0 needs no key: signatures, the chain, cohorts, survivor sets, blobs, the ledger where it is there.
Level L1 needs a key that the run admits: every sum and every model is recomputed bit for bit.
Of an object on Sui everything is read from the chain and from Walrus, up to its last publication.

Examples:
  floe verify runs/latest
  floe verify 0x5e... --network net.json --keystore ./me
  floe verify http://host:7700 --keystore ./me

Exit codes: 0 everything holds, 1 something is wrong (the round and the record are named),
others: floe help exit-codes.`,
    )
    .action(async (source: string, options: Options) => {
      await runCommand(options, async ({ output, signal }) => {
        const { toHex } = await import('../protocol/bytes.ts');
        const { hashRunSpec } = await import('../protocol/run-spec.ts');
        const { verifyRun } = await import('../protocol/verify/index.ts');
        const { openSource } = await import('./source.ts');
        const { modelOfVersion } = await import('./published.ts');
        const { showProgress } = await import('./progress.ts');
        await using resources = new AsyncDisposableStack();
        const say = (text: string): void => output.line(text);
        const run = await openSource(source, options, { say, signal, resources });
        const { version } = run;
        const hash = toHex(hashRunSpec(run.spec));
        output.line(
          `run        ${hash}${run.reader === undefined ? '; no key: level L0 only' : `; reading as ${run.reader}`}`,
        );
        output.line(`ledger     ${run.ledger?.kind ?? 'not available: freezes are not compared'}`);
        if (version !== undefined) {
          modelOfVersion(run, version);
          output.line(`version    ${version.id}, the model after round ${version.round}`);
        }
        const progress = showProgress(output, 'rounds');
        resources.defer(() => progress.stop());
        const result = await verifyRun({
          spec: run.spec,
          transcript: run.transcript,
          store: run.store,
          signal,
          onProgress: (done, total) => progress.update(done, total),
          ...(run.gate === undefined ? {} : { gate: run.gate }),
          ...(run.ledger === undefined ? {} : { ledger: run.ledger }),
          ...(run.published === undefined ? {} : { published: run.published }),
        });
        progress.stop();
        const ledger = run.ledger?.kind ?? null;
        output.document({
          run: hash,
          source,
          ledger,
          reader: run.reader ?? null,
          ...(version === undefined ? {} : { version: version.id, round: version.round }),
          ...result,
        });
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
