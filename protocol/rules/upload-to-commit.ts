/**
 * @module Rules of Survivors, Consistent, Unmask, Commit and Abort (Bonawitz et al. 2017, rounds 2
 * to 4).
 */
import { requireReaders } from '../model/key-envelopes.ts';
import { hashStrategy, strategyOf } from '../algorithm/registry.ts';
import { layoutOf } from '../algorithm/round.ts';
import { equalBytes, toHex } from '../bytes.ts';
import { FloeError, isErrorCode } from '../errors.ts';
import { nextBeacon } from './beacon.ts';
import { groupSizeOf } from '../robust/groups.ts';
import { decodeRecordOf, type SignedRecord } from '../records/records.ts';
import { groupsOf, livingGroups, type CohortGroup } from './groups.ts';
import { finding, includes, rulesOf, sameList, setOf, type Rule } from './rule.ts';
import { contextRule } from './sharing.ts';
import { SURVIVORS_RULES, summedSharers } from './survivors.ts';
import { coverFault, isMasked, type AttemptView } from './view.ts';

/** The groups whose sums are in the commit: the whole cohort, where it has no groups. */
const summedGroups = (
  view: AttemptView & { readonly cohort: SignedRecord<'cohort'> },
): readonly CohortGroup[] =>
  groupSizeOf(view.spec) === undefined
    ? groupsOf(view)
    : livingGroups(view, view.survivors?.body.members ?? []).map(({ group }) => group);

/** Rules that Consistent and Unmask share. */
const answerRules = (type: 'consistent' | 'unmask'): readonly Rule[] => {
  const answer = rulesOf(type);
  return [
    answer({
      name: 'masked',
      says: 'Survivors answer in masked runs only.',
      code: 'unexpected_frame',
      check: (view) => (isMasked(view) ? undefined : 'a run without masks asks for no answers'),
    }),
    contextRule(type),
    answer({
      name: 'survivor',
      says: 'Only survivors answer.',
      code: 'not_in_cohort',
      needs: ['survivors'],
      check: (view, { author }) =>
        includes(view.survivors.body.members, author) ? undefined : 'its author is not a survivor',
    }),
    answer({
      name: 'set',
      says: 'The answer is for the survivor set of the attempt.',
      code: 'survivors_inconsistent',
      needs: ['survivors'],
      check: (view, { body }) =>
        equalBytes(body.survivors, view.survivors.body.hash)
          ? undefined
          : 'the record names another survivor set',
    }),
  ];
};

