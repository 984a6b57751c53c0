/**
 * The keys that models are encrypted under, for a party that has the coordinator's signing key or a service that signs with it,
 * such as a wallet, and nothing else of the coordinator.
 */
import { expect, it } from 'vitest';
import type { KeyPurpose } from '../../protocol/access/access-gate.ts';
import { sha256, utf8 } from '../../protocol/bytes.ts';
import { encodeCbor } from '../../protocol/cbor.ts';
import { decryptBlob } from '../../protocol/envelope.ts';
import { hashRunSpec } from '../../protocol/run-spec.ts';
import { encodeSafetensors } from '../../protocol/tensors/index.ts';
import { createStage, DIMENSION, testSpec, until } from '../support/run.ts';

const initialModel = Float32Array.from({ length: DIMENSION }, (_, i) => i / DIMENSION);

it('the first model, whose content is public, opens with what the signing key says about it', async () => {
  const stage = await createStage(await testSpec());
  const coordinator = stage.create({ initialModel });
  await coordinator.start();
  await until(() => stage.store.blobs.size > 0, 'the first model is stored');
  const [cipher] = stage.store.blobs.values();
  const purpose: KeyPurpose = { run: hashRunSpec(stage.spec), round: 0, role: 'model' };
  const { tensors } = stage.spec.model;
  const content = sha256(encodeSafetensors({ tensors }, initialModel));
  const about = encodeCbor({ ...purpose, content });
  const key = sha256(
    utf8('floe/envelope-key/v1'),
    stage.coordinatorIdentity.sign('envelope-key', about),
  );
  await expect(decryptBlob(key, purpose, cipher as Uint8Array)).resolves.toBeDefined();
  await coordinator.stop();
});
