/**
 * @module `floe publish`: publishes Floe's Move package on a network, permanently, and writes its
 * id into the network's configuration.
 */
import { command } from './command.ts';
import { on, text } from './flags.ts';
import { KEY, NETWORK, onRetry, readNetwork, requireIdentity } from './keys.ts';
import { showTransaction } from './show-change.ts';

export const publishCommand = () =>
  command({
    name: 'publish',
    about: "publish Floe's Move package on a network, never to be upgraded",
    flags: {
      ...NETWORK,
      ...KEY,
      configOut: text('<file>', 'write the configuration here (default: the file of --network)'),
      source: text('<folder>', 'compile this package instead of using the compiled move/floe'),
      force: on('publish another package where the configuration names one already'),
    },
    notes: `One transaction publishes the package and destroys the capability to upgrade it: nobody can
change the policies later, not even the publisher. The compiled package ships with Floe; a test compiles
its sources again and compares. --source needs @zktx.io/sui-move-builder, a development dependency.`,
    examples: [
      'floe publish --network testnet.json --keystore-file ~/.sui/sui_config/sui.keystore',
      'FLOE_SUI_KEY=suiprivkey1... floe publish --network net.json --config-out floe-net.json --json',
    ],
    exit: 'Exit codes: 0 published, 1 the chain refused (see the message), 2 a flag or the configuration is wrong.',
    run: async ({ flags, output }) => {
      const { publishPackage } = await import('../protocol/net/publish.ts');
      const { publicUrl } = await import('../protocol/net/config.ts');
      const { configOut, source, force } = flags;
      const file = await readNetwork(flags);
      const compiled =
        source === undefined
          ? (await import('../move/compiled.ts')).compiledFloe()
          : await (await import('../move/floe-devnet.ts')).compileSource(source);
      const identity = await requireIdentity(flags);
      output.line(`publishing as ${identity.address} on ${publicUrl(file.network.rpcUrl)}`);
      const published = await publishPackage(file, identity, compiled, {
        configOut,
        force,
        onRetry: onRetry(output),
      });
      const { packageId, digest, gas, config } = published;
      output.document({ packageId, digest, gas, immutable: true, config });
      output.say(`package ${packageId}`);
      output.line(`${showTransaction(published)}; the upgrade capability is destroyed`);
      output.line(`configuration written to ${config}`);
    },
  });
