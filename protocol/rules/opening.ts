/**
 * @module Rules of Open, Register and Cohort (Bonawitz et al. 2017, round 0).
 */
import { equalBytes, toHex } from '../bytes.ts';
import { FloeError } from '../errors.ts';
import { cohortEntropy, localBeacon } from '../ledger/beacon.ts';
import type { ModelRef } from '../records.ts';
import { mayBeginWith } from '../run-spec.ts';
import { cohortRoot, requireSortedIds, validatePublicKeys } from '../secagg/index.ts';
import { finding, includes, rulesOf, sameList, type Rule } from './rule.ts';
import { thresholdOf } from './view.ts';

/** Whether two references name the same clear model in the same blob; envelopes differ by reader. */
const sameModel = (a: ModelRef, b: ModelRef): boolean =>
  a.version === b.version &&
  equalBytes(a.hash, b.hash) &&
  equalBytes(a.blob.sha256, b.blob.sha256) &&
  a.blob.size === b.blob.size;

const open = rulesOf('open');
const OPEN: readonly Rule[] = [
  open({
    name: 'config',
    says: 'The configuration is that of the run.',
    code: 'spec_mismatch',
    check: ({ run }, { body }) =>
      equalBytes(body.config, run) ? undefined : 'the round is opened under another configuration',
  }),
  open({
    name: 'invited',
    says: 'The invited are sorted, each once, no more than the cohort size times `overSelect`.',
    code: 'record_malformed',
    check: ({ spec }, { body: { invited } }) => {
      const most = Math.ceil(spec.cohort.size * spec.cohort.overSelect);
      if (invited.length > most) return `expected at most ${most} invited, got ${invited.length}`;
      return finding(() => requireSortedIds(invited, 'record_malformed', 'invited'));
    },
  }),
  open({
    name: 'first-model',
    says: 'A run starts from the model that its specification names.',
    code: 'spec_mismatch',
    check: ({ spec }, { body: { model } }) =>
      model.version > 0 || mayBeginWith(spec, model.hash)
        ? undefined
        : 'the run starts from another model than it says',
  }),
  open({
    name: 'model',
    says: 'The model is that of the last commit, or the first one where there is none.',
    code: 'record_conflict',
    check: ({ previous, complete }, { body: { model }, round }) => {
      if (model.version >= round)
        return `round ${round} cannot start from the model of round ${model.version}`;
      if (previous === undefined)
        return complete && model.version !== 0
          ? `round ${round} starts from the model of round ${model.version}, which was not committed`
          : undefined;
      // A participant may have missed commits; it never goes back behind one that it knows.
      const newer = !complete && model.version > previous.round;
      return newer || sameModel(model, previous.body.model)
        ? undefined
        : `round ${round} starts from another model than the one committed in round ${previous.round}`;
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
    name: 'keys',
    says: 'The public keys are valid: no X25519 point of low order, ML-KEM coefficients in range.',
    code: 'key_invalid',
    check: (_view, { body }) => finding(() => validatePublicKeys(body)),
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
    says: 'The cohort has at least the minimum of the specification.',
    code: 'cohort_too_small',
    check: ({ spec }, { body: { members } }) =>
      members.length >= spec.cohort.minimum
        ? undefined
        : `expected at least ${spec.cohort.minimum} members, got ${members.length}`,
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
    says: 'No recorded registration is left out.',
    code: 'record_malformed',
    complete: true,
    check: ({ registers }, { body }) =>
      registers.size === body.members.length
        ? undefined
        : `${registers.size} registered, the cohort has ${body.members.length} members`,
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
  cohort({
    name: 'threshold',
    says: 'The threshold is that of the cohort size; 0 without masks.',
    code: 'record_malformed',
    check: (view, { body }) => {
      const expected = thresholdOf(view, body.members.length);
      return body.threshold === expected
        ? undefined
        : `expected the threshold ${expected}, got ${body.threshold}`;
    },
  }),
  cohort({
    name: 'beacon',
    says: 'The beacon follows from the records, where the ledger does not draw it.',
    code: 'record_malformed',
    check: ({ beacon, registers }, { body }) => {
      if (beacon === 'ledger') return undefined;
      const nonces = body.members.flatMap(
        (member) => registers.get(toHex(member))?.body.nonce ?? [],
      );
      return equalBytes(body.beacon, localBeacon(body.root, cohortEntropy(nonces)))
        ? undefined
        : "the beacon is not that of the members' nonces";
    },
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

export const OPENING_RULES: readonly Rule[] = [...OPEN, ...REGISTER, ...COHORT];
