/**
 * @module Secure aggregation, protocol SA-P over the complete graph (Bonawitz et al. 2017; hybrid
 * keys, context-bound masks): pure functions for 3 to 255 participants with recovery from
 * drop-outs. Await `ready()` first.
 *
 * Participant: `derive` -> `freezeCohort` -> `roundContext` -> `makeShares` / `openShare` ->
 * `pairMasks`, `selfMaskSeed`, `maskUpdate` -> `recordUpload` -> `answerUnmask`. Coordinator and
 * auditor: `recover` (or `maskJobs`) -> `unmask`.
 */
export * from './answer.ts';
export * from './cohort.ts';
export * from './context.ts';
export * from './guard.ts';
export * from './jobs.ts';
export * from './keys.ts';
export * from './keystream.ts';
export * from './masks.ts';
export * from './pairs.ts';
export * from './recovery.ts';
export * from './shamir.ts';
export * from './shares.ts';