const commit = rulesOf('commit');
const COMMIT: readonly Rule[] = [
  commit({
    name: 'survivors',
    says: 'The commit is over the survivor set of the attempt.',
    code: 'survivors_inconsistent',
    needs: ['survivors'],
    check: (view, { body }) =>
      equalBytes(body.survivors, view.survivors.body.hash)
        ? undefined
        : 'the commit is over another survivor set',
  }),
  commit({
    name: 'before',
    says: 'The step starts from the model that the attempt was opened with.',
    code: 'record_conflict',
    needs: ['open'],
    check: ({ open }, { body }) =>
      equalBytes(body.step.before, open.body.model.hash)
        ? undefined
        : 'the step does not start from the model of the attempt',
  }),
  commit({
    name: 'after',
    says: 'The step ends in the committed model, whose version is the number of the attempt.',
    code: 'record_malformed',
    check: (_view, { body: { step, model }, attempt }) =>
      equalBytes(step.after, model.hash) && model.version === attempt
        ? undefined
        : 'the commit names another model than its step ends in',
  }),
  commit({
    name: 'strategy',
    says: 'The step is that of the strategy and the parameters of the specification.',
    code: 'record_malformed',
    check: ({ spec: { strategy } }, { body: { step } }) =>
      step.strategy === strategy.name && equalBytes(step.parameters, hashStrategy(strategy))
        ? undefined
        : `expected ${strategy.name} with the parameters of the specification, got ${step.strategy}`,
  }),
  commit({
    name: 'state',
    says: 'The committed model has a state where the strategy of the run has one, and only there.',
    code: 'record_malformed',
    check: ({ spec }, { body: { model } }) =>
      strategyOf(spec).strategy.state.length > 0 === (model.state !== undefined)
        ? undefined
        : `the model comes ${model.state === undefined ? 'without the' : 'with a'} state`,
  }),
  commit({
    name: 'numbers',
    says: 'Weight and metrics are not negative; the metrics are those of the specification, in order.',
    code: 'record_malformed',
    check: ({ spec }, { body: { weight, metrics } }) => {
      if (weight < 0 || metrics.some(({ sum }) => sum < 0))
        return 'the commit claims a negative weight or metric';
      const named = metrics.map(({ name }) => name).join(', ');
      const expected = spec.metrics.map(({ name }) => name).join(', ');
      return named === expected ? undefined : `expected the metrics ${expected}, got ${named}`;
    },
  }),
  commit({
    name: 'aggregate',
    says: 'The sum has the size of an upload without its envelope; in groups, that of the sums of all groups with survivors.',
    code: 'record_malformed',
    needs: ['open', 'cohort'],
    check: (view, { body }) => {
      const { spec, open, cohort, survivors: alive } = view;
      const { meanExamples } = open.body;
      if (groupSizeOf(spec) !== undefined && alive === undefined) return undefined;
      const sums = summedGroups(view).length;
      const expected = sums * layoutOf(spec, cohort.body.members.length, meanExamples).byteLength;
      return body.aggregate.size === expected
        ? undefined
        : `expected a sum of ${expected} bytes, got ${body.aggregate.size}`;
    },
  }),
  commit({
    name: 'beacon',
    says: 'Without masks the next beacon is made of the entropy of the uploads that count.',
    code: 'record_malformed',
    needs: ['open', 'survivors'],
    complete: true,
    check: (view, { body }) => {
      // With masks the entropy is opened by the answers: `floe verify` and spot checks compare.
      if (isMasked(view)) return undefined;
      const entropies = view.survivors.body.members.flatMap(
        (member) => view.uploads.get(toHex(member))?.body.entropy ?? [],
      );
      return equalBytes(body.beacon, nextBeacon(view.open.body.beacon, entropies))
        ? undefined
        : 'the beacon is not made of the entropy of the uploads';
    },
  }),
  commit({
    name: 'archive',
    says: 'Where the commit says where uploads last, it says so for each survivor.',
    code: 'record_malformed',
    needs: ['survivors'],
    check: (view, { body: { archive } }) =>
      archive === undefined || archive.length === view.survivors.body.members.length
        ? undefined
        : `expected a place for each of ${view.survivors.body.members.length} uploads`,
  }),
  commit({
    name: 'readers',
    says: 'Coordinator, every auditor and every member of the cohort are readers of the model and of the bundle.',
    code: 'reader_left_out',
    needs: ['cohort'],
    check: ({ spec, cohort: { body } }, { attempt, body: { model, bundle } }) =>
      finding(() => {
        const required = { spec, members: body.members, cohortOf: attempt };
        requireReaders(model.envelope, { ...required, purpose: { attempt, role: 'model' } });
        requireReaders(bundle.envelope, { ...required, purpose: { attempt, role: 'bundle' } });
      }),
  }),
  commit({
    name: 'answers',
    says: 'At least the threshold of survivors, of each group, signed the set and answered.',
    code: 'not_enough_shares',
    needs: ['cohort'],
    complete: true,
    check: (view) => {
      const { consistents, unmasks, survivors: alive } = view;
      if (!isMasked(view)) return undefined;
      for (const group of summedGroups(view)) {
        const signed = [...group.keys].filter((key) => consistents.has(key)).length;
        const answered = [...group.keys].filter((key) => unmasks.has(key)).length;
        if (signed < group.threshold || answered < group.threshold)
          return `expected ${group.threshold} signatures and answers, got ${signed} and ${answered}`;
      }
      const answered = [...unmasks.values()].map(({ author }) => author);
      return coverFault(view, summedSharers(view, alive?.body.members ?? []), answered);
    },
  }),
];

