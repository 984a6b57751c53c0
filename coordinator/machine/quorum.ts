/**
 * @module How many answers a phase of an attempt needs.
 */
import { groupSizeOf, neededGroups } from '../../protocol/robust/groups.ts';
import type { MachineConfig } from './config.ts';
import type { Attempt } from './state.ts';

/** Fewest answers of any phase after the cohort: of a batch, all; in groups, of those needed. */
export const quorum = ({ spec }: MachineConfig, attempt: Attempt): number => {
  if (spec.selection === 'batches') return attempt.invited.length;
  const t = attempt.cohort?.body.threshold ?? 0;
  const { robust } = spec;
  const isGrouped = groupSizeOf(spec) !== undefined && robust !== undefined;
  return Math.max(spec.cohort.minimum, isGrouped ? t * neededGroups(robust) : t);
};

/** The code of an attempt that ends for too few. */
export const tooFewCode = ({ spec }: MachineConfig): 'batch_incomplete' | 'cohort_too_small' =>
  spec.selection === 'batches' ? 'batch_incomplete' : 'cohort_too_small';
