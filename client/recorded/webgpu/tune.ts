/**
 * @module Measures the fastest tile for each matrix product of a plan on the device. All tiles give
 * the same sums bit for bit, so a choice by time does not affect training.
 */
import type { Plan } from '../plan.ts';
import { TILES, type TileFor, suits, tileByRule } from './compile.ts';
import type { Tile } from './gemm.ts';
import { keyOf } from './products.ts';
import { profile } from './profile.ts';
import type { Session } from './session.ts';

export interface Choice {
  readonly key: string;
  readonly tile: Tile;
  readonly microseconds: number;
}

/** Measures products of at least `least` operations; the others keep the rule's tile. */
export const tune = async (
  session: Session,
  plan: Plan,
  size: number,
  options: { readonly least: number; readonly times: number; readonly now: () => number },
): Promise<{ readonly tileFor: TileFor; readonly choices: readonly Choice[] }> => {
  const { limits } = session.gpu.device;
  const rule = tileByRule(limits);
  const best = new Map<string, Choice>();
  for (const tile of [undefined, ...TILES]) {
    const pick: TileFor = (shape) =>
      tile !== undefined && suits(shape, tile, limits) ? tile : rule(shape);
    // One tile after the other: they share the device.
    const replay = await session.prepare(
      plan,
      size,
      pick,
      ({ flops = 0 }) => flops >= options.least,
    );
    const times = await profile(session, replay, options.times, options.now);
    for (const [i, { microseconds }] of times.entries()) {
      const { product } = replay.launches[i]?.kernel ?? {};
      if (product === undefined) continue;
      if ((best.get(product.key)?.microseconds ?? Infinity) > microseconds)
        best.set(product.key, { ...product, microseconds });
    }
    replay.dispose();
  }
  return {
    tileFor: (shape) => best.get(keyOf(shape))?.tile ?? rule(shape),
    choices: [...best.values()],
  };
};
