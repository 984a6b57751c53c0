/**
 * The keys that models are encrypted under, for a party that has the coordinator's signing key or a
 * service that signs with it, such as a wallet, and nothing else of the coordinator.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { nodeDisk, openKeystore, type Keystore } from '../../client/keystore/index.ts';
import type { KeyPurpose } from '../../protocol/ports/access-gate.ts';
import { sha256, utf8 } from '../../protocol/bytes.ts';
import { encodeCbor } from '../../protocol/wire/cbor.ts';
import { decryptBlob, envelopeKey } from '../../protocol/model/envelope.ts';
import { initialModel } from '../../protocol/model/first-model.ts';
import { systemRandom } from '../../protocol/ports/random.ts';
import { hashRunSpec } from '../../protocol/spec/run-spec.ts';
import { encodeSafetensors } from '../../protocol/model/index.ts';
import { createStage, testSpec, until } from '../support/run.ts';

it('what the signing key says about the first model, whose content is public, opens nothing', async () => {
  const stage = await createStage(await testSpec());
  const coordinator = stage.create();
  await coordinator.start();
  await until(() => stage.store.blobs.size > 0, 'the first model is stored');
  const [cipher] = stage.store.blobs.values();
  const purpose: KeyPurpose = { run: hashRunSpec(stage.spec), attempt: 0, role: 'model' };
  const { tensors } = stage.spec.model;
  const content = sha256(encodeSafetensors({ tensors }, initialModel(stage.spec.model)));
  const about = encodeCbor({ ...purpose, content });
  const key = sha256(
    utf8('floe/envelope-key/v1'),
    stage.coordinatorIdentity.sign('envelope-key', about),
  );
  await expect(decryptBlob(key, purpose, cipher as Uint8Array)).rejects.toMatchObject({
    code: 'decryption_failed',
  });
  await coordinator.stop();
});

it('the keys follow from a secret of the keystore that is no part of its signing key', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'floe-sealing-'));
  const identitySeed = new Uint8Array(32).fill(7);
  const open = async (path: string): Promise<Keystore> =>
    openKeystore(join(folder, path), 'x', {
      random: systemRandom,
      disk: await nodeDisk(),
      kdf: { memory: 8, passes: 1 },
      // The same signing key in both, such as a Sui key that somebody else has too.
      identitySeed,
    });
  const mine = await open('mine');
  const theirs = await open('theirs');
  expect(theirs.identity.publicKey).toEqual(mine.identity.publicKey);
  const purpose: KeyPurpose = { run: new Uint8Array(32), attempt: 1, role: 'bundle' };
  const content = utf8('a bundle');
  const key = envelopeKey(mine.sealingSecret, purpose, content);
  expect(envelopeKey(theirs.sealingSecret, purpose, content)).not.toEqual(key);
  expect(envelopeKey(identitySeed, purpose, content)).not.toEqual(key);
  expect(mine.sealingSecret).not.toEqual(mine.trainingSecret);
  // After a crash it is the same key, for the same purpose and content only.
  await mine.close();
  const again = await open('mine');
  expect(envelopeKey(again.sealingSecret, purpose, content)).toEqual(key);
  for (const [other, plain] of [
    [{ ...purpose, attempt: 2 }, content],
    [{ ...purpose, role: 'model' }, content],
    [{ ...purpose, run: new Uint8Array(32).fill(1) }, content],
    [purpose, utf8('another bundle')],
  ] as const)
    expect(envelopeKey(again.sealingSecret, other, plain)).not.toEqual(key);
  await again.close();
  await theirs.close();
  await rm(folder, { recursive: true, force: true });
});
