/**
 * @module What a rule is: a pure function over the records so far and the next one, with a name,
 * one sentence for the documentation and the code of the error that a breach gives.
 */
import { equalBytes, toHex } from '../bytes.ts';
import { FloeError, type ErrorCode } from '../errors.ts';
import type { RecordType, SignedRecord } from '../records/records.ts';
import type { AttemptView } from './view.ts';

/** Records of the coordinator that a rule may need to have come before. */
export type Step = 'open' | 'cohort' | 'sharers' | 'survivors';

/** What is wrong, in one sentence; undefined when the rule holds. An error keeps its own code. */
export type Finding = string | FloeError | undefined;

type Known<Need extends Step> = AttemptView & { readonly [Key in Need]: SignedRecord<Key> };

export interface Rule {
  /** `<record>-<what>`, unique. */
  readonly name: string;
  readonly type: RecordType;
  readonly says: string;
  readonly code: ErrorCode;
  readonly needs: readonly Step[];
  /** Whether it can be checked only with every record of the attempt so far. */
  readonly complete: boolean;
  readonly check: (view: AttemptView, record: SignedRecord) => Finding;
}

interface RuleInit<Type extends RecordType, Need extends Step> {
  readonly name: string;
  readonly says: string;
  readonly code: ErrorCode;
  readonly needs?: readonly Need[];
  readonly complete?: boolean;
  readonly check: (view: Known<Need>, record: SignedRecord<Type>) => Finding;
}

/**
 * Makes the rules of one record type. A rule whose needs are not known is skipped: see
 * `violations`.
 */
export const rulesOf =
  <Type extends RecordType>(type: Type) =>
  <Need extends Step = never>(init: RuleInit<Type, Need>): Rule => ({
    name: `${type}-${init.name}`,
    type,
    says: init.says,
    code: init.code,
    needs: init.needs ?? [],
    complete: init.complete ?? false,
    // `violations` has compared the type and looked for the needs.
    check: (view, record) => init.check(view as Known<Need>, record as SignedRecord<Type>),
  });

/** The error that `work` throws, as a finding. */
export const finding = (work: () => void): Finding => {
  try {
    work();
    return undefined;
  } catch (thrown) {
    if (thrown instanceof FloeError) return thrown;
    throw thrown;
  }
};

const sets = new WeakMap<readonly Uint8Array[], ReadonlySet<string>>();

/** Keys as a set of lower-case hex; made once for each list. */
export const setOf = (keys: readonly Uint8Array[]): ReadonlySet<string> => {
  const known = sets.get(keys);
  if (known !== undefined) return known;
  const made = new Set(keys.map(toHex));
  sets.set(keys, made);
  return made;
};

export const includes = (keys: readonly Uint8Array[], key: Uint8Array): boolean =>
  setOf(keys).has(toHex(key));

export const sameList = (
  a: readonly Uint8Array[],
  b: readonly (Uint8Array | undefined)[],
): boolean =>
  a.length === b.length &&
  a.every((item, i) => {
    const other = b[i];
    return other !== undefined && equalBytes(item, other);
  });
