/**
 * @module `floe verify`: recomputes a run's rounds from its transcript and its blobs, and names what is wrong.
 */
import { withStrategyModules } from './strategy-flags.ts';
import { Command } from 'commander';
import { EXIT } from './exit-codes.ts';
import { withReader } from './reader.ts';
import { runCommand, withCommonOptions, type CommonOptions } from './run-command.ts';
import { withFoundNetwork } from './run-network.ts';
import type { FolderReport } from '../client/reader/examine-folder.ts';
import type { Verification } from '../protocol/verify/index.ts';
import type { Output } from './output.ts';
import type { Source, SourceOptions } from './source.ts';

type Options = SourceOptions & CommonOptions;

/** What of the folder's files follows from what was signed. */
const examineFiles = async (
  { files, spec, transcript }: Source,
  verification: Verification,
  signal: AbortSignal,
): Promise<FolderReport | undefined> => {
  if (files === undefined) return undefined;
  const { examineFolder } = await import('../client/reader/examine-folder.ts');
  const { topologyOfSpec } = await import('../client/reader/topology.ts');
  const topology = () => topologyOfSpec(spec);
  return examineFolder({ files, spec, transcript, verification, topology, signal });
};

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
  withStrategyModules(withCommonOptions(withReader(withFoundNetwork(new Command('verify')))))
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
A beacon that the ledger drew is checked with that ledger only; without its network that is said.
Level L1 needs a key that the run admits: every sum and every model is recomputed bit for bit.
Of a folder every file is held against what was signed; those that nothing signed speaks of are listed.
Of an object on Sui everything is read from the chain and from Walrus, up to its last publication.

Examples:
  floe verify runs/latest
  floe verify 0x5e... --network net.json --keystore ./me
  floe verify http://host:7700 --keystore ./me

Exit codes: 0 everything holds, 1 something is wrong (round and record, or the file, are named),
others: floe help exit-codes.`,
    )
    .action(async (source: string, options: Options) => {
      await runCommand(options, async ({ output, signal }) => {
        const { toHex } = await import('../protocol/bytes.ts');
        const { hashRunSpec } = await import('../protocol/spec/run-spec.ts');
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
          `run        ${hash}${run.reader === undefined ? '; no key, so level L0 only (--keystore or --key-file gives one)' : `; reading as ${run.reader}`}`,
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
        const files = await examineFiles(run, result, signal);
        const ledger = run.ledger?.kind ?? null;
        output.document({
          run: hash,
          source,
          ledger,
          reader: run.reader ?? null,
          ...(version === undefined ? {} : { version: version.id, round: version.round }),
          ...result,
          ...(files === undefined ? {} : { ok: result.ok && files.wrong.length === 0, files }),
        });
        const count = (outcome: string): number =>
          result.rounds.filter((round) => round.outcome === outcome).length;
        output.line(
          `rounds     ${count('committed')} committed, ${count('aborted')} given up, ${count('open') + count('pending')} unfinished`,
        );
        for (const { round, culprits } of result.rounds)
          if (culprits !== undefined)
            output.line(`excluded   with proof, after round ${round}: ${culprits.join(', ')}`);
        const { beaconUnchecked } = result;
        if (beaconUnchecked.length > 0)
          output.line(
            `beacon     not checked in ${beaconUnchecked.length} of ${result.rounds.length} attempts: a ledger drew it, and only that ledger can tell; give its network (--network)`,
          );
        if (files !== undefined) listFiles(files, output);
        if (result.culprit === undefined && files !== undefined && files.wrong.length > 0)
          return EXIT.failed;
        if (result.culprit === undefined) {
          output.say(
            `${output.style('green', beaconUnchecked.length > 0 ? 'what was checked holds' : 'everything holds')}, level ${result.level}; model ${result.modelHash ?? 'none'}`,
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
