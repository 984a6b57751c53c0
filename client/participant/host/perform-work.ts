/**
 * @module Performs the work that the machine requests, with the secrets and ports of the host. A
 * result contains no secret.
 */
import { equalBytes, sha256, toHex } from '../../../protocol/bytes.ts';
import { FloeError } from '../../../protocol/errors.ts';
import { signRecord, type SignedRecord } from '../../../protocol/records/records.ts';
import type { CommitEvidence } from '../../../protocol/verify/evidence.ts';
import { PortFault } from '../machine/verdict.ts';
import type { Result, Work, WorkOf } from '../machine/index.ts';
import { checkAbort } from './abort-proof.ts';
import { partyOf, type KeptAttempt } from './attempt-cache.ts';
import {
  checkCommit,
  createTraining,
  fetchModel,
  uploadVector,
  type Task,
  type Train,
} from './background-work.ts';
import * as steps from './crypto-steps.ts';
import { readFreeze } from './freezes.ts';
import { keepUpdate } from './kept-update.ts';
import type { LedgerReader } from '../options.ts';
import type { WorkPorts } from './ports.ts';
import { seedsOfStreams } from './noise-streams.ts';
import { requireBudget, spendBudget } from './privacy-budget.ts';
import type { Keeper } from './secrets.ts';
import { residualState } from './error-feedback.ts';
import type { SiteState } from './site-state.ts';
import { strategyState, type StrategyState } from './strategy-state.ts';

export interface WorksInit {
  readonly ports: WorkPorts;
  readonly keeper: Keeper;
  readonly onTraining: (attempt: number, done: number, total: number) => void;
  /** Lanes of the vector that are done, of all, about once a second. */
  readonly onEncoding: (attempt: number, done: number, total: number) => void;
}

interface Context extends WorksInit {
  readonly train: Train;
  readonly carried: StrategyState;
  readonly leftOut: SiteState | undefined;
}

/** Does one work. @throws FloeError what the machine judges */
export type DoWork = (work: Work, kept: KeptAttempt, task: Task) => Promise<Result>;

const noPart = (what: string): Error => new Error(`the attempt has no ${what}`);

const register = async (
  { keeper, ports: { view, own, keystore, total } }: Context,
  { attempt, open, before, answered, stream, base }: WorkOf<'register'>,
): Promise<Result> => {
  await requireBudget(keystore, view, attempt, total);
  const stated = { answered, stream, base };
  const { sigma, seal, register: record } = steps.makeRegister(view, own, open, before, stated);
  keeper.set(attempt, { sigma, seal });
  return { type: 'register', record };
};

/** The spot check of a commit, at the block of this participant. */
const spotCheckOf = async (
  ports: WorkPorts,
  open: SignedRecord<'open'>,
  evidence: CommitEvidence,
  task: Task,
) => {
  const { view, own, clock } = ports;
  const leaf = steps.blockToCheck(view, own, evidence.commit.hash);
  const started = clock.monotonic();
  const result = await checkCommit(ports, open, evidence, leaf, task);
  return { leaf, result, milliseconds: clock.monotonic() - started };
};

const check = async (
  { ports }: Context,
  { open, evidence }: WorkOf<'check'>,
  kept: KeptAttempt,
  task: Task,
): Promise<Result> => {
  const { leaf, result, milliseconds } = await spotCheckOf(ports, open, evidence, task);
  if (result.type === 'fabricated')
    return { type: 'check', leaf, milliseconds, proof: result.proof };
  kept.content = result.after;
  return { type: 'check', leaf, milliseconds, proof: undefined };
};

const shares = async (
  { keeper, ports: { view, own } }: Context,
  { attempt, cohort, check: checked }: WorkOf<'shares'>,
  kept: KeptAttempt,
): Promise<Result> => {
  const secrets = keeper.secretsOf(attempt);
  const party = partyOf(view, kept, secrets, cohort);
  const { frame, ...sharing } = await steps.makeSharing(view, own, party, attempt, checked);
  keeper.set(attempt, { ...secrets, sharing });
  return { type: 'shares', frame };
};