const unproven = (what: string): FloeError => new FloeError('complaint_invalid', what);
const unshown = (what: string): FloeError => new FloeError('evidence_invalid', what);

const abort = rulesOf('abort');
const ABORT: readonly Rule[] = [
  abort({
    name: 'culprits',
    says: 'Each culprit is named once and was invited.',
    code: 'record_malformed',
    needs: ['open'],
    check: ({ open }, { body: { culprits } }) =>
      setOf(culprits).size === culprits.length &&
      culprits.every((key) => includes(open.body.invited, key))
        ? undefined
        : 'a culprit is named twice or was not invited',
  }),
  abort({
    name: 'grounds',
    says: 'It names culprits only with proof: a complaint, or the evidence of their lies.',
    code: 'evidence_invalid',
    check: (_view, { body: { code, culprits, complaint, lies } }) =>
      // A separate rule checks the proof of a complaint.
      culprits.length === 0 || code.startsWith('complaint_') || (complaint ?? lies) !== undefined
        ? undefined
        : `the abort blames ${culprits.length} without proof`,
  }),
  abort({
    name: 'answered',
    says: 'After the first answer (without masks, upload) it says that the sum may be known.',
    code: 'answers_denied',
    check: (view, { body: { answered } }) =>
      answered || (isMasked(view) ? view.unmasks : view.uploads).size === 0
        ? undefined
        : 'the abort denies answers that were given',
  }),
  abort({
    name: 'reported',
    says: 'The reports of participants are listed by codes of the catalogue, ascending; each count is at most the number of invited.',
    code: 'record_malformed',
    check: ({ open }, { body: { reported = [] } }) => {
      const codes = reported.map(({ code }) => code);
      if (
        !codes.every((code, i) => isErrorCode(code) && (i === 0 || (codes[i - 1] as string) < code))
      )
        return 'what was reported is not listed by code';
      const count = reported.reduce((sum, item) => sum + item.count, 0);
      return open === undefined || count <= open.body.invited.length
        ? undefined
        : `${count} reports of ${open.body.invited.length} invited`;
    },
  }),
  abort({
    name: 'complaint',
    says: 'An Abort caused by a complaint carries it and names the liar; no other Abort carries one.',
    code: 'complaint_invalid',
    check: (_view, { body: { code, culprits, complaint } }) =>
      finding(() => {
        const claimed = code === 'complaint_upheld' || code === 'complaint_unfounded';
        if (!claimed && complaint === undefined) return;
        if (!claimed || complaint === undefined)
          throw unproven('an abort after a complaint carries the complaint, and no other does');
        const { author, body } = decodeRecordOf('complaint', complaint);
        const guilty = code === 'complaint_upheld' ? body.accused : author;
        const [culprit, second] = culprits;
        if (culprit === undefined || second !== undefined || !equalBytes(culprit, guilty))
          throw unproven('the abort excludes somebody else than its verdict');
      }),
  }),
  abort({
    name: 'lies',
    says: 'An Abort that false commitments caused shows the lie of each culprit, in order; no other Abort shows any.',
    code: 'evidence_invalid',
    check: (_view, { attempt, body: { code, culprits, answered, lies } }) =>
      finding(() => {
        const claimed = code === 'commitment_mismatch';
        if (!claimed && lies === undefined) return;
        if (!claimed || lies === undefined || !answered)
          throw unshown('an abort for false commitments shows them, and no other does');
        const shares = lies.map(({ record }) => decodeRecordOf('share', record));
        const authors = shares.map(({ author }) => author);
        if (!sameList(culprits, authors) || shares.some((share) => share.attempt !== attempt))
          throw unshown('the abort excludes others than those whose lies it shows');
      }),
  }),
];

export const CLOSING_RULES: readonly Rule[] = [
  ...SURVIVORS_RULES,
  ...answerRules('consistent'),
  ...answerRules('unmask'),
  ...COMMIT,
  ...ABORT,
];
