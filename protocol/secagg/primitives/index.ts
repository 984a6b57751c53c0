/**
 * @module The primitives of the key agreement: native under Node, portable elsewhere.
 */
import { nativePrimitives } from './native.ts';
import type { Primitives } from './port.ts';
import { portablePrimitives } from './portable.ts';

export * from './port.ts';
export { nativePrimitives } from './native.ts';
export { portablePrimitives } from './portable.ts';

/** What this platform has: native where it can. Both give equal results. */
export const platformPrimitives: Primitives = nativePrimitives ?? portablePrimitives();
