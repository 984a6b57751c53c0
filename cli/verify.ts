/**
 * @module `floe verify`: recomputes the rounds of a run from its transcript and its blobs, and
 * names the invalid record.
 */
import { describeLocal } from '../protocol/algorithm/local-tensors.ts';
import { toHex } from '../protocol/bytes.ts';
import { command } from './command.ts';
import { EXIT } from './exit-codes.ts';
import { MODULE_FLAGS } from '../protocol/spec/setting-flags.ts';
import { openRunOptions, SOURCE } from './source.ts';

export const verifyCommand = () =>
  command({
    name: 'verify',
    about: 'recompute the rounds of a run from its transcript and its blobs',
    args: {
      '<source>':
        "a run's folder (such as runs/latest), a run or model version on Sui, a coordinator's address",
    },
    flags: { ...SOURCE, ...MODULE_FLAGS },
    notes: `Level L0 needs no key: it checks signatures, the chain of records, cohorts, survivor sets, blobs, and
the ledger where it is available. A beacon that a ledger drew is checked with that ledger only.
Level L1 needs a key that the run admits: it recomputes every sum and every model bit for bit.
In a folder, every file is compared with the signed records; files that no record covers are listed.
For an object on Sui, everything is read from the chain and from Walrus, up to the last publication.`,
    examples: [
      'floe verify runs/latest',
      'floe verify 0x5e... --network net.json --keystore ./me',
      'floe verify http://host:7700 --keystore ./me',
    ],
    exit: `Exit codes: 0 verified, 1 verification failed (the attempt and record, or the file, are named),
others: floe help exit-codes.`,
    run: async (context) => {
      const { describeVerification, openRun } = await import('../client/reader/index.ts');
      const { showProgress } = await import('./progress.ts');
      const { args, output, signal } = context;
      const [source = ''] = args;
      await using run = await openRun(source, await openRunOptions(source, context));
      const { reader = null, ledger = null, version } = run;
      const id = toHex(run.id);
      output.line(
        `run        ${id}${reader === null ? '; no key, so level L0 only (--keystore or --key-file gives one)' : `; reading as ${reader}`}`,
      );
      output.line(`ledger     ${ledger ?? 'not available: freezes are not compared'}`);
      if (version !== undefined)
        output.line(`version    ${version.id}, the model after attempt ${version.attempt}`);
      const local = describeLocal(run.spec);
      if (local !== undefined) output.line(local);
      const progress = showProgress(output, 'attempts');
      const found = await run
        .verify({ signal, onProgress: (done, total) => progress.update(done, total) })
        .finally(() => progress.stop());
      output.document({
        run: id,
        source,
        ledger,
        reader,
        version: version?.id,
        attempt: version?.attempt,
        ...found,
      });
      output.print(describeVerification(found));
      return found.ok ? EXIT.ok : EXIT.failed;
    },
  });
