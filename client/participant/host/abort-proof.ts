/**
 * @module The proof in an Abort that excludes somebody: this participant judges it again.
 */
import { FloeError } from '../../../protocol/errors.ts';
import type { SignedRecord } from '../../../protocol/records/records.ts';
import { Breach, requireLawful, type AttemptView } from '../../../protocol/rules/index.ts';
import { provenBy } from '../../../protocol/rules/abort-proof.ts';

/**
 * @returns the culprits that this participant has thereby proven itself
 * @throws FloeError `complaint_invalid`, `evidence_invalid` where the proof is missing or shows
 * something else; those of the rules of Abort
 */
export const checkAbort = async (
  view: AttemptView,
  abort: SignedRecord<'abort'>,
): Promise<readonly Uint8Array[]> => {
  requireLawful(view, abort);
  try {
    return await provenBy(view, abort);
  } catch (thrown) {
    // The abort holds its proof, so a proof that breaks a rule is the abort's fault.
    if (!(thrown instanceof FloeError)) throw thrown;
    throw new Breach(thrown.code, thrown.message, [abort], thrown.details);
  }
};
