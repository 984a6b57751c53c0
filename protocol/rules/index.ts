/**
 * @module The rules of an attempt, once: (records so far, next record) -> violations. Participant,
 * coordinator and verifier call the same functions, so a record that one of them refuses is one
 * that all of them refuse as soon as they see what the rule is about. docs/protocol.md lists the
 * table.
 */
import { equalBytes, toHex } from '../bytes.ts';
import { FloeError, type ErrorCode } from '../errors.ts';
import { COORDINATOR_RECORDS, type RecordType, type SignedRecord } from '../records/records.ts';
import { Breach, type Proof } from './breach.ts';
import { CLOSING_RULES } from './upload-to-commit.ts';
import { NOISE_STREAM_RULES } from './noise-streams.ts';
import { OPENING_RULES } from './opening.ts';
import type { Finding, Rule, Step } from './rule.ts';
import { SHARING_RULES } from './sharing.ts';
import { isCoordinators, standing, type CoordinatorType, type AttemptView } from './view.ts';

export * from './breach.ts';
export * from './groups.ts';
export * from './view.ts';
export { includes, sameList, setOf, type Rule } from './rule.ts';
export { missingFrom, uploadersOf } from './sharing.ts';

/** Rules that hold for records of every type. */
export const EVERY_RECORD: readonly Omit<Rule, 'type'>[] = [
  {
    name: 'author',
    says: 'The coordinator signs its records and no others.',
    code: 'signature_invalid',
    needs: [],
    complete: false,
    check: ({ spec }, { type, author }) =>
      equalBytes(author, spec.coordinator) === COORDINATOR_RECORDS.has(type)
        ? undefined
        : `the ${type} record is signed by the wrong party`,
  },
  {
    name: 'run',
    says: 'The record belongs to the run.',
    code: 'record_replayed',
    needs: [],
    complete: false,
    check: ({ run }, record) =>
      equalBytes(record.run, run) ? undefined : `the ${record.type} record belongs to another run`,
  },
  {
    name: 'attempt',
    says: 'The record belongs to the attempt.',
    code: 'record_replayed',
    needs: [],
    complete: false,
    check: ({ attempt }, record) =>
      record.attempt === attempt
        ? undefined
        : `a ${record.type} record of attempt ${record.attempt} in attempt ${attempt}`,
  },
  {
    name: 'once',
    says: 'There is one record of a type by one author.',
    code: 'record_conflict',
    needs: [],
    complete: false,
    check: (view, record) => {
      const other = standing(view, record);
      return other === undefined || equalBytes(other.hash, record.hash)
        ? undefined
        : `a second, different ${record.type} record of one author in one attempt`;
    },
  },
  {
    name: 'order',
    says: 'The record comes in its phase: nothing it answers is missing, nothing later stands.',
    code: 'phase_closed',
    needs: [],
    complete: true,
    check: (view, { type }) => orderFinding(view, type),
  },
];

/** The phases in order. An Abort may come at any time before a Commit. */
const PHASES: readonly RecordType[] = [
  'open',
  'register',
  'cohort',
  'share',
  'sharers',
  'complaint',
  'upload',
  'survivors',
  'consistent',
  'unmask',
  'commit',
];

/** The coordinator's record that opens the phase of a type, with and without masks. */
const OPENS: Readonly<Partial<Record<RecordType, readonly [masked: Step, plain: Step]>>> = {
  register: ['open', 'open'],
  cohort: ['open', 'open'],
  share: ['cohort', 'cohort'],
  sharers: ['cohort', 'cohort'],
  complaint: ['sharers', 'sharers'],
  upload: ['sharers', 'cohort'],
  survivors: ['sharers', 'cohort'],
  consistent: ['survivors', 'survivors'],
  unmask: ['survivors', 'survivors'],
  commit: ['survivors', 'survivors'],
};

