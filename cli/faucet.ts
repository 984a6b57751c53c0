/** @module `floe faucet`: coins for an address from the faucet of a network. */
import { FloeError } from '../protocol/errors.ts';
import { command } from './command.ts';
import { objectId } from './flags.ts';
import { findIdentity, KEY, NETWORK, readNetwork } from './keys.ts';

export const faucetCommand = () =>
  command({
    name: 'faucet',
    about: 'ask the faucet of a network for SUI and WAL: a devnet, or a test network',
    args: { '[address]': { help: 'address on Sui (default: that of your key)', read: objectId } },
    flags: { ...NETWORK, ...KEY },
    notes: `A devnet gives 1,000 SUI and 1,000 WAL each time. Sui's test networks give SUI only, and limit how often;
their WAL comes from an exchange: walrus get-wal. A network of value has no faucet.`,
    examples: [
      'floe faucet 0xb0... --network net.json',
      'floe faucet --network net.json --keystore state/keystore',
      'FLOE_SUI_KEY=suiprivkey1... floe faucet --network testnet.json --json',
    ],
    exit: 'Exit codes: 0 coins arrived, 1 none did, 2 a flag is wrong or the network has no faucet, 3 it does not answer.',
    run: async ({ args: [given], flags, output }) => {
      const { network, path } = await readNetwork(flags);
      const address = given ?? (await findIdentity(flags))?.address;
      if (address === undefined) throw new FloeError('usage', 'expected an address, or a key');
      const { requestCoins } = await import('../client/faucet.ts');
      const { showCoins } = await import('../protocol/net/cost.ts');
      const found = await requestCoins(network, address, { from: path });
      const { before, after, faucet } = found;
      output.document(found);
      output.say(
        `${address} has ${showCoins(after.sui)} SUI (+${showCoins(after.sui - before.sui)}) and ` +
          `${showCoins(after.wal)} WAL (+${showCoins(after.wal - before.wal)})`,
      );
      output.line(`from ${faucet}`);
      if (after.wal === 0n)
        output.warn('the faucet gives no WAL: exchange SUI for it, such as with walrus get-wal');
      return after.sui > before.sui || after.wal > before.wal ? 0 : 1;
    },
  });
