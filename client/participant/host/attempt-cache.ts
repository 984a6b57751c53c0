/**
 * @module The host's memory of the attempt in progress: the agreed keys, the model, the trained
 * weights and the vector, each made once.
 */
import type { ModelContent } from '../../../protocol/model/open-model.ts';
import type { Party } from '../../../protocol/secagg/index.ts';
import type { CheckedCohort, RunView } from '../machine/record-checks.ts';
import type { Trained } from './trained.ts';
import { makeParty } from './crypto-steps.ts';
import type { Secrets } from './secrets.ts';

export interface KeptAttempt {
  readonly number: number;
  /** Aborts when the attempt is over for this participant. */
  readonly stop: AbortController;
  party?: Party;
  content?: ModelContent;
  trained?: Trained;
  /** Bytes of the vector that was made in this process. */
  vector?: Uint8Array;
}

export const partyOf = (
  view: RunView,
  kept: KeptAttempt,
  secrets: Secrets,
  cohort: CheckedCohort,
): Party => {
  kept.party ??= makeParty(view, secrets, cohort);
  return kept.party;
};
