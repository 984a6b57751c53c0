/**
 * @module Reads a run from its coordinator over HTTP: the announcement, the transcript so far, and
 * blobs from the coordinator or, if the reader names the run's network, from Walrus.
 */
import { FloeError } from '../../protocol/errors.ts';
import { httpBlobStore } from '../../protocol/ports/http-store.ts';
import { localPorts } from '../../protocol/ports/local-ports.ts';
import { readAnnouncement } from '../../protocol/records/announcement.ts';
import { hashRunSpec } from '../../protocol/spec/run-spec.ts';
import { readTranscript } from '../connect/address.ts';
import { chooseNetwork } from '../network.ts';
import { namedNetwork } from './network.ts';
import {
  anybody,
  chooseReader,
  connectReader,
  WHOLE,
  type OpenRunOptions,
  type Source,
} from './source.ts';

/**
 * @param url over HTTP @throws FloeError `connection_lost`, `network_mismatch`, what reading an
 * announcement throws
 */
export const openCoordinator = async (
  url: string,
  options: OpenRunOptions,
  resources: AsyncDisposableStack,
): Promise<Source> => {
  const { signal = new AbortController().signal } = options;
  const { spec, network: announced } = await readAnnouncement(url, signal);
  const transcript = await readTranscript(url, signal);
  if (options.network !== undefined && announced === undefined)
    throw new FloeError('network_mismatch', `${url} keeps its run itself; leave --network out`);
  const own =
    announced === undefined ? undefined : (options.network ?? (await options.networkIfAny?.()));
  const reader = await chooseReader(options, undefined, own !== undefined);
  const same = { ...WHOLE, spec, transcript, reader: reader?.address };
  if (own !== undefined) {
    const { network } = namedNetwork(own);
    chooseNetwork(network, announced);
    return { ...same, ...(await connectReader(network, spec, reader, resources)) };
  }
  // Reading blobs needs no identity; the store wants one for uploads, which do not happen here.
  const identity = reader ?? (await anybody());
  const store = httpBlobStore({ url, identity, run: hashRunSpec(spec) });
  const { gate } = localPorts({ identity, store, ledger: undefined });
  return { ...same, store, ledger: undefined, gate: reader && gate, network: undefined };
};
