/**
 * @module Secure aggregation, protocol SA-P over a graph of neighbours, today the complete one
 * (Bonawitz et al. 2017; hybrid keys, context-bound masks): pure functions for 3 to 255
 * participants with recovery from drop-outs. Await `ready()` first.
 *
 * Participant: `deriveKeys` (masking and sealing keys) -> `freezeCohort` -> `attemptContext` ->
 * `createParty` -> `makeShares` -> `openEntry` (or a complaint) -> `selfMaskSeed`, `maskUpdate` ->
 * `recordUpload` -> `answerUnmask` -> `sealAnswer`. Coordinator and auditor: `openAnswer`,
 * `recover` (or `maskJobs`) -> `unmask`; anyone: `judgeComplaint`.
 */
export * from './answer.ts';
export * from './cohort.ts';
export * from './complaint.ts';
export * from './context.ts';
export * from './entry-tree.ts';
export * from './graph.ts';
export * from './group-sizes.ts';
export * from './groups.ts';
export * from './guard.ts';
export * from './keys.ts';
export * from './keystream.ts';
export * from './share-lie.ts';
export {
  maskJobs,
  openPairs,
  type JobsResult,
  type MaskView,
  type OpenPair,
  type RecoveredSecret,
  type RecoveryFailure,
} from './mask-jobs.ts';
export * from './masks.ts';
export * from './pairs.ts';
export * from './party.ts';
export * from './primitives/index.ts';
export * from './recovery.ts';
export * from './require-lengths.ts';
export * from './secrets.ts';
export * from './shamir.ts';
export * from './shares.ts';
export * from './shown-point.ts';
