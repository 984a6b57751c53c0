import { describe, expect, it } from 'vitest';
import { sealedBoxGate } from '../../protocol/ports/sealed-box-gate.ts';
import { decryptBlob, encryptBlob } from '../../protocol/model/envelope.ts';
import { identityFromSeed } from '../../protocol/ports/identity.ts';
import { accessGateSuite } from '../../testing/index.ts';

const identity = (n: number) => identityFromSeed(new Uint8Array(32).fill(n));

accessGateSuite({ describe, expect, it }, 'sealed box', async () => {
  const [owner, admitted, outsider] = await Promise.all([identity(1), identity(2), identity(3)]);
  return {
    owner: sealedBoxGate(owner),
    admitted: { gate: sealedBoxGate(admitted), key: admitted.publicKey },
    outsider: { gate: sealedBoxGate(outsider), key: outsider.publicKey },
  };
});

it('an encrypted blob opens only with its key, purpose and bytes', async () => {
  const key = new Uint8Array(32).fill(9);
  const purpose = { run: new Uint8Array(32), attempt: 1, role: 'model' } as const;
  const plain = new TextEncoder().encode('weights '.repeat(20));
  const cipher = await encryptBlob(key, purpose, plain);
  expect(Buffer.from(cipher).includes('weights')).toBe(false);
  expect(await decryptBlob(key, purpose, cipher)).toEqual(plain);
  const failed = { code: 'decryption_failed' };
  await expect(decryptBlob(new Uint8Array(32), purpose, cipher)).rejects.toMatchObject(failed);
  await expect(decryptBlob(key, { ...purpose, role: 'bundle' }, cipher)).rejects.toMatchObject(
    failed,
  );
  await expect(decryptBlob(key, { ...purpose, attempt: 2 }, cipher)).rejects.toMatchObject(failed);
  await expect(decryptBlob(key, purpose, cipher.subarray(1))).rejects.toMatchObject(failed);
  cipher[3] = (cipher[3] ?? 0) ^ 1;
  await expect(decryptBlob(key, purpose, cipher)).rejects.toMatchObject(failed);
});