const orderFinding = (view: AttemptView, type: RecordType): Finding => {
  if (view.commit !== undefined || view.abort !== undefined) return 'the attempt is over';
  if (type === 'abort') return undefined;
  const [masked, plain] = OPENS[type] ?? [];
  const needed = view.spec.secagg === 'masked' ? masked : plain;
  if (needed !== undefined && view[needed] === undefined)
    return new FloeError('unexpected_frame', `a ${type} record before the ${needed} record`);
  const own = PHASES.indexOf(type);
  const later = (['cohort', 'sharers', 'survivors'] as const).find(
    (step) => view[step] !== undefined && PHASES.indexOf(step) >= own && step !== type,
  );
  if (later !== undefined) return `a ${type} record after the ${later} record`;
  return type === 'consistent' && view.unmasks.size > 0
    ? 'a consistent record after the first answer'
    : undefined;
};

const ALL_RULES: readonly Rule[] = [
  ...OPENING_RULES,
  ...SHARING_RULES,
  ...CLOSING_RULES,
  ...NOISE_STREAM_RULES,
];

const BY_TYPE = new Map<RecordType, readonly Rule[]>(
  [...PHASES, 'abort' as const].map((type) => [
    type,
    [
      ...EVERY_RECORD.map((rule) => ({ ...rule, name: `record-${rule.name}`, type })),
      ...ALL_RULES.filter((rule) => rule.type === type),
    ],
  ]),
);

/** The rules of one record type, in the order in which they are checked. */
export const rulesFor = (type: RecordType): readonly Rule[] => BY_TYPE.get(type) ?? [];

export interface Violation {
  /** Name of the rule. */
  readonly rule: string;
  readonly code: ErrorCode;
  readonly message: string;
}

/** The first rule that the record breaks; undefined when it may follow the records so far. */
export const violation = (view: AttemptView, record: SignedRecord): Violation | undefined => {
  for (const rule of rulesFor(record.type)) {
    if (rule.complete && !view.complete) continue;
    // A complete view without what a rule needs fails `record-order`.
    if (rule.needs.some((step) => view[step] === undefined)) continue;
    const found = rule.check(view, record);
    if (found === undefined) continue;
    return typeof found === 'string'
      ? { rule: rule.name, code: rule.code, message: found }
      : { rule: rule.name, code: found.code, message: found.message };
  }
  return undefined;
};

/**
 * Rules whose finding rests on more than what the coordinator signed for this attempt: the record
 * is of somebody else, of another run or attempt, or differs from a list that travels with it
 * without a signature.
 */
const UNPROVEN: ReadonlySet<string> = new Set([
  'record-author',
  'record-run',
  'record-attempt',
  'record-order',
  'cohort-registers',
  'sharers-shares',
]);

/** The record of the coordinator that breaks the rule, and what it is compared with. */
const proofOf = (
  view: AttemptView,
  record: SignedRecord,
  rule: string,
  vouching: SignedRecord | undefined,
): Proof | undefined => {
  if (UNPROVEN.has(rule)) return undefined;
  const { previous, open, cohort, sharers, survivors } = view;
  const known = [standing(view, record), previous, open, cohort, sharers, survivors];
  const before = known.flatMap((other) =>
    other === undefined || equalBytes(other.hash, record.hash) ? [] : [other],
  );
  if (isCoordinators(record)) return [record, ...before];
  return vouching !== undefined && isCoordinators(vouching)
    ? [vouching, record, ...before]
    : undefined;
};

/**
 * Throws when the record breaks a rule.
 *
 * @param vouching the coordinator's record that names this record of a participant by its hash:
 * with it the coordinator has accepted what it had to refuse
 * @throws Breach with the code of the rule where the coordinator signed what shows it, else
 * FloeError with that code; `details` name the rule and the author
 */
export const requireLawful = (
  view: AttemptView,
  record: SignedRecord,
  vouching?: SignedRecord<CoordinatorType>,
): void => {
  const broken = violation(view, record);
  if (broken === undefined) return;
  const { code, message, rule } = broken;
  const details = { rule, author: toHex(record.author), attempt: record.attempt };
  const proof = proofOf(view, record, rule, vouching);
  throw proof === undefined
    ? new FloeError(code, message, details)
    : new Breach(code, message, proof, details);
};
