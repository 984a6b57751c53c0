/**
 * @module The survivors and the answer: a participant signs the one set that it has seen, and
 * answers for it when enough others have signed the same and its update is not spent otherwise.
 * Bonawitz et al. 2017, rounds 3 and 4; secure-aggregation, 2.0.
 */
import { equalBytes, toHex } from '../../../protocol/bytes.ts';
import { FloeError } from '../../../protocol/errors.ts';
import { decodeRecordOf, type SignedRecord } from '../../../protocol/records/records.ts';
import { Breach, inGroup, livingGroups, type LedgerFacts } from '../../../protocol/rules/index.ts';
import { answerUnmask } from '../../../protocol/secagg/index.ts';
import type { ServerFrame } from '../../../protocol/wire/messages.ts';
import * as checks from './record-checks.ts';
import { isMasked, type MachineConfig } from './config.ts';
import { emit, same, save, sendRecord, type Effect, type Step } from './effects.ts';
import type { ResultOf } from './events.ts';
import { withdraw } from './withdrawal.ts';
import * as memories from './run-memory.ts';
import { notInAttempt } from './open-and-register.ts';
import * as spending from './spending.ts';
import { inAttempt, withAttempt, type PhaseOf, type State } from './state.ts';
import { startWork } from './start-work.ts';

/** Once the entries are opened, or at once without masks, a set of survivors may come. */
const awaitsSurvivors = ({
  phase,
}: State): PhaseOf<'uploading'> | PhaseOf<'answering'> | undefined =>
  phase.type === 'uploading' || phase.type === 'answering' ? phase : undefined;

/**
 * Signs the survivor set, once, and the same one again when it is asked again.
 *
 * @throws FloeError `survivors_inconsistent`; those of the rules of Survivors
 */
export const onSurvivors = (
  config: MachineConfig,
  before: State,
  record: SignedRecord<'survivors'>,
): Step => {
  if (inAttempt(before.phase)?.attempt.open.attempt !== record.attempt)
    return notInAttempt(before, record);
  const known = awaitsSurvivors(before);
  if (known === undefined)
    return withdraw(before, new FloeError('unexpected_frame', 'survivors came before the cohort'));
  const attempt = memories.saved(before.memory);
  const { members, rejected, hash } = record.body;
  const upload =
    attempt.upload === undefined ? undefined : decodeRecordOf('upload', attempt.upload);
  const isSelf = (key: Uint8Array): boolean => equalBytes(key, config.view.self);
  const refused = rejected.find(({ member }) => isSelf(member));
  const counted = upload !== undefined && known.attempt.acked.has(toHex(upload.hash));
  if (!members.some(isSelf) && (refused !== undefined || !counted))
    // Too late or refused: the others continue, and this participant has nothing to answer.
    return withdraw(
      before,
      refused?.code === 'group_too_small'
        ? new FloeError('group_too_small', 'too few of the own group uploaded in time')
        : new FloeError('phase_closed', refused?.code ?? 'the upload came too late'),
    );
  if (upload === undefined)
    throw new FloeError('survivors_inconsistent', 'a survivor without an upload of its own');
  const { shown } = known.attempt;
  const signedBefore = attempt.consistent && decodeRecordOf('consistent', attempt.consistent);
  const earlier = signedBefore?.body.survivors ?? shown.survivors?.body.hash;
  if (earlier !== undefined && !equalBytes(earlier, hash))
    throw new Breach('survivors_inconsistent', 'a second, different survivor set in an attempt', [
      record,
      ...[shown.survivors ?? signedBefore].flatMap((other) => other ?? []),
    ]);
  const phase = withAttempt(known, { shown: { ...shown, survivors: record } });
  const state = { ...before, phase };
  return config.hasLedger
    ? startWork(state, { type: 'survivors-freeze', attempt: record.attempt })
    : signSet(config, state, phase, {});
};

/** With what the ledger holds. @throws FloeError as `onSurvivors` */
export const signSet = (
  config: MachineConfig,
  state: State,
  phase: PhaseOf<'uploading'> | PhaseOf<'answering'>,
  facts: LedgerFacts,
): Step => {
  const { attempt, cohort, standings, training, sharers } = phase;
  const survivors = attempt.shown.survivors!;
  const { upload, consistent } = memories.saved(state.memory);
  const { hash } = decodeRecordOf('upload', upload!);
  const view = checks.checkSurvivors(config.view, attempt.view, hash, survivors, facts);
  const next: PhaseOf<'answering'> = {
    ...(phase.type === 'answering' ? phase : { cohort, standings, training, sharers }),
    type: 'answering',
    attempt: { ...attempt, view },
    survivors,
  };
  const signing = { ...state, phase: next };
  if (!isMasked(config)) {
    const memory = { ...state.memory, ...summedIn(state, next) };
    return same({ ...signing, memory }, save(memory, 'warn'));
  }
  if (consistent !== undefined) return same(signing, sendRecord(consistent));
  return startWork(signing, {
    type: 'sign-consistent',
    attempt: survivors.attempt,
    body: { context: cohort.context, survivors: survivors.body.hash },
  });
};

