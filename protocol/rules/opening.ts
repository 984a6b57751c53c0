/**
 * @module Rules of Open, Register and Cohort (Bonawitz et al. 2017, round 0).
 */
import { leastCohort } from '../robust/groups.ts';
import { requireReaders } from '../model/key-envelopes.ts';
import { equalBytes, toHex } from '../bytes.ts';
import { FloeError } from '../errors.ts';
import { FIRST_MEAN_EXAMPLES } from '../encoding/index.ts';
import { addressOf } from '../ports/identity.ts';
import { localBeacon } from './beacon.ts';
import type { ModelRef } from '../records/records.ts';
import { mayBeginWith, mayBeginWithState } from '../spec/first-version.ts';
import { cohortRoot, requireSortedIds, validatePublicKeys } from '../secagg/index.ts';
import { finding, includes, rulesOf, sameList, setOf, type Rule } from './rule.ts';
import { BUDGET_RULES } from './budget.ts';
import { CENTRAL_NOISE_RULES } from './central-noise.ts';
import { CLIP_NORM_RULES } from './clip-norm.ts';
import { BUFFER_RULES } from './buffered.ts';
import { DRAW_RULES } from './draw-rules.ts';
import { GROUPING_RULES } from './grouping-rules.ts';
import { thresholdOf } from './groups.ts';
import { mostInvited, selectionFault } from './selection.ts';

const NOTHING = new Uint8Array();

/**
 * Whether two references name the same clear model in the same blob; envelopes differ by reader.
 */
const sameModel = (a: ModelRef, b: ModelRef): boolean =>
  a.version === b.version &&
  equalBytes(a.hash, b.hash) &&
  equalBytes(a.state ?? NOTHING, b.state ?? NOTHING) &&
  equalBytes(a.blob.sha256, b.blob.sha256) &&
  a.blob.size === b.blob.size;

