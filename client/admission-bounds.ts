/**
 * @module The kinds of values of a participant's requirements.
 */
import * as v from 'valibot';
import { integer } from '../protocol/wire/cbor.ts';

export const positive = v.pipe(v.number(), v.finite(), v.minValue(Number.MIN_VALUE));

const isOrdered = ({ min, max }: { readonly min: number; readonly max: number }): boolean =>
  min <= max;

/** Bounds, both included. */
export const numbers = v.pipe(
  v.strictObject({ min: positive, max: positive }),
  v.check(isOrdered, 'expected min <= max'),
);
/** The same of whole numbers. @param most the largest */
export const counts = (most: number) =>
  v.pipe(
    v.strictObject({ min: integer(1, most), max: integer(1, most) }),
    v.check(isOrdered, 'expected min <= max'),
  );
