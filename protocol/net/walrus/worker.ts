/**
 * @module The worker behind `threadCodec`: a WalrusClient that codes and reads away from the event
 * loop. Node only.
 */
import { parentPort, workerData, type Transferable } from 'node:worker_threads';
import { FloeError, installationFault } from '../../errors.ts';
import type { NetworkConfig } from '../config.ts';
import { suiClientOf, walrusClientOf } from './client.ts';
import { directCodec, sdkName, type CodecCall, type EncodedBlob } from './codec.ts';
import { uploadCodec } from './encode-once.ts';

const port = parentPort;
if (port === null) throw new FloeError('internal', 'expected to run in a worker thread');
const network = workerData as NetworkConfig;
const codec = uploadCodec(network, directCodec(walrusClientOf(network, suiClientOf(network))));

const perform = async (call: CodecCall): Promise<unknown> => {
  switch (call.type) {
    case 'describe':
      return codec.describe(call.bytes);
    case 'encode':
      return codec.encode(call.bytes);
    case 'quilt':
      return codec.quilt(call.items);
    case 'read':
      return codec.read(call.blobId, call.most, call.timeoutMs);
    case 'reset':
      return codec.reset();
  }
};

const isEncoded = (value: unknown): value is EncodedBlob =>
  typeof value === 'object' && value !== null && 'sliversByNode' in value;

/** Slivers are many megabytes: moved, not copied. */
const transfers = (value: unknown): Transferable[] => {
  if (!isEncoded(value)) return [];
  const buffers = value.sliversByNode.flatMap(({ primary, secondary }) =>
    [...primary, ...secondary].map(({ sliver }) => sliver.buffer as ArrayBuffer),
  );
  return [...new Set(buffers)];
};

port.on('message', (call: CodecCall) => {
  const { id } = call;
  perform(call).then(
    (value) => port.postMessage({ id, value }, transfers(value)),
    (thrown: unknown) => {
      const { message } = thrown as Error;
      const known = thrown instanceof FloeError ? thrown : installationFault(thrown);
      const name = known?.code ?? sdkName(thrown);
      port.postMessage({ id, error: { name, message } });
    },
  );
});
