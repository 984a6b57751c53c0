/** @module Types for data of a test's own making or from a library that calls it `any`. */
import * as v from 'valibot';

/**
 * A reader of `T` that checks only for an object: the test's other lines depend on the shape
 * anyway.
 */
export const shaped =
  <T>(): ((value: unknown) => T) =>
  (value) =>
    v.parse(
      v.custom<T>((input) => typeof input === 'object' && input !== null),
      value,
    );