const inbox = async (
  { keeper, ports: { view, own } }: Context,
  { attempt, cohort, sharers }: WorkOf<'inbox'>,
  kept: KeptAttempt,
): Promise<Result> => {
  const secrets = keeper.secretsOf(attempt);
  const { opened, bad } = await steps.openInbox(partyOf(view, kept, secrets, cohort), sharers);
  if (bad === undefined) {
    keeper.set(attempt, { ...secrets, opened: [...opened] });
    return { type: 'inbox', complaint: undefined };
  }
  const record = steps.makeComplaint(view, own, secrets, cohort, bad);
  const { item, kind, error } = bad;
  const accused = toHex(item.author);
  return { type: 'inbox', complaint: { record, accused, kind, reason: error.message } };
};

const trained = async (
  { train, onTraining }: Context,
  { attempt, round, model, summedIn }: WorkOf<'train'>,
  kept: KeptAttempt,
  signal: AbortSignal,
): Promise<Result> => {
  const { content } = kept;
  if (content === undefined) throw noPart('model');
  const onProgress = (done: number, total: number): void => onTraining(attempt, done, total);
  const made = await train({ round, model, content, summedIn, onProgress }, signal);
  kept.trained = made;
  delete kept.content;
  const { examples, lossSum, correct } = made.result;
  return { type: 'train', examples, lossSum, correct, milliseconds: made.milliseconds };
};

/** Step 8, then training, in the order of a run whose cohorts are drawn. */
const prepare = async (
  { ports, train, onTraining }: Context,
  { attempt, open, evidence, round, summedIn }: WorkOf<'prepare'>,
  kept: KeptAttempt,
  task: Task,
): Promise<Result> => {
  const checked = evidence && (await spotCheckOf(ports, open, evidence, task));
  const seen = checked && {
    commit: evidence.commit,
    leaf: checked.leaf,
    milliseconds: checked.milliseconds,
    proof: checked.result.type === 'fabricated' ? checked.result.proof : undefined,
  };
  if (checked?.result.type === 'fabricated')
    return { type: 'prepare', check: seen, trained: undefined };
  const content = checked?.result.after ?? (await fetchModel(ports, open, task));
  const { model } = open.body;
  const onProgress = (done: number, total: number): void => onTraining(attempt, done, total);
  const made = await train({ round, model, content, summedIn, onProgress }, task.signal);
  task.signal.throwIfAborted();
  await keepUpdate(ports.keystore, ports.view, { attempt, hash: model.hash }, made);
  kept.trained = made;
  const { milliseconds, result } = made;
  const { examples, lossSum, correct } = result;
  return { type: 'prepare', check: seen, trained: { examples, lossSum, correct, milliseconds } };
};

const ENCODING_EVERY_MS = 1000;

const vector = async (
  { keeper, onEncoding, carried, leftOut, ports }: Context,
  { attempt, open, cohort, staleness }: WorkOf<'vector'>,
  kept: KeptAttempt,
  { signal, wait }: Task,
): Promise<Result> => {
  if (kept.trained === undefined) throw noPart('trained weights');
  const { view, own, gate, clock, keystore } = ports;
  const { before, result, member } = kept.trained;
  // On disk before anything is drawn from them: a later attempt adds the same noise again.
  const streams = await seedsOfStreams(keystore, view, own, attempt);
  const { sharing, opened } = keeper.secretsOf(attempt);
  let told = clock.monotonic();
  const { bytes, chunkRoot, envelope, advanced, left } = await steps.makeVector(view, own, {
    open,
    checked: cohort,
    masks: sharing && opened ? { selfSecret: sharing.selfSecret, opened } : undefined,
    before,
    trained: result,
    member,
    staleness,
    streams,
    wrap: (...args) => wait(() => gate.wrap(...args)),
    signal,
    onProgress: (done, total) => {
      const now = clock.monotonic();
      if (now - told < ENCODING_EVERY_MS) return;
      told = now;
      onEncoding(attempt, done, total);
    },
  });
  // Before the vector may leave: what follows from it is known only here.
  if (advanced !== undefined) await carried.propose(attempt, member.kept, advanced);
  if (left !== undefined) await leftOut?.propose(attempt, member.residual!, left);
  kept.vector = bytes;
  delete kept.trained;
  return {
    type: 'vector',
    vector: {
      sha256: sha256(bytes),
      size: bytes.length,
      chunkRoot,
      ...(envelope === undefined ? {} : { envelope }),
    },
  };
};

