/**
 * @module The spot check of the commit that a round starts from, between the cohort and the shares:
 * evidence in, then the check beside the frames, then either the shares or the proof that the
 * commit is wrong (secure-aggregation, section 2, step 8).
 */
import { equalBytes } from '../../protocol/bytes.ts';
import { FloeError } from '../../protocol/errors.ts';
import { encodeFrame, type ServerFrame } from '../../protocol/wire/messages.ts';
import { encodeProof, fabricated, type CommitProof } from '../../protocol/verify/commit-proof.ts';
import { checkEvidence } from './evidence.ts';
import type { Live } from './current-attempt.ts';
import type { Progress } from './progress.ts';
import { trainAndShare } from './sharing.ts';
import { blockToCheck } from './crypto-steps.ts';

/** Keeps the records of the commit to check. @throws FloeError as `checkEvidence` */
export const onEvidence = (
  progress: Progress,
  { records }: Extract<ServerFrame, { type: 'evidence' }>,
): void => {
  const { live } = progress;
  // Sent again after a reconnect, and to members of earlier rounds that sit this one out.
  if (live === undefined || live.evidence !== undefined) return;
  live.evidence = checkEvidence(progress.ports.view, live.opened, records);
};

/**
 * Whether the round starts from a commit that this participant has not checked yet. A commit that
 * an earlier attempt checked counts where the Open record was held to it: then model and beacon are
 * the committed ones.
 */
const mustCheck = (
  progress: Progress,
  { open, opened: { previous }, isChecked }: Live,
): boolean => {
  const { bundle, model } = open.body;
  const { checked } = progress.memory.run;
  if (bundle === undefined || isChecked === true) return false;
  const heldTo = previous?.round === model.version ? previous.hash : undefined;
  return !(checked && heldTo && equalBytes(checked.commit, heldTo));
};

/**
 * What follows the cohort.
 *
 * @throws FloeError `unexpected_frame` without the evidence, which says too whether the invited
 * were drawn
 */
export const checkThenShare = async (progress: Progress, live: Live): Promise<void> => {
  if (live.open.body.bundle !== undefined && live.evidence === undefined)
    throw new FloeError('unexpected_frame', 'the cohort came before the evidence of the commit');
  return mustCheck(progress, live) ? check(progress, live) : trainAndShare(progress, live);
};

/**
 * Checks the commit beside the frames; a participant that finds it wrong does nothing more in this
 * run. Whoever sees what it reads may stop the check and show another commit of the round, or wait
 * for another block: there is neither, also after a restart.
 */
const check = async (progress: Progress, live: Live): Promise<void> => {
  const { evidence, open, busy } = live;
  if (busy.has('check') || evidence === undefined) return;
  const { view, own, clock, emit } = progress.ports;
  const leaf = blockToCheck(view, own, evidence.commit.hash);
  await progress.memory.learnCommit(evidence.commit);
  const started = clock.now();
  progress.beside.start(live, 'check', {
    work: (task) => progress.beside.check(open, evidence, leaf, task),
    done: async (result) => {
      if (result.type === 'fabricated') return accuse(progress, result.proof);
      const { commit } = evidence;
      await progress.memory.noteCheck(commit, leaf);
      live.isChecked = true;
      live.content = result.after;
      const milliseconds = clock.now() - started;
      emit({ type: 'checked', round: open.round, commit: commit.round, leaf, milliseconds });
      await trainAndShare(progress, live);
    },
  });
};

/**
 * Keeps the proof, tells the coordinator and the user, and stops. @throws FloeError
 * `commit_fabricated`
 */
const accuse = async (progress: Progress, proof: CommitProof): Promise<never> => {
  const encoded = encodeProof(proof);
  const error = fabricated(proof);
  const round = progress.live?.open.round ?? 0;
  progress.stop();
  await progress.memory.noteProof(encoded);
  await progress.memory.end(error.code);
  progress.ports.send(encodeFrame({ type: 'withdraw', round, code: error.code, proof: encoded }));
  progress.ports.emit({ type: 'fabricated', round, proof, error });
  throw error;
};
