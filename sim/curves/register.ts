/**
 * @module Gives the Seal SDK of a thread the curve of `bls12-381.ts`.
 */
import { registerHooks } from 'node:module';

const CURVE = '@noble/curves/bls12-381.js';
const SDK = '/node_modules/@mysten/seal/';

const own = new URL(`./bls12-381.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`, import.meta.url)
  .href;

/** To be called before the SDK is loaded, which a run without a network never does. */
export const shareCurve = (): void => {
  registerHooks({
    resolve: (specifier, context, next) =>
      specifier === CURVE && context.parentURL?.includes(SDK) === true
        ? next(own, context)
        : next(specifier, context),
  });
};
