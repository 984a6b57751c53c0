/**
 * What two keys agree on, shown without a secret: it is what X25519 gives, and nothing else passes.
 */
import { ED25519_TORSION_SUBGROUP, ed25519 } from '@noble/curves/ed25519.js';
import { beforeAll, describe, expect, it } from 'vitest';
import { fromHex, utf8 } from '../../protocol/bytes.ts';
import { seededRandom } from '../../protocol/ports/random.ts';
import { portablePrimitives, ready } from '../../protocol/secagg/index.ts';
import {
  canBeShown,
  readShownPoint,
  showPoint,
  SHOWN_POINT_BYTES,
} from '../../protocol/secagg/shown-point.ts';

beforeAll(ready);

const random = seededRandom(utf8('shown points'));
const primitives = portablePrimitives();
const pair = () => {
  const secret = random(32);
  return { secret, key: primitives.pointPair(secret).publicKey };
};

describe('a point that is shown', () => {
  it('is what both sides compute', () => {
    for (let i = 0; i < 12; i += 1) {
      const [a, b] = [pair(), pair()];
      const shared = primitives.pointPair(a.secret).agree(primitives.pointKey(b.key));
      const shown = showPoint(a.secret, a.key, b.key)!;
      expect(shown).toHaveLength(SHOWN_POINT_BYTES);
      expect(readShownPoint(shown, a.key, b.key)).toEqual(shared);
      // Of another pair it shows nothing.
      expect(readShownPoint(shown, b.key, a.key)).toBeUndefined();
      expect(readShownPoint(shown, a.key, pair().key)).toBeUndefined();
    }
  });

  it('is bound in every byte', () => {
    const [a, b] = [pair(), pair()];
    const shown = showPoint(a.secret, a.key, b.key)!;
    for (let at = 0; at < SHOWN_POINT_BYTES; at += 1)
      expect(readShownPoint(shown.with(at, shown[at]! ^ 1), a.key, b.key)).toBeUndefined();
    expect(readShownPoint(shown.subarray(1), a.key, b.key)).toBeUndefined();
    // Another secret's proof, for the same keys.
    expect(readShownPoint(showPoint(pair().secret, a.key, b.key)!, a.key, b.key)).toBeUndefined();
  });

  it('has no part of small order, though the key of a liar may have one', () => {
    const [a, b] = [pair(), pair()];
    const { Point, utils } = ed25519;
    const shown = showPoint(a.secret, a.key, b.key)!;
    for (const torsion of ED25519_TORSION_SUBGROUP.slice(1)) {
      const small = Point.fromHex(torsion);
      const moved = Point.fromBytes(shown.subarray(0, 32)).add(small).toBytes();
      const forged = shown.slice();
      forged.set(moved);
      expect(readShownPoint(forged, a.key, b.key)).toBeUndefined();
      const base = Point.BASE.multiply(12345n).add(small);
      const mixed = utils.toMontgomery(new Uint8Array(base.toBytes()));
      const shared = primitives.pointPair(a.secret).agree(primitives.pointKey(mixed));
      const proof = showPoint(a.secret, a.key, mixed)!;
      expect(readShownPoint(proof, a.key, mixed)).toEqual(shared);
    }
  });

  it('needs a key that is on the curve', () => {
    const a = pair();
    // u = 2 is on the twist.
    const twist = fromHex(`02${'00'.repeat(31)}`);
    expect(canBeShown(twist)).toBe(false);
    expect(canBeShown(a.key)).toBe(true);
    expect(showPoint(a.secret, a.key, twist)).toBeUndefined();
  });
});