/** The own update is in the sum of this set, and so is the own noise. */
const summedIn = ({ memory }: State, { attempt, survivors }: PhaseOf<'answering'>) => ({
  ...memories.inSurvivors(survivors),
  ...memories.streamIn(attempt.view, memory, survivors),
});

export const onSetSigned = (state: State, { record }: ResultOf<'sign-consistent'>): Step => {
  const { phase } = state;
  const summed = phase.type === 'answering' ? summedIn(state, phase) : {};
  const memory = memories.add(state.memory, { consistent: record.bytes }, summed);
  return same({ ...state, memory }, save(memory), sendRecord(record.bytes));
};

const resendAnswer = (record: Uint8Array, answer: Uint8Array): Effect => ({
  type: 'send',
  frame: { type: 'unmask', record, answer },
});

/**
 * Answers for the set that enough survivors have signed.
 *
 * @throws FloeError `survivors_inconsistent`, `update_already_spent`; as `answerUnmask`
 */
export const onConsistency = (
  config: MachineConfig,
  state: State,
  frame: Extract<ServerFrame, { type: 'consistency' }>,
): Step => {
  if (inAttempt(state.phase) === undefined) return same(state);
  const { phase } = state;
  const { guard, unmask, answer, upload } = memories.saved(state.memory);
  if (phase.type !== 'answering' || !phase.sharers || !guard || !upload)
    return withdraw(
      state,
      new FloeError('unexpected_frame', 'consistency came before the survivors'),
    );
  const { attempt, cohort } = phase;
  checks.checkConsistency({ ...attempt.view, cohort: cohort.record }, frame);
  if (unmask !== undefined && answer !== undefined)
    return same(state, resendAnswer(unmask, answer));
  const { model } = attempt.open.body;
  if (spending.policyIn(config.view, config.answers) === 'ledger')
    return startWork(state, { type: 'family', attempt: attempt.open.attempt, model });
  return release(config, state, phase, undefined);
};

/**
 * Asks the guard, and the rules of what was spent; the answer and what it spends are saved before
 * it leaves.
 *
 * @param family what the ledger lists on the model, where the policy is `ledger`
 * @throws FloeError as `onConsistency`
 */
export const release = (
  config: MachineConfig,
  state: State,
  phase: PhaseOf<'answering'>,
  family: ResultOf<'family'>['family'] | undefined,
): Step => {
  // Answered while the ledger was read, or about to be.
  if (phase.attempt.busy.has('answer')) return same(state);
  const { attempt, cohort, sharers, survivors, standings } = phase;
  const { guard, vector } = memories.saved(state.memory);
  const { open } = attempt;
  const { members, hash } = survivors.body;
  const own = inGroup(cohort.group, members);
  spending.checkAnswer(config.view, config.answers, state.memory, family, {
    open,
    standings,
    survivors: own,
    beside: livingGroups(cohort.view, members).flatMap(({ group, present }) =>
      group.index === cohort.group.index ? [] : [present],
    ),
  });
  const { context } = cohort;
  const request = {
    context,
    survivors: own,
    dropped: droppedIn(phase),
    ownUpload: vector!.sha256,
  };
  const rules = checks.guardRules(config.view, cohort);
  const { state: released, reveal } = answerUnmask(guard!, request, rules);
  if (sharers === undefined) return same(state);
  return startWork(
    { ...state, phase: { ...phase, released } },
    { type: 'answer', attempt: open.attempt, open, context, survivors: hash, reveal },
  );
};

/** Who of the own group shared and is no survivor. */
const droppedIn = ({ cohort, sharers, survivors }: PhaseOf<'answering'>): Uint8Array[] =>
  inGroup(cohort.group, sharers?.record.body.members ?? []).filter(
    (member) => !survivors.body.members.some((survivor) => equalBytes(survivor, member)),
  );

export const onAnswer = (
  state: State,
  phase: PhaseOf<'answering'>,
  { record, answer }: ResultOf<'answer'>,
): Step => {
  const { attempt, survivors, cohort } = phase;
  const members = inGroup(cohort.group, survivors.body.members);
  const memory = memories.add(
    state.memory,
    { guard: memories.guardOf(phase.released!), unmask: record.bytes, answer },
    spending.answeredFor(state.memory, attempt.open.body.model.hash, record.attempt, members),
  );
  return same(
    { ...state, memory },
    save(memory),
    resendAnswer(record.bytes, answer),
    emit({
      type: 'unmasked',
      attempt: record.attempt,
      survivors: members.length,
      dropped: droppedIn(phase).length,
    }),
  );
};
