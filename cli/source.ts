/**
 * @module Flags of the commands that read a run: its location, and the key that opens its models.
 */
import { describeReaderEvent } from '../client/reader/describe.ts';
import type { NetworkOptions, OpenRunOptions } from '../client/reader/index.ts';
import { FloeError } from '../protocol/errors.ts';
import { isObjectId } from '../protocol/net/object-id.ts';
import { isThere } from '../protocol/ports/files.ts';
import type { Context } from './command.ts';
import { hash, on, text, value, type FlagValues } from './flags.ts';
import { findIdentity, KEY, namedNetwork, NETWORK, readNetwork } from './keys.ts';
import { TRUST, type TrustFlags } from './trust-flags.ts';

const LATEST_RUN = 'runs/latest';

export const FOUND_NETWORK = {
  ...NETWORK,
  run: text('<folder>', 'look for the object where this run took place (default: runs/latest)'),
};
export const SOURCE = {
  ...FOUND_NETWORK,
  ...KEY,
  keyFile: text('<path>', "file with an auditor's seed in hex (default: the file in the folder)"),
  remote: on('read blobs from Walrus instead of the copies in the folder'),
  expectRun: value('<hash>', 'the run hash that was agreed on', hash),
  ...TRUST,
};
type FoundNetworkFlags = Partial<FlagValues<typeof FOUND_NETWORK>>;
export type SourceFlags = Partial<FlagValues<typeof SOURCE>>;

/** Where an object is looked for. @throws FloeError `usage` */
const placeOf = async (flags: FoundNetworkFlags): Promise<NetworkOptions> => {
  const { network, run } = flags;
  if (network !== undefined && run !== undefined)
    throw new FloeError('usage', 'expected --network or --run, not both');
  if (run !== undefined) return { runFolder: run };
  if (namedNetwork(flags) !== undefined) return { network: await readNetwork(flags) };
  if (await isThere(LATEST_RUN)) return { runFolder: LATEST_RUN };
  throw new FloeError('usage', 'expected --network <file>, FLOE_NETWORK or --run <folder>');
};

/** The network on which `source` is read; its events are printed. */
export const networkOptions = async (
  source: string,
  { flags, output, signal }: Context<FoundNetworkFlags>,
): Promise<NetworkOptions> => ({
  ...(isObjectId(source)
    ? await placeOf(flags)
    : flags.network === undefined
      ? {}
      : { network: await readNetwork(flags) }),
  devnet: async (snapshot) => {
    const { restartDevnet } = await import('../move/floe-devnet.ts');
    return restartDevnet(snapshot);
  },
  signal,
  onEvent: (event) => output.event(event, describeReaderEvent(event)),
});

/** @throws FloeError of `trustCertificate` and `pinCertificate` */
export const trustSource = async (
  source: string,
  { flags, signal }: Pick<Context<TrustFlags>, 'flags' | 'signal'>,
): Promise<void> => {
  const { ca, fingerprint } = flags;
  if (ca !== undefined) {
    const { trustCertificate } = await import('../client/connect/trust.ts');
    await trustCertificate(ca);
  }
  if (fingerprint === undefined) return;
  const { pinCertificate } = await import('../client/connect/pin.ts');
  await pinCertificate(source, fingerprint, signal);
};

export const openRunOptions = async (
  source: string,
  context: Context<SourceFlags>,
): Promise<OpenRunOptions> => {
  const { flags } = context;
  await trustSource(source, context);
  return {
    ...(await networkOptions(source, context)),
    expectRun: flags.expectRun,
    networkIfAny: namedNetwork(flags) === undefined ? undefined : () => readNetwork(flags),
    identity: (onChain) => findIdentity(flags, onChain),
    remote: flags.remote,
    journalLedger: async (path) => {
      const { readJournalLedger } = await import('../coordinator/read-ledger.ts');
      return readJournalLedger(path);
    },
  };
};