const open = rulesOf('open');
const OPEN: readonly Rule[] = [
  open({
    name: 'invited',
    says: 'The invited are sorted, each once, no more than the cohort size times `overSelect`.',
    code: 'record_malformed',
    check: ({ spec }, { body: { invited } }) => {
      const most = mostInvited(spec);
      if (invited.length > most) return `expected at most ${most} invited, got ${invited.length}`;
      return finding(() => requireSortedIds(invited, 'record_malformed', 'invited'));
    },
  }),
  open({
    name: 'rounds',
    says: 'No attempt follows the last round of the specification.',
    code: 'spec_mismatch',
    check: ({ spec, committed }, { body }) =>
      Math.max(committed, body.committed) < spec.rounds
        ? undefined
        : `the run has ${spec.rounds} rounds, and all of them are committed`,
  }),
  open({
    name: 'committed',
    says: 'The number of commits before the attempt is right; a participant may have missed some.',
    code: 'record_conflict',
    check: ({ committed, complete }, { body: { committed: claimed, model } }) => {
      const isFirst = model.version === 0;
      const isRight = complete ? claimed === committed : claimed >= committed;
      return isRight && isFirst === (claimed === 0)
        ? undefined
        : `expected ${committed} commits before the attempt, got ${claimed}`;
    },
  }),
  open({
    name: 'beacon',
    says: 'The beacon is that of the last commit.',
    code: 'record_conflict',
    check: ({ previous }, { body }) =>
      // A participant may have missed commits; before the first one there is nothing to compare
      // with.
      previous === undefined ||
      body.model.version !== previous.attempt ||
      equalBytes(body.beacon, previous.body.beacon)
        ? undefined
        : 'the beacon is not that of the last commit',
  }),
  open({
    name: 'examples',
    says: 'The mean of the example counts is that of the last commit, or 5 before the first.',
    code: 'record_conflict',
    check: ({ previous }, { body: { meanExamples, model } }) => {
      const known = previous?.attempt === model.version ? previous.body.meanExamples : undefined;
      const expected = model.version === 0 ? FIRST_MEAN_EXAMPLES : known;
      return expected === undefined || expected === meanExamples
        ? undefined
        : `expected a mean of ${expected} examples, got ${meanExamples}`;
    },
  }),
  open({
    name: 'members',
    says: 'The invited are members of a closed run; of one in batches, exactly one whole batch.',
    code: 'not_a_member',
    check: ({ spec }, { body }) => selectionFault(spec, body.invited, 'invited'),
  }),
  open({
    name: 'key',
    says: "The coordinator's key of the attempt is valid.",
    code: 'key_invalid',
    check: (_view, { body }) => finding(() => validatePublicKeys(body.key)),
  }),
  open({
    name: 'readers',
    says: 'The coordinator, every auditor and every invited participant are readers of the model and of the bundle to check.',
    code: 'reader_left_out',
    check: ({ spec }, { attempt, body: { model, bundle, invited } }) =>
      finding(() => {
        const readers = { spec, members: invited, cohortOf: attempt };
        const { version } = model;
        const of = { attempt: version, role: 'model' } as const;
        requireReaders(model.envelope, { ...readers, purpose: of });
        if (bundle !== undefined)
          requireReaders(bundle.envelope, { ...readers, purpose: { ...of, role: 'bundle' } });
      }),
  }),
  open({
    name: 'first-model',
    says: 'A run starts from the model that its seed gives, or from the parent that it names; likewise the state of its strategy.',
    code: 'spec_mismatch',
    check: ({ spec }, { body: { model } }) => {
      if (model.version > 0) return undefined;
      if (!mayBeginWith(spec, model.hash)) return 'the run starts from another model than it says';
      return mayBeginWithState(spec, model.state)
        ? undefined
        : 'the run starts from another state of its strategy than it says';
    },
  }),
  open({
    name: 'model',
    says: 'The model is that of the last commit, or the first one where there is none.',
    code: 'record_conflict',
    check: ({ previous, complete }, { body: { model }, attempt }) => {
      if (model.version >= attempt)
        return `attempt ${attempt} cannot start from the model of attempt ${model.version}`;
      if (previous === undefined)
        return complete && model.version !== 0
          ? `attempt ${attempt} starts from the model of attempt ${model.version}, which was not committed`
          : undefined;
      // A participant may have missed commits; it never goes back behind one that it knows.
      const newer = !complete && model.version > previous.attempt;
      return newer || sameModel(model, previous.body.model)
        ? undefined
        : `attempt ${attempt} starts from another model than the one committed in attempt ${previous.attempt}`;
    },
  }),
  open({
    name: 'bundle',
    says: 'A masked attempt names the commit that it starts from, for its cohort to check; no other attempt names one.',
    code: 'record_malformed',
    check: ({ spec, previous }, { body: { bundle, model } }) => {
      const wanted = spec.secagg === 'masked' && model.version > 0;
      if (wanted !== (bundle !== undefined))
        return wanted
          ? 'the attempt names no commit to check'
          : 'the attempt names a commit to check where there is none';
      const known = previous?.attempt === model.version ? previous : undefined;
      return bundle === undefined || known === undefined || equalBytes(bundle.commit, known.hash)
        ? undefined
        : new FloeError('record_conflict', 'the attempt names another commit to check');
    },
  }),
];

const register = rulesOf('register');
const REGISTER: readonly Rule[] = [
  register({
    name: 'open',
    says: 'A registration answers the Open record of its attempt.',
    code: 'record_replayed',
    needs: ['open'],
    check: (view, { body }) =>
      equalBytes(body.open, view.open.hash)
        ? undefined
        : 'the registration answers another open record',
  }),
  register({
    name: 'invited',
    says: 'Only the invited register.',
    code: 'not_in_cohort',
    needs: ['open'],
    check: (view, { author }) =>
      includes(view.open.body.invited, author) ? undefined : 'its author was not invited',
  }),
  register({
    name: 'counter',
    says: 'The counter continues from the last registration of its author that is known, and the record names that one.',
    code: 'keystore_rolled_back',
    check: ({ lastRegisterOf }, { author, body: { counter, previous } }) => {
      if ((previous === undefined) !== (counter === 1))
        return new FloeError(
          'record_malformed',
          'a registration names the one before it, unless it is the first',
        );
      const known = lastRegisterOf(toHex(author));
      if (known === undefined || counter > known.counter + 1) return undefined;
      if (counter <= known.counter)
        return `${addressOf(author)} registers with counter ${counter} after ${known.counter}`;
      return previous !== undefined && equalBytes(previous, known.hash)
        ? undefined
        : `${addressOf(author)} has forgotten its registration with counter ${known.counter}`;
    },
  }),
  register({
    name: 'keys',
    says: 'The public keys are valid: no X25519 point of low order, ML-KEM coefficients in range.',
    code: 'key_invalid',
    check: (_view, { body }) =>
      finding(() => validatePublicKeys(body.mask)) ?? finding(() => validatePublicKeys(body.seal)),
  }),
];

