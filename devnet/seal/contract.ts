/**
 * @module The key servers on the chain: a shared KeyServer object each, with its address and public
 * key in a dynamic field named by the version (layouts of `contracts/seal`).
 */
import { bcs } from '@mysten/sui/bcs';
import { deriveDynamicFieldID } from '@mysten/sui/utils';
import type { SystemObject } from '../chain/objects.ts';

const VERSION = 2;

const KeyServer = bcs.struct('KeyServer', {
  id: bcs.Address,
  firstVersion: bcs.u64(),
  lastVersion: bcs.u64(),
});
const ServerType = bcs.enum('ServerType', {
  Independent: bcs.struct('Independent', { url: bcs.string() }),
});
const KeyServerV2 = bcs.struct('KeyServerV2', {
  name: bcs.string(),
  keyType: bcs.u8(),
  pk: bcs.vector(bcs.u8()),
  serverType: ServerType,
});

/** Both objects of one registered server. */
export const keyServerObjects = (server: {
  readonly packageId: string;
  readonly objectId: string;
  readonly name: string;
  readonly url: string;
  readonly publicKey: Uint8Array;
}): readonly SystemObject[] => {
  const { packageId, objectId, name, url, publicKey } = server;
  const version = bcs.u64().serialize(VERSION).toBytes();
  const fieldId = deriveDynamicFieldID(objectId, 'u64', version);
  const type = `${packageId}::key_server`;
  return [
    {
      id: objectId,
      objectType: `${type}::KeyServer`,
      contents: KeyServer.serialize({
        id: objectId,
        firstVersion: VERSION,
        lastVersion: VERSION,
      }).toBytes(),
      owner: { type: 'shared', version: 1n },
      hasPublicTransfer: true,
    },
    {
      id: fieldId,
      objectType: `0x${'0'.repeat(63)}2::dynamic_field::Field<u64, ${type}::KeyServerV2>`,
      contents: Buffer.concat([
        bcs.Address.serialize(fieldId).toBytes(),
        version,
        KeyServerV2.serialize({
          name,
          keyType: 0,
          pk: publicKey,
          serverType: { Independent: { url } },
        }).toBytes(),
      ]),
      owner: { type: 'object', parent: objectId },
    },
  ];
};
