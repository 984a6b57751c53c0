/**
 * @module `floe verify`: recomputes a run's rounds from its transcript and its blobs, and names
 * what is wrong.
 */
import { withStrategyModules } from './strategy-flags.ts';
import { Command } from 'commander';
import type { FolderReport, RunVerification } from '../client/reader/index.ts';
import { EXIT } from './exit-codes.ts';
import type { Output } from './output.ts';
import { openRunOptions, withSource, type SourceFlags } from './reader.ts';
import { runCommand, withCommonOptions, type CommonOptions } from './run-command.ts';

type Options = SourceFlags & CommonOptions;

/** Folders with many files of one kind take one line. */
const MANY = 8;

const listFiles = ({ vouched, wrong, unverified }: FolderReport, output: Output): void => {
  output.line(`files      ${vouched.length} are what was signed`);
  const groups = Map.groupBy(unverified, ({ path }) => path.split('/', 1)[0] as string);
  for (const [folder, findings] of groups)
    if (findings.length > MANY)
      output.line(
        `unverified ${folder}/: ${findings.length} files, such as ${findings[0]?.path}: ${findings[0]?.reason}`,
      );
    else for (const { path, reason } of findings) output.line(`unverified ${path}: ${reason}`);
  for (const { path, reason } of wrong)
    output.say(`${output.style('red', 'something is wrong')}: ${path}: ${reason}`);
};

export const verifyCommand = (): Command =>
  withStrategyModules(
    withCommonOptions(
      withSource(new Command('verify'), "read blobs from Walrus, not the folder's copies of them"),
    ),
  )
    .argument(
      '<source>',
      "a run's folder (such as runs/latest), a run or model version on Sui, a coordinator's address",
    )
    .description("recompute a run's rounds from the transcript and the blobs")
    .addHelpText(
      'after',
      `
Level L0 needs no key: signatures, the chain, cohorts, survivor sets, blobs, the ledger where it is there.
A beacon that the ledger drew is checked with that ledger only; without its network that is said.
Level L1 needs a key that the run admits: every sum and every model is recomputed bit for bit.
Of a folder every file is compared with what was signed; those that nothing signed speaks of are listed.
Of an object on Sui everything is read from the chain and from Walrus, up to its last publication.

Examples:
  floe verify runs/latest
  floe verify 0x5e... --network net.json --keystore ./me
  floe verify http://host:7700 --keystore ./me

Exit codes: 0 everything holds, 1 something is wrong (round and record, or the file, are named),
others: floe help exit-codes.`,
    )
    .action(async (source: string, options: Options) => {
      await runCommand(options, async (context) => {
        const { openRun } = await import('../client/reader/index.ts');
        const { toHex } = await import('../protocol/bytes.ts');
        const { showProgress } = await import('./progress.ts');
        const { output, signal } = context;
        await using run = await openRun(source, await openRunOptions(source, options, context));
        const { reader = null, ledger = null, version } = run;
        const hash = toHex(run.id);
        output.line(
          `run        ${hash}${reader === null ? '; no key, so level L0 only (--keystore or --key-file gives one)' : `; reading as ${reader}`}`,
        );
        output.line(`ledger     ${ledger ?? 'not available: freezes are not compared'}`);
        if (version !== undefined)
          output.line(`version    ${version.id}, the model after round ${version.round}`);
        const progress = showProgress(output, 'rounds');
        const result = await run
          .verify({ signal, onProgress: (done, total) => progress.update(done, total) })
          .finally(() => progress.stop());
        output.document({
          run: hash,
          source,
          ledger,
          reader,
          ...(version === undefined ? {} : { version: version.id, round: version.round }),
          ...result,
        });
        show(result, output);
        return result.ok ? EXIT.ok : EXIT.failed;
      });
    });

const show = (result: RunVerification, output: Output): void => {
  const { rounds, beaconUnchecked, culprit, files } = result;
  const count = (outcome: string): number =>
    rounds.filter((round) => round.outcome === outcome).length;
  output.line(
    `rounds     ${count('committed')} committed, ${count('aborted')} aborted, ${count('open') + count('pending')} unfinished`,
  );
  for (const { round, culprits } of rounds)
    if (culprits !== undefined)
      output.line(`excluded   with proof, after round ${round}: ${culprits.join(', ')}`);
  const removed = rounds.filter((round) => round.removed === true);
  if (removed.length > 0)
    output.line(
      `removed    the blobs of rounds ${removed.map(({ round }) => round).join(', ')}, as the run's specification allows: their records hold, their sums and models cannot be recomputed`,
    );
  if (beaconUnchecked.length > 0)
    output.line(
      `beacon     not checked in ${beaconUnchecked.length} of ${rounds.length} attempts: a ledger drew it, and only that ledger can tell; give its network (--network)`,
    );
  if (files !== undefined) listFiles(files, output);
  if (culprit !== undefined) {
    const { round, record, entry, author, reason } = culprit;
    output.say(
      `${output.style('red', 'something is wrong')}: round ${round}, ${record} record (entry ${entry})${author === undefined ? '' : `, signed by ${author}`}: ${reason}`,
    );
  } else if (result.ok)
    output.say(
      `${output.style('green', beaconUnchecked.length > 0 ? 'what was checked holds' : 'everything holds')}, level ${result.level}; model ${result.modelHash ?? 'none'}`,
    );
};
