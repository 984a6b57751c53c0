/**
 * @module Errors of blob stores, gates, ledgers, and of verification.
 */
import { entry } from './entry.ts';

export const SERVICES = {
  blob_not_found: entry(
    'store',
    'service',
    true,
    'No blob with this id.',
    "Retry shortly; then check the store's address.",
  ),
  blob_corrupt: entry(
    'store',
    'service',
    false,
    'A blob does not match its hash, length or chunk root.',
    'Fetch it from another copy.',
  ),
  blob_too_large: entry(
    'store',
    'operator',
    false,
    'A blob is larger than the limit.',
    'Raise `limits.blobBytes` of the coordinator, or train a smaller model.',
  ),
  store_unavailable: entry(
    'store',
    'service',
    true,
    'The blob store did not answer.',
    "Retry; check the store's address and the disk.",
  ),
  store_refused: entry(
    'store',
    'service',
    false,
    'The blob store refused the upload.',
    'Only members of the cohort may upload, within the size limit.',
  ),
  access_denied: entry(
    'access',
    'operator',
    false,
    'This identity may not open the key.',
    "Ask the run's owner to admit your address.",
  ),
  gate_unavailable: entry(
    'access',
    'service',
    true,
    'Too few key servers answered.',
    'Retry; check the network and the key servers of the network configuration.',
  ),
  reader_left_out: entry(
    'access',
    'coordinator',
    false,
    'A key was wrapped without somebody who must be able to open it: the coordinator, an auditor or a member.',
    'Treat the coordinator as malicious: what is kept from an auditor cannot be checked.',
  ),
  envelope_malformed: entry(
    'access',
    'service',
    false,
    'A key envelope is broken or belongs to something else.',
    'Fetch it again.',
  ),
  decryption_failed: entry(
    'access',
    'operator',
    false,
    'Authenticated decryption failed: wrong key or altered bytes.',
    'Check the passphrase or fetch the bytes again.',
  ),
  already_frozen: entry(
    'ledger',
    'service',
    false,
    'The ledger already holds another value for this round.',
    'Nothing to do: a freeze happens once.',
  ),
  ledger_unavailable: entry(
    'ledger',
    'service',
    true,
    'The ledger did not answer.',
    'Retry; check its address.',
  ),
  transaction_failed: entry(
    'ledger',
    'service',
    false,
    'The chain refused a transaction.',
    'The message says why: coins that are missing, a contract that aborted.',
  ),
  funds_missing: entry(
    'ledger',
    'operator',
    false,
    'The address that pays has too little SUI for gas or WAL for storage.',
    'Send it the coins that the message names, and start again: nothing was lost.',
  ),
  verification_failed: entry(
    'verify',
    'coordinator',
    false,
    'The recomputation differs from the published result.',
    'The message names the round and the record.',
  ),
  commit_fabricated: entry(
    'verify',
    'coordinator',
    false,
    'A participant recomputed a part of a commit and got something else: the coordinator has signed a model, a sum or a bundle that the uploads do not give.',
    'Leave the run. The proof is in the keystore and was sent to the coordinator; show it to the other participants, who can repeat the check at the leaf that it names.',
  ),
} as const;