const cohort = rulesOf('cohort');
const COHORT: readonly Rule[] = [
  cohort({
    name: 'members',
    says: 'The members are sorted, each once.',
    code: 'record_malformed',
    check: (_view, { body }) =>
      finding(() => requireSortedIds(body.members, 'record_malformed', 'members')),
  }),
  cohort({
    name: 'size',
    says: 'The cohort has at least the minimum of the specification; in groups, members for as many groups as the rule needs.',
    code: 'cohort_too_small',
    check: ({ spec }, { body: { members, groups } }) => {
      const least = leastCohort(spec, groups !== undefined);
      return members.length >= least
        ? undefined
        : `expected at least ${least} members, got ${members.length}`;
    },
  }),
  cohort({
    name: 'largest',
    says: 'The cohort has at most the size of the specification.',
    code: 'cohort_too_large',
    check: ({ spec }, { body: { members } }) =>
      members.length <= spec.cohort.size
        ? undefined
        : `expected at most ${spec.cohort.size} members, got ${members.length}`,
  }),
  cohort({
    name: 'batch',
    says: 'The cohort is of members of a closed run; of one in batches, one whole batch.',
    code: 'not_a_member',
    check: ({ spec }, { body }) => selectionFault(spec, body.members, 'cohort'),
  }),
  cohort({
    name: 'registers',
    says: 'The record names the registration of each member, in order.',
    code: 'record_malformed',
    check: ({ registers }, { body }) =>
      sameList(
        body.registers,
        body.members.map((member) => registers.get(toHex(member))?.hash),
      )
        ? undefined
        : 'the cohort record names other registrations',
  }),
  cohort({
    name: 'everybody',
    says: 'No recorded registration is left out, but for those that say that their author has answered on this model.',
    code: 'record_malformed',
    complete: true,
    check: ({ registers }, { body: { members } }) => {
      const known = setOf(members);
      const left = [...registers].find(([key, of]) => !known.has(key) && !of.body.answered);
      return left === undefined ? undefined : `${left[0]} registered and is not in the cohort`;
    },
  }),
  cohort({
    name: 'root',
    says: 'The root is the Merkle root of the members.',
    code: 'record_malformed',
    check: (_view, { body }) =>
      finding(() => {
        if (!equalBytes(body.root, cohortRoot(body.members)))
          throw new FloeError(
            'record_malformed',
            'the root of the cohort is not that of its members',
          );
      }),
  }),
  ...GROUPING_RULES,
  cohort({
    name: 'threshold',
    says: 'The threshold is that of the cohort size, in groups that of the smallest group; 0 without masks.',
    code: 'record_malformed',
    check: ({ spec }, record) =>
      finding(() => {
        const expected = thresholdOf({ spec, cohort: record });
        if (record.body.threshold !== expected)
          throw new FloeError(
            'record_malformed',
            `expected the threshold ${expected}, got ${record.body.threshold}`,
          );
      }),
  }),
  cohort({
    name: 'beacon',
    says: 'The beacon binds the beacon of the Open record to the cohort, where the ledger does not draw it.',
    code: 'record_malformed',
    needs: ['open'],
    check: ({ beacon, open: { body: opened } }, { body }) =>
      beacon === 'ledger' || equalBytes(body.beacon, localBeacon(body.root, opened.beacon))
        ? undefined
        : 'the beacon is not that of the cohort',
  }),
  cohort({
    name: 'ledger',
    says: 'The ledger holds this cohort and this beacon.',
    code: 'context_mismatch',
    check: ({ ledger }, { body }) => {
      if (ledger.cohort === undefined) return undefined;
      const holds =
        ledger.cohort !== null &&
        equalBytes(ledger.cohort.root, body.root) &&
        equalBytes(ledger.cohort.beacon, body.beacon);
      return holds ? undefined : 'the ledger holds another cohort or beacon';
    },
  }),
];

export const OPENING_RULES: readonly Rule[] = [
  ...OPEN,
  ...CLIP_NORM_RULES,
  ...CENTRAL_NOISE_RULES,
  ...DRAW_RULES,
  ...BUDGET_RULES,
  ...REGISTER,
  ...COHORT,
  ...BUFFER_RULES,
];