const keepVector = async (
  { ports: { view, keystore, total } }: Context,
  { attempt, models }: WorkOf<'keep-vector'>,
  kept: KeptAttempt,
): Promise<Result> => {
  const owners = await Promise.all(models.map((model) => keystore.claimModel(model, view.run)));
  const owner = owners.find((one) => !equalBytes(one, view.run)) ?? owners[0];
  if (kept.vector === undefined) throw noPart('vector');
  // The machine refuses it where the model is another run's.
  if (owner === undefined || equalBytes(owner, view.run)) {
    await spendBudget(keystore, view, attempt, total);
    await keystore.saveVector(view.run, kept.vector);
  }
  return { type: 'keep-vector', owner };
};

const signUpload = (
  { ports: { view, own } }: Context,
  { attempt, body }: WorkOf<'sign-upload'>,
): Result => {
  const entropy =
    view.spec.secagg === 'masked' ? {} : { entropy: steps.beaconEntropy(view, own, attempt) };
  const full = { ...body, ...entropy };
  return {
    type: 'sign-upload',
    record: signRecord(own.identity, 'upload', view.run, attempt, full),
  };
};

/** @throws FloeError `usage` where the coordinator alone keeps the freezes */
const ofLedger = ({ ports: { ledger } }: Context): LedgerReader => {
  if (ledger !== undefined) return ledger;
  throw new FloeError('usage', 'policy `ledger` needs a public ledger, and there is none');
};

export const createWorks = (init: WorksInit): DoWork => {
  const { ports, keeper } = init;
  const { view, own, keystore } = ports;
  const context: Context = {
    ...init,
    train: createTraining(ports),
    carried: strategyState(view, keystore),
    leftOut: residualState(view, keystore),
  };
  return async (work, kept, task) => {
    const { signal, wait } = task;
    const { attempt } = work;
    switch (work.type) {
      case 'owner':
        return { type: 'owner', owner: await keystore.ownerOf(work.model) };
      case 'register':
        return register(context, work);
      case 'cohort-freeze': {
        const cohort = await wait(() => readFreeze(ofLedger(context), 'cohort', view.run, attempt));
        return { type: work.type, facts: { cohort } };
      }
      case 'survivors-freeze': {
        const survivors = await wait(() =>
          readFreeze(ofLedger(context), 'survivors', view.run, attempt),
        );
        return { type: work.type, facts: { survivors } };
      }
      case 'check':
        return check(context, work, kept, task);
      case 'shares':
        return shares(context, work, kept);
      case 'inbox':
        return inbox(context, work, kept);
      case 'prepare':
        return prepare(context, work, kept, task);
      case 'fetch':
        kept.content = await fetchModel(ports, work.open, task);
        return { type: 'fetch' };
      case 'train':
        return trained(context, work, kept, signal);
      case 'vector':
        return vector(context, work, kept, task);
      case 'keep-vector':
        return keepVector(context, work, kept);
      case 'upload':
        return { type: 'upload', blob: await uploadVector(ports, work.vector, kept.vector, task) };
      case 'sign-upload':
        return signUpload(context, work);
      case 'sign-consistent': {
        const { body } = work;
        const record = signRecord(own.identity, 'consistent', view.run, attempt, body);
        return { type: 'sign-consistent', record };
      }
      case 'family': {
        const { version, hash } = work.model;
        const family = await wait(() => ofLedger(context).readFamily(view.run, version, hash));
        return { type: 'family', family };
      }
      case 'answer': {
        const made = await steps.makeAnswer(view, own, keeper.secretsOf(attempt), work);
        return { type: 'answer', ...made };
      }
      case 'prove': {
        const { record } = work;
        return { type: 'prove', record, culprits: await checkAbort(work.view, record) };
      }
    }
  };
};

export const isKeystoreFault = (thrown: unknown): thrown is PortFault =>
  thrown instanceof PortFault && thrown.port === 'keystore';
