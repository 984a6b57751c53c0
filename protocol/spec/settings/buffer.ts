/**
 * @module Settings of buffered rounds (FedBuff: Nguyen et al. 2022, "Federated Learning with
 * Buffered Asynchronous Aggregation"): a round takes the first K updates that are ready, so no
 * participant waits for a slower one.
 */
import { MAX_COHORT, MAX_STALENESS, MIN_COHORT } from '../bounds.ts';
import { EVERY_RUN, type SettingsTable } from '../setting.ts';

export const BUFFER_SETTINGS = {
  buffer: {
    area: 'cohort',
    type: 'integer',
    min: MIN_COHORT,
    max: MAX_COHORT,
    optional: true,
    otherwise: 'none: the cohort is drawn before it trains',
    help: 'buffered rounds (FedBuff): participants train ahead, and the first this many updates that are ready form a round; as many as the cohort; needs a closed run without a chain',
    spec: 'buffer.size',
    commands: EVERY_RUN,
  },
  maxStaleness: {
    area: 'cohort',
    type: 'integer',
    min: 1,
    max: MAX_STALENESS,
    optional: true,
    otherwise: '10, where rounds are buffered',
    help: 'commits since the model that an update was trained on, at most: an older update is dropped and its participant trains anew',
    spec: 'buffer.maxStaleness',
    commands: EVERY_RUN,
  },
} as const satisfies SettingsTable;

export const DEFAULT_MAX_STALENESS = 10;

/** Buffered rounds as the specification holds them. */
export interface Buffer {
  /** K: updates of a round. */
  readonly size: number;
  /** S: commits between the model that an update was trained on and the newest, at most. */
  readonly maxStaleness: number;
}
