/**
 * @module The error catalogue: every failure Floe reports, with its stable code, what it means, what to do about it, and
 * whether the same call may succeed later. `docs/errors.md` is generated from this table.
 */

/** Where an error is raised; also the order of `docs/errors.md`. */
export type ErrorArea =
  'wire' | 'spec' | 'data' | 'secagg' | 'round' | 'store' | 'access' | 'ledger' | 'verify' | 'cli';

interface ErrorEntry {
  readonly area: ErrorArea;
  /** What went wrong, in one sentence. */
  readonly meaning: string;
  /** What the person who reads it should do. */
  readonly remedy: string;
  /** True when the same call may succeed later without a change. */
  readonly retryable: boolean;
}

const entry = (
  area: ErrorArea,
  retryable: boolean,
  meaning: string,
  remedy: string,
): ErrorEntry => ({ area, meaning, remedy, retryable });

export const ERRORS = {
  // wire: frames, sessions
  frame_too_large: entry(
    'wire',
    false,
    'A frame is larger than the limit.',
    'Lower the model size per frame or raise `limits.frameBytes` on both sides.',
  ),
  frame_malformed: entry(
    'wire',
    false,
    'A frame is not canonical CBOR or does not fit its schema.',
    'Check that both sides run the same version of Floe.',
  ),
  version_unsupported: entry(
    'wire',
    false,
    'The peer speaks a protocol version this build does not know.',
    'Upgrade the older side.',
  ),
  login_refused: entry(
    'wire',
    false,
    'The challenge was not answered with a valid signature of the claimed identity.',
    'Check the keystore and the clock of the participant.',
  ),
  origin_not_allowed: entry(
    'wire',
    false,
    'A web page of another origin tried to connect, and the coordinator does not list that origin.',
    'Name the origin of the page that participants train in: `--allow-origin`, option `allowOrigins` of `serve`.',
  ),
  identity_not_admitted: entry(
    'wire',
    false,
    'The run is closed and its specification does not list this identity.',
    'Give your key to the operator of the next run; a run that has begun keeps its members.',
  ),
  identity_in_use: entry(
    'wire',
    true,
    'Another live session holds the same identity.',
    'Stop the other process, or give this one its own keystore.',
  ),
  rate_limited: entry(
    'wire',
    true,
    'Too many frames or connections in the window.',
    'Wait and retry with backoff.',
  ),
  too_many_connections: entry(
    'wire',
    true,
    'The coordinator holds as many connections as it is allowed.',
    'Retry later or raise `limits.connections`.',
  ),
  connection_lost: entry(
    'wire',
    true,
    'The connection broke or its heartbeat stopped.',
    'The client reconnects by itself; check the network if it persists.',
  ),
  peer_too_slow: entry(
    'wire',
    true,
    'The peer reads slower than frames are produced for it.',
    'Check the network; the client reconnects by itself.',
  ),
  unexpected_frame: entry(
    'wire',
    false,
    "A frame arrived that the session's state does not allow.",
    'Check that both sides run the same version of Floe.',
  ),
  // spec: run specification, configuration
  spec_invalid: entry(
    'spec',
    false,
    'The run specification does not fit its schema.',
    'Correct the field that the message names.',
  ),
  spec_mismatch: entry(
    'spec',
    false,
    'The coordinator offers another run specification than the one expected.',
    'Compare the hash with the one your consortium agreed on.',
  ),
  admission_refused: entry(
    'spec',
    false,
    "The run offers less than the participant's admission policy requires; nothing was sent.",
    'Ask for a run that offers it, or lower the named requirement with the named flag or `require` field: only you can.',
  ),
  network_mismatch: entry(
    'spec',
    false,
    'A run is on another network than the one given here, or only one of the two sides has one.',
    "Give the coordinator's network with `--network FILE` (option `network`), from a source you trust; `--accept-network` takes the one it announces, and with it its word for what is on chain.",
  ),
  // data: tensors, encoding, training
  tensor_malformed: entry(
    'data',
    false,
    'A tensor file or manifest is broken.',
    'Fetch or export the file again.',
  ),
  tensor_mismatch: entry(
    'data',
    false,
    'Tensors do not match the manifest in name, shape or type.',
    'Train the architecture that the run specification names.',
  ),
  update_not_finite: entry(
    'data',
    false,
    'An update contains NaN or infinity.',
    'Lower the learning rate or check the data for NaN.',
  ),
  weight_out_of_range: entry(
    'data',
    false,
    'A claimed example count is not an integer in the allowed range.',
    'Report the number of examples trained on.',
  ),
  metric_out_of_range: entry(
    'data',
    false,
    'A metric is negative, not finite or too large to travel.',
    'Report loss sums and counts as finite numbers >= 0.',
  ),
  encoding_overflow: entry(
    'data',
    false,
    'The ring is too small for the cohort and the number of bits.',
    'Use fewer bits, a smaller cohort or a wider ring.',
  ),
  data_malformed: entry(
    'data',
    false,
    'A data file cannot be read as the format it claims.',
    'Check the file and the format.',
  ),
  data_unfit: entry(
    'data',
    false,
    'The data does not fit the model: shape, range, NaN or labels.',
    'See the preflight report for the first offending row.',
  ),
  trainer_failed: entry(
    'data',
    true,
    'The trainer threw an error.',
    'See the cause; the participant takes part again in the next round.',
  ),
  backend_unavailable: entry(
    'data',
    false,
    'The requested training backend cannot run on this machine.',
    'Run `floe doctor` and choose a backend it lists.',
  ),
  model_malformed: entry(
    'data',
    false,
    'The model topology cannot be loaded.',
    'Export the model again with tf.LayersModel.',
  ),
  // secagg
  cohort_too_small: entry(
    'secagg',
    true,
    'Fewer participants than the minimum cohort.',
    'Wait for more participants, or lower `cohort.minimum` (never below 3).',
  ),
  batch_incomplete: entry(
    'secagg',
    true,
    'A run selected in batches takes one batch whole or not at all, and somebody of it is missing.',
    'Wait until every member of the batch is there; the next attempt has new keys.',
  ),
  cohort_too_large: entry(
    'secagg',
    false,
    'More participants than the complete graph supports.',
    'Lower the cohort; 255 is the most.',
  ),
  key_invalid: entry(
    'secagg',
    false,
    'A public key has the wrong length or is a weak point.',
    'The participant must register with fresh keys.',
  ),
  share_invalid: entry(
    'secagg',
    false,
    'A share does not open or does not match its commitment.',
    'Nothing to do: its author is named and another subset is used.',
  ),
  complaint_upheld: entry(
    'secagg',
    true,
    'A member proved that an entry sealed to it is bad; its author is excluded.',
    'Nothing to do: the next attempt has new keys and goes on without the author.',
  ),
  complaint_unfounded: entry(
    'secagg',
    true,
    'A member complained about an entry that is good, and is excluded.',
    'Nothing to do: the next attempt has new keys and goes on without the complainer.',
  ),
  complaint_invalid: entry(
    'secagg',
    false,
    'A complaint, or an abort that names one, proves nothing.',
    'The author of the record is at fault: the complainer, or the coordinator that excludes somebody without proof.',
  ),
  commitment_mismatch: entry(
    'secagg',
    false,
    'A reconstructed secret does not match its commitment.',
    'Nothing to do: the round restarts without its author.',
  ),
  not_enough_shares: entry(
    'secagg',
    true,
    'Fewer shares than the threshold came back.',
    'Nothing to do: the attempt is aborted; its abort record says whether the sum may be known to the coordinator.',
  ),
  context_mismatch: entry(
    'secagg',
    false,
    'A record is bound to another model, configuration, cohort or beacon.',
    'Nothing to do: the record is refused.',
  ),
  already_answered: entry(
    'secagg',
    false,
    'This participant has already answered the unmasking of this round.',
    'Nothing to do: answering twice could reveal an update.',
  ),
  update_already_spent: entry(
    'secagg',
    true,
    'An answer on this model would let two sums be subtracted: this participant, or a member of its cohort, has answered for another survivor set, or may have been summed without its own answer.',
    'Nothing to do: it sits out until a commit changes the model, or until an attempt with the members that the message names.',
  ),
  both_secrets_requested: entry(
    'secagg',
    false,
    'A peer is listed both as a survivor and as dropped.',
    'Treat the coordinator as malicious.',
  ),
  survivors_inconsistent: entry(
    'secagg',
    false,
    "The survivor set differs between participants or omits this participant's recorded upload.",
    'Treat the coordinator as malicious if it repeats.',
  ),
  keystore_rolled_back: entry(
    'secagg',
    false,
    'A participant registered with a counter that it had used before: its keystore was put back from a copy, or is used twice.',
    'The old keystore has forgotten what it answered. Take part with a new identity, and use a keystore in one place only.',
  ),
  mask_reuse: entry(
    'secagg',
    false,
    'A second, different upload under the same masks was attempted.',
    'Nothing to do: the participant sits this round out.',
  ),
  // round
  record_malformed: entry(
    'round',
    false,
    'A signed record does not fit its schema.',
    'Check that both sides run the same version of Floe.',
  ),
  signature_invalid: entry(
    'round',
    false,
    'A signature does not verify.',
    'Check the keystore; the record is refused.',
  ),
  record_replayed: entry(
    'round',
    false,
    'A record was seen before or belongs to another run or round.',
    'Nothing to do: the record is refused.',
  ),
  record_conflict: entry(
    'round',
    false,
    'The same author sent two different records for one step.',
    'Nothing to do: the first one stands.',
  ),
  phase_closed: entry(
    'round',
    true,
    'The record came after its phase had closed.',
    'The participant takes part again in the next round.',
  ),
  not_a_member: entry(
    'round',
    false,
    'The run is closed and its specification does not list this key.',
    'Agree on another run whose members include the key; a coordinator cannot add one to this run.',
  ),
  not_in_cohort: entry(
    'round',
    false,
    "The author is not a member of this round's cohort.",
    'Wait for the next round.',
  ),
  round_aborted: entry(
    'round',
    true,
    'The attempt was aborted; the next one starts with new keys.',
    'See the reason; the abort record says whether the sum may be known to the coordinator.',
  ),
  answers_denied: entry(
    'round',
    false,
    'An abort record says that nobody was asked to unmask, and this participant has answered or uploaded in the clear.',
    'Treat the coordinator as malicious: the sum of that attempt may be known to it.',
  ),
  upload_mismatch: entry(
    'round',
    false,
    'An uploaded blob does not match its record.',
    'The participant is left out of the round.',
  ),
  weight_sum_out_of_range: entry(
    'round',
    false,
    'The recovered sum of weights or metrics exceeds what the survivors can have sent.',
    'Some participant lies about its weight; use group aggregation to find it.',
  ),
  mean_out_of_range: entry(
    'round',
    false,
    'The recovered mean is longer than the clip norm and its rounding allow: some participant has not clipped its update.',
    'Nothing to do: the attempt is aborted and the model does not move. A sum names nobody; if it repeats, smaller groups show where the liar is.',
  ),
  transcript_broken: entry(
    'round',
    false,
    "The transcript's hash chain does not hold.",
    'The entry that the message names was changed or lost.',
  ),
  journal_corrupt: entry(
    'round',
    false,
    'The journal is not one of this version, or something in it was changed or lost.',
    'Restore the journal from a backup; Floe does not guess. A disk that is full or read-only has a code of its own.',
  ),
  journal_locked: entry(
    'round',
    true,
    'The journal is in use by another coordinator.',
    'Stop the other process, or give this one its own journal.',
  ),
  run_finished: entry('round', false, 'The run is over.', 'Pull the final model with `floe pull`.'),
  // store, access, ledger
  blob_not_found: entry(
    'store',
    true,
    'No blob with this id.',
    "Retry shortly; then check the store's address.",
  ),
  blob_corrupt: entry(
    'store',
    false,
    'A blob does not match its hash, length or chunk root.',
    'Fetch it from another copy.',
  ),
  blob_too_large: entry(
    'store',
    false,
    'A blob is larger than the limit.',
    'Raise `limits.blobBytes` or shrink the model.',
  ),
  storage_full: entry(
    'store',
    true,
    'The disk of this process has no room left; nothing that was acknowledged is lost.',
    'Free space on the disk that the message names, or raise its quota: this process goes on by itself, or from its state when started again. No other party is at fault.',
  ),
  storage_read_only: entry(
    'store',
    true,
    'This process may not write to a file or folder that it needs.',
    'Give the user of the process write access to the folder that the message names, or mount its disk for writing. No other party is at fault.',
  ),
  storage_failed: entry(
    'store',
    true,
    'The disk of this process failed while it was read or written.',
    "Check the disk and the system's log; what was acknowledged is kept. No other party is at fault.",
  ),
  store_unavailable: entry(
    'store',
    true,
    'The blob store did not answer.',
    "Retry; check the store's address and the disk.",
  ),
  store_refused: entry(
    'store',
    false,
    'The blob store refused the upload.',
    'Only members of the cohort may upload, within the size limit.',
  ),
  access_denied: entry(
    'access',
    false,
    'This identity may not open the key.',
    "Ask the run's owner to admit your address.",
  ),
  gate_unavailable: entry(
    'access',
    true,
    'Too few key servers answered.',
    'Retry; check the network and the key servers of the network configuration.',
  ),
  reader_left_out: entry(
    'access',
    false,
    'A key was wrapped without somebody who must be able to open it: the coordinator, an auditor or a member.',
    'Treat the coordinator as malicious: what is kept from an auditor cannot be checked.',
  ),
  envelope_malformed: entry(
    'access',
    false,
    'A key envelope is broken or belongs to something else.',
    'Fetch it again.',
  ),
  decryption_failed: entry(
    'access',
    false,
    'Authenticated decryption failed: wrong key or altered bytes.',
    'Check the passphrase or fetch the bytes again.',
  ),
  already_frozen: entry(
    'ledger',
    false,
    'The ledger already holds another value for this round.',
    'Nothing to do: a freeze happens once.',
  ),
  ledger_unavailable: entry(
    'ledger',
    true,
    'The ledger did not answer.',
    'Retry; check its address.',
  ),
  transaction_failed: entry(
    'ledger',
    false,
    'The chain refused a transaction.',
    'The message says why: coins that are missing, a contract that aborted.',
  ),
  funds_missing: entry(
    'ledger',
    false,
    'The address that pays has too little SUI for gas or WAL for storage.',
    'Send it the coins that the message names, and start again: nothing was lost.',
  ),
  // verify
  verification_failed: entry(
    'verify',
    false,
    'The recomputation differs from the published result.',
    'The message names the round and the record.',
  ),
  commit_fabricated: entry(
    'verify',
    false,
    'A participant recomputed a part of a commit and got something else: the coordinator has signed a model, a sum or a bundle that the uploads do not give.',
    'Leave the run. The proof is in the keystore and was sent to the coordinator; show it to the other participants, who can repeat the check at the leaf that it names.',
  ),
  // cli
  usage: entry('cli', false, 'A flag or argument is wrong.', 'See `floe <command> --help`.'),
  file_not_found: entry('cli', false, 'A file or folder does not exist.', 'Check the path.'),
  file_exists: entry(
    'cli',
    false,
    'A file or folder exists and would be overwritten.',
    'Choose another path or remove it.',
  ),
  keystore_locked: entry(
    'cli',
    true,
    'The keystore is in use by another process.',
    'Stop the other process or use another keystore.',
  ),
  passphrase_missing: entry(
    'cli',
    false,
    'The keystore needs a passphrase.',
    'Pass --passphrase-file or --passphrase-fd, set FLOE_PASSPHRASE, or call it at a terminal, where it is asked for.',
  ),
  aborted: entry('cli', true, 'The operation was cancelled.', 'Run the command again.'),
  internal: entry(
    'cli',
    false,
    'Something happened that Floe did not expect.',
    'Report it with the output of `floe doctor --json`.',
  ),
} as const satisfies Record<string, ErrorEntry>;
