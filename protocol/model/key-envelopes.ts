/**
 * @module Key envelopes as records carry them: what anybody reads of one without a key. With sealed
 * boxes that is each reader; with Seal it is each audience, whose members the policy on chain
 * names.
 */
import * as v from 'valibot';
import { compareBytes, equalBytes, toHex } from '../bytes.ts';
import { bytesUpTo, decodeCbor, fixedBytes, integer } from '../wire/cbor.ts';
import { FloeError, toFloeError } from '../errors.ts';
import { addressOf } from '../ports/identity.ts';
import type { RunSpec } from '../spec/run-spec.ts';
import type { KeyPurpose } from '../ports/access-gate.ts';

export const MAX_READERS = 4096;
export const MAX_ENVELOPE_BYTES = 1 << 20;
/**
 * A key and the hash of its purpose in a libsodium sealed box: ephemeral key 32, tag 16, contents
 * 64.
 */
export const BOX_BYTES = 112;

/** Names of the policies that a key can be sealed for; see `seal-identity.ts`. */
export const AUDIENCE_NAMES = [
  'cohort',
  'auditor',
  'pass',
  'subscription',
  'time-lock',
  'compute',
  'unmask',
] as const;
export type Audience = (typeof AUDIENCE_NAMES)[number];

export const boxesSchema = v.strictObject({
  v: v.literal(1),
  boxes: v.pipe(
    v.array(v.strictObject({ reader: fixedBytes(32), box: fixedBytes(BOX_BYTES) })),
    v.maxLength(MAX_READERS),
  ),
});

export const sealedSchema = v.strictObject({
  v: v.literal(2),
  sealed: v.pipe(
    v.array(
      v.strictObject({
        audience: v.picklist(AUDIENCE_NAMES),
        attempt: integer(0, 100_000),
        object: bytesUpTo(8 << 10),
      }),
    ),
    v.maxLength(8),
  ),
});
export type Sealed = v.InferOutput<typeof sealedSchema>['sealed'][number];

const envelopeSchema = v.variant('v', [boxesSchema, sealedSchema]);

/** Who reads single updates of a run without masks: the coordinator and the auditors, ascending. */
export const unmaskedReaders = ({
  coordinator,
  auditors,
}: Pick<RunSpec, 'coordinator' | 'auditors'>): readonly Uint8Array[] => {
  // The coordinator may be an auditor too.
  const keys = new Map([coordinator, ...auditors].map((key) => [toHex(key), key]));
  return [...keys.values()].toSorted(compareBytes);
};

/** The parties that must be able to open a key, independent of other envelope contents. */
export interface Required {
  readonly spec: RunSpec;
  readonly purpose: Pick<KeyPurpose, 'attempt' | 'role'>;
  /** Participants, in addition to the coordinator and the auditors. */
  readonly members: readonly Uint8Array[];
  /** The attempt in whose cohort they are. */
  readonly cohortOf: number;
}

const leftOut = (who: string, { purpose: { role, attempt } }: Required): FloeError =>
  new FloeError(
    'reader_left_out',
    `the key of the ${role} of attempt ${attempt} leaves out ${who}`,
  );

const requireBoxes = ({ boxes }: v.InferOutput<typeof boxesSchema>, required: Required): void => {
  const readers = new Set(boxes.map(({ reader }) => toHex(reader)));
  if (readers.size !== boxes.length)
    throw new FloeError('envelope_malformed', 'a reader has two boxes');
  const { spec, members } = required;
  const missing = (list: readonly Uint8Array[]): Uint8Array | undefined =>
    list.find((key) => !readers.has(toHex(key)));
  if (missing([spec.coordinator]) !== undefined) throw leftOut('the coordinator', required);
  const auditor = missing(spec.auditors);
  if (auditor !== undefined) throw leftOut(`the auditor ${addressOf(auditor)}`, required);
  const member = missing(members);
  if (member !== undefined) throw leftOut(`the member ${addressOf(member)}`, required);
};

const requireSealed = (
  { sealed }: v.InferOutput<typeof sealedSchema>,
  required: Required,
): void => {
  const { spec, purpose, members, cohortOf } = required;
  const auditors = [spec.coordinator, ...spec.auditors];
  const onlyAuditors = members.every((key) => auditors.some((other) => equalBytes(key, other)));
  const wanted: (readonly [Audience, number])[] =
    // The policy of a bundle admits the cohorts on its model, and no earlier ones as that of a
    // cohort would.
    purpose.role === 'bundle'
      ? [['unmask', purpose.attempt]]
      : [
          ['auditor', purpose.attempt],
          ...(onlyAuditors ? [] : [['cohort', cohortOf] as const]),
          ...(purpose.role === 'model' ? (spec.access?.models ?? []) : []).map(
            (audience) => [audience, purpose.attempt] as const,
          ),
        ];
  for (const [audience, attempt] of wanted) {
    const entry = sealed.find((one) => one.audience === audience && one.attempt === attempt);
    if (entry === undefined)
      throw leftOut(`the audience ${audience} of attempt ${attempt}`, required);
    if (entry.object.length === 0)
      throw new FloeError('envelope_malformed', `nothing is sealed for the audience ${audience}`);
  }
};

const read = (
  envelope: Uint8Array,
  { purpose: { role, attempt } }: Required,
): v.InferOutput<typeof envelopeSchema> => {
  try {
    return decodeCbor(envelopeSchema, envelope, 'envelope_malformed', MAX_ENVELOPE_BYTES);
  } catch (cause) {
    const { message } = toFloeError(cause);
    throw new FloeError(
      'envelope_malformed',
      `the key of the ${role} of attempt ${attempt}: ${message}`,
      {},
      { cause },
    );
  }
};

/**
 * Whether everybody who must be able to open the key is among those it was wrapped for. That their
 * entry opens, only they can tell: an auditor for whom it does not open finds so at level 1.
 *
 * @throws FloeError `envelope_malformed`, `reader_left_out`
 */
export const requireReaders = (envelope: Uint8Array, required: Required): void => {
  const decoded = read(envelope, required);
  if (decoded.v === 1) requireBoxes(decoded, required);
  else requireSealed(decoded, required);
};
