/**
 * @module `floe publish`: puts Floe's Move package on a network, permanently, and writes its id
 * into the network's configuration.
 */
import { Command } from 'commander';
import { utf8 } from '../protocol/bytes.ts';
import { showCoins } from '../protocol/net/cost.ts';
import { nodeFiles } from '../protocol/ports/disk.ts';
import { openChain, openSender, withSender, withNetwork, type SenderFlags } from './network.ts';
import { runCommand, withCommonOptions, type CommonOptions } from './run-command.ts';

interface Options extends SenderFlags, CommonOptions {
  readonly configOut?: string;
  readonly source?: string;
  readonly force?: boolean;
}

export const publishCommand = (): Command =>
  withCommonOptions(withSender(withNetwork(new Command('publish'))))
    .description("publish Floe's Move package to a network, never to be upgraded")
    .option('--config-out <file>', 'write the configuration here (default: the file of --network)')
    .option('--source <folder>', 'compile this package instead of taking the compiled move/floe')
    .option('--force', 'publish another one where the configuration names a package already')
    .addHelpText(
      'after',
      `
One transaction publishes the package and destroys the capability to upgrade it: nobody, you
included, can change the policies later. The compiled package ships with Floe; a test compiles
its sources again and compares. --source needs @zktx.io/sui-move-builder, a development dependency.

Examples:
  floe publish --network testnet.json --keystore-file ~/.sui/sui_config/sui.keystore
  FLOE_SUI_KEY=suiprivkey1... floe publish --network net.json --config-out floe-net.json --json

Exit codes: 0 published, 1 the chain refused (see the message), 2 a flag or the configuration is wrong.`,
    )
    .action(async (options: Options) => {
      await runCommand(options, async ({ output }) => {
        const { FloeError } = await import('../protocol/errors.ts');
        const { publicUrl } = await import('../protocol/net/config.ts');
        const { publishForever } = await import('../protocol/net/sui/publish.ts');
        const { file, client } = await openChain(options);
        const standing = file.network.floe?.packageId;
        if (standing !== undefined && options.force !== true)
          throw new FloeError(
            'file_exists',
            `${file.path} names the package ${standing}; --force publishes another one`,
          );
        const target = options.configOut ?? file.path;
        const compiled = await packageToPublish(options.source);
        const sender = await openSender(options, client, output);
        output.line(`publishing as ${sender.address} on ${publicUrl(file.network.rpcUrl)}`);
        const { packageId, digest, gas } = await publishForever(sender, compiled);
        const config = { ...file.raw, floe: { packageId } };
        try {
          // Whoever waits for the file must never read half of it.
          const text = `${JSON.stringify(config, undefined, 2)}\n`;
          await nodeFiles().write(target, utf8(text), 0o644);
        } catch (cause) {
          throw new FloeError(
            'usage',
            `published as ${packageId}, but ${target} cannot be written: ${(cause as Error).message}`,
            { packageId, digest },
            { cause },
          );
        }
        output.document({ packageId, digest, gas: String(gas), immutable: true, config: target });
        output.say(`package ${packageId}`);
        output.line(
          `transaction ${digest}, gas ${showCoins(gas)} SUI; the upgrade capability is gone`,
        );
        output.line(`configuration written to ${target}`);
      });
    });

/** What the compiler cannot do, in Floe's terms. */
const COMPILER_CODES = {
  package_missing: 'file_not_found',
  compile_failed: 'data_malformed',
  compiler_missing: 'backend_unavailable',
} as const;

/**
 * @throws FloeError `file_not_found`, `data_malformed` with the compiler's words,
 * `backend_unavailable` without one
 */
const packageToPublish = async (source: string | undefined) => {
  const { compiledFloe } = await import('../move/compiled.ts');
  if (source === undefined) return compiledFloe();
  const { FloeError } = await import('../protocol/errors.ts');
  const { compilePackage, readPackage } = await import('floe-devnet/compile');
  try {
    return await compilePackage(await readPackage(source));
  } catch (thrown) {
    const { code, message } = thrown as { readonly code?: string; readonly message: string };
    const known = Object.entries(COMPILER_CODES).find(([name]) => name === code)?.[1];
    if (known === undefined) throw thrown;
    throw new FloeError(known, `--source: ${message}`, {}, { cause: thrown });
  }
};
