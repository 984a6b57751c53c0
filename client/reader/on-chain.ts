/**
 * @module Reads a run from an object id and a network alone: the chain gives the locations of
 * specification and transcript on Walrus, and all data read is compared with the chain.
 */
import { suiClientOf, walrusClientOf } from '../../protocol/net/walrus/client.ts';
import { memoryUploadJournal } from '../../protocol/ports/upload-journal.ts';
import { walrusStore } from '../../protocol/net/walrus/store.ts';
import { FloeError } from '../../protocol/errors.ts';
import { addressOf, cryptoReady } from '../../protocol/ports/identity.ts';
import { findPublished } from '../../protocol/net/sui/publication.ts';
import { findRun } from '../../protocol/net/sui/run.ts';
import { readPublication } from '../../protocol/records/publication.ts';
import { readRun } from '../../protocol/ports/run-folder.ts';
import { packageOf } from '../../protocol/net/network-file.ts';
import { findNetwork } from './network.ts';
import { chooseReader, connectReader, type OpenRunOptions, type Source } from './source.ts';

/**
 * @throws FloeError `usage` when there is no such run or version, or nothing of it was published;
 * `verification_failed`
 */
export const openObject = async (
  objectId: string,
  options: OpenRunOptions,
  resources: AsyncDisposableStack,
): Promise<Source> => {
  const found = await findNetwork(options, resources);
  const { network, folder } = found;
  const client = suiClientOf(network);
  const registry = { client, packageId: packageOf(network, found.from) };
  const { run, publication, specHash, version } = await findPublished(registry, objectId).catch(
    (thrown: unknown) => {
      if (!(thrown instanceof FloeError) || thrown.code !== 'usage') throw thrown;
      const message = `on the network of ${found.from}: ${thrown.message}`;
      throw new FloeError('usage', message, thrown.details, { cause: thrown });
    },
  );
  if (publication === undefined)
    throw new FloeError(
      'usage',
      `nothing that covers ${objectId} was published: its coordinator does so when the run ends or stops; ` +
        "until then expected the run's folder or the coordinator's address",
    );
  const store = walrusStore({
    network,
    client,
    walrus: walrusClientOf(network, client),
    journal: memoryUploadJournal(),
  });
  resources.defer(() => store.close());
  const { signal } = options;
  const { spec, transcript } = await readPublication(
    publication.blob,
    specHash,
    store,
    signal === undefined ? {} : { signal },
  );
  await cryptoReady;
  const owner = addressOf(spec.coordinator);
  // Anyone can register a run of this specification and publish the blobs of another run.
  const own = await findRun({ ...registry, owner }, specHash);
  if (own?.run !== run)
    throw new FloeError(
      'verification_failed',
      `${run} names the coordinator ${owner}, whose run is ${own?.run ?? 'not on this network'}`,
    );
  const seed = folder === undefined ? undefined : (await readRun(folder)).auditorSeed;
  const reader = await chooseReader(options, seed, true);
  return {
    files: undefined,
    spec,
    transcript,
    version,
    published: publication.attempt,
    reader: reader?.address,
    ...(await connectReader(network, spec, reader, resources)),
  };
};
