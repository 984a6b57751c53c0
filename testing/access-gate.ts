/**
 * @module The compliance suite of the AccessGate port: every implementation runs it.
 */
import type { TestApi } from './api.ts';
import type { AccessGate, KeyPurpose } from '../protocol/ports/access-gate.ts';

export interface AccessGateFixture {
  /** Gates of three identities; the owner wraps. */
  readonly owner: AccessGate;
  readonly admitted: { readonly gate: AccessGate; readonly key: Uint8Array };
  readonly outsider: { readonly gate: AccessGate; readonly key: Uint8Array };
}

export const accessGateSuite = (
  { describe, expect, it }: TestApi,
  name: string,
  open: () => Promise<AccessGateFixture>,
): void => {
  describe(`AccessGate: ${name}`, () => {
    const key = new Uint8Array(32).map((_, i) => i * 7);
    const purpose: KeyPurpose = { run: new Uint8Array(32).fill(1), attempt: 4, role: 'model' };

    it('opens for who is admitted', async () => {
      const { owner, admitted } = await open();
      expect(
        await admitted.gate.unwrap(await owner.wrap(key, purpose, [admitted.key]), purpose),
      ).toEqual(key);
    });

    it('denies an outsider', async () => {
      const { owner, admitted, outsider } = await open();
      const envelope = await owner.wrap(key, purpose, [admitted.key]);
      await expect(outsider.gate.unwrap(envelope, purpose)).rejects.toMatchObject({
        code: 'access_denied',
      });
    });

    it('denies everyone when nobody is listed', async () => {
      const { owner, admitted } = await open();
      const envelope = await owner.wrap(key, purpose, []);
      await expect(admitted.gate.unwrap(envelope, purpose)).rejects.toMatchObject({
        code: 'access_denied',
      });
    });

    it('opens only for the purpose it was made for', async () => {
      const { owner, admitted } = await open();
      const envelope = await owner.wrap(key, purpose, [admitted.key]);
      const others: KeyPurpose[] = [
        { ...purpose, attempt: 5 },
        { ...purpose, role: 'bundle' },
        { ...purpose, run: new Uint8Array(32).fill(2) },
      ];
      for (const other of others)
        await expect(admitted.gate.unwrap(envelope, other)).rejects.toMatchObject({
          code: 'envelope_malformed',
        });
    });

    it('refuses every changed byte', async () => {
      const { owner, admitted } = await open();
      const envelope = await owner.wrap(key, purpose, [admitted.key]);
      for (let at = 0; at < envelope.length; at += 5) {
        const changed = new Uint8Array(envelope);
        changed[at] = (changed[at] ?? 0) ^ 0x10;
        await expect(admitted.gate.unwrap(changed, purpose)).rejects.toMatchObject({
          name: 'FloeError',
        });
      }
    });

    it('refuses a key of the wrong length and truncated envelopes', async () => {
      const { owner, admitted } = await open();
      await expect(owner.wrap(new Uint8Array(31), purpose, [])).rejects.toMatchObject({
        code: 'key_invalid',
      });
      const envelope = await owner.wrap(key, purpose, [admitted.key]);
      await expect(admitted.gate.unwrap(envelope.subarray(0, -1), purpose)).rejects.toMatchObject({
        code: 'envelope_malformed',
      });
    });

    it('holds the key nowhere in clear', async () => {
      const { owner, admitted } = await open();
      const envelope = await owner.wrap(key, purpose, [admitted.key]);
      expect(Buffer.from(envelope).indexOf(key.subarray(0, 8))).toBe(-1);
    });
  });
};
