/**
 * Builds the records of one attempt as honest parties would sign them, with a hook that changes the
 * body of one record before its author signs it. Later records are made from the changed one, so
 * that the changed field is the only thing that can be wrong.
 */
import { FIRST_MEAN_EXAMPLES } from '../../protocol/encoding/index.ts';
import { hashStrategy } from '../../protocol/algorithm/registry.ts';
import { layoutOf } from '../../protocol/algorithm/round.ts';
import { compareBytes, sha256, toHex, utf8 } from '../../protocol/bytes.ts';
import { BOX_BYTES } from '../../protocol/model/key-envelopes.ts';
import { encodeCbor } from '../../protocol/wire/cbor.ts';
import { initialModelHash } from '../../protocol/model/first-model.ts';
import { ENVELOPE_OVERHEAD } from '../../protocol/model/envelope.ts';
import { encodeFrame, decodeServerFrame, type ServerFrame } from '../../protocol/wire/messages.ts';
import { deriveSeed } from '../../protocol/ports/random.ts';
import {
  signRecord,
  eligibleRoot,
  survivorsHash,
  type Body,
  type RecordType,
  type SignedRecord,
} from '../../protocol/records/records.ts';
import { contextOf } from '../../protocol/rules/index.ts';
import { localBeacon, nextBeacon } from '../../protocol/rules/beacon.ts';
import { identityFromSeed, type Identity } from '../../protocol/ports/identity.ts';
import {
  hashRunSpec,
  makeRunSpec,
  type RunSpec,
  type RunSpecInput,
} from '../../protocol/spec/run-spec.ts';
import { cohortRoot, deriveKeys, threshold, type PublicKeys } from '../../protocol/secagg/index.ts';
import { lyingShares, type Liar } from './lying-shares.ts';
import { signedOf } from '../support/entries.ts';

export interface Cast {
  readonly coordinator: Identity;
  /** Sorted by key. */
  readonly people: readonly Identity[];
  readonly keys: readonly PublicKeys[];
}

export const makeCast = async (count: number): Promise<Cast> => {
  const people = await Promise.all(
    Array.from({ length: count }, (_, i) => identityFromSeed(deriveSeed(utf8('rules'), i))),
  );
  const sorted = people.toSorted((a, b) => compareBytes(a.publicKey, b.publicKey));
  return {
    coordinator: await identityFromSeed(deriveSeed(utf8('rules'), 'coordinator')),
    people: sorted,
    keys: sorted.map((_, i) => deriveKeys(sha256(utf8(`sigma ${i}`)), 'mask').public),
  };
};

export const specOf = (
  { coordinator }: Cast,
  secagg: RunSpec['secagg'],
  encoding: RunSpecInput['encoding'] = {},
  over: Partial<RunSpecInput> = {},
): RunSpec =>
  makeRunSpec({
    id: new Uint8Array(16).fill(3),
    coordinator: coordinator.publicKey,
    model: { architecture: 'custom', tensors: [{ name: 'w', shape: [40], dtype: 'float32' }] },
    cohort: { size: 6, minimum: 3, overSelect: 1 },
    secagg,
    encoding,
    ...over,
  });

/** Who takes part in what, as indices of the cast: each list is a part of the one before. */
export interface Course {
  readonly secagg: RunSpec['secagg'];
  readonly encoding?: RunSpecInput['encoding'];
  readonly over?: Partial<RunSpecInput>;
  readonly invited: readonly number[];
  readonly members: readonly number[];
  readonly sharers: readonly number[];
  readonly survivors: readonly number[];
  /** Instead of the uploads, an Abort. */
  readonly aborted?: boolean;
  /**
   * Instead of the commit, an Abort that shows a lie of the first sharer: among the survivors for
   * `self`, not for the others.
   */
  readonly lie?: Liar['kind'];
}

/** Changes a body before it is signed. `at`: the place among the records of this type. */
export type Change = <Type extends RecordType>(
  type: Type,
  at: number,
  body: Body<Type>,
) => Body<Type>;

export interface BuiltRound {
  readonly spec: RunSpec;
  readonly run: Uint8Array;
  /** In the order of the transcript. */
  readonly records: readonly SignedRecord[];
  /** The sealed entries of each sharer, in cohort order. */
  readonly entries: ReadonlyMap<string, readonly Uint8Array[]>;
}

const h = (...parts: readonly (string | Uint8Array)[]): Uint8Array =>
  sha256(...parts.map((part) => (typeof part === 'string' ? utf8(part) : part)));

/** An envelope as anybody reads it: a box for each reader. */
const envelopeFor = (readers: readonly Uint8Array[]): Uint8Array =>
  encodeCbor({
    v: 1,
    boxes: readers.map((reader) => ({ reader, box: new Uint8Array(BOX_BYTES) })),
  });

const blobOf = (id: string) => ({ id, sha256: h(id), size: 100 });

export const buildRound = (
  cast: Cast,
  course: Course,
  change: Change = (_type, _at, body) => body,
): BuiltRound => {
  const spec = specOf(cast, course.secagg, course.encoding, course.over);
  const masked = spec.secagg === 'masked';
  const run = hashRunSpec(spec);
  const records: SignedRecord[] = [];
  const counts = new Map<RecordType, number>();
  const sign = <Type extends RecordType>(
    who: Identity,
    type: Type,
    body: Body<Type>,
  ): SignedRecord<Type> => {
    const at = counts.get(type) ?? 0;
    counts.set(type, at + 1);
    const record = signRecord(who, type, run, 1, change(type, at, body));
    records.push(record as SignedRecord);
    return record;
  };
  const person = (i: number): Identity => cast.people[i] as Identity;
  const keyOf = (i: number): Uint8Array => person(i).publicKey;
  const owner = cast.coordinator.publicKey;

  const open = sign(cast.coordinator, 'open', {
    model: {
      version: 0,
      blob: blobOf('m0'),
      hash: initialModelHash(spec.model),
      envelope: envelopeFor([owner, ...course.invited.map(keyOf)]),
    },
    beacon: h('R'),
    meanExamples: FIRST_MEAN_EXAMPLES,
    committed: 0,
    key: cast.keys[0] as PublicKeys,
    invited: course.invited.map(keyOf),
  });
  const registers = course.members.map((i) =>
    sign(person(i), 'register', {
      open: open.hash,
      counter: 1,
      mask: cast.keys[i] as PublicKeys,
      seal: cast.keys[(i + 1) % cast.keys.length] as PublicKeys,
    }),
  );
  const members = course.members.map(keyOf);
  const root = cohortRoot(members);
  const cohort = sign(cast.coordinator, 'cohort', {
    members,
    registers: registers.map(({ hash }) => hash),
    root,
    beacon: localBeacon(root, open.body.beacon),
    threshold: masked ? threshold(members.length) : 0,
    receipt: 'journal:test/1',
  });
  const context = contextOf({ run, attempt: 1, open, cohort });
  const entries = new Map<string, readonly Uint8Array[]>();
  const [first] = course.sharers;
  const lying =
    course.lie === undefined
      ? undefined
      : lyingShares({
          kind: course.lie,
          context,
          members,
          author: keyOf(first as number),
          sigma: h(`sigma ${first}`),
        });
  const shareRecords = new Map<number, SignedRecord<'share'>>();
  if (masked) {
    const shares = course.sharers.map((i) => {
      const plain = course.members.map((j) => new Uint8Array(100 + j).fill(i + 1));
      const own = (i === first && lying?.entries) || plain;
      entries.set(toHex(keyOf(i)), own);
      const record = sign(person(i), 'share', {
        context,
        commitment: h(`b ${i}`),
        entries: signedOf(context, keyOf(i), own),
      });
      shareRecords.set(i, record);
      return record;
    });
    sign(cast.coordinator, 'sharers', {
      context,
      members: course.sharers.map(keyOf),
      shares: shares.map(({ hash }) => hash),
    });
  }
  if (course.aborted === true) {
    const reported = [
      { code: 'gate_unavailable', count: 2 },
      { code: 'update_not_finite', count: 1 },
    ];
    const ending = {
      code: 'cohort_too_small',
      reason: 'r',
      culprits: [],
      answered: false,
      reported,
    };
    sign(cast.coordinator, 'abort', ending);
    return { spec, run, records, entries };
  }
  const among = masked ? course.sharers : course.members;
  const size =
    layoutOf(spec, members.length, FIRST_MEAN_EXAMPLES).byteLength +
    (masked ? 0 : ENVELOPE_OVERHEAD);
  const uploads = course.survivors.map((i) =>
    sign(person(i), 'upload', {
      context,
      blob: { id: `u${i}`, sha256: h(`u${i}`), size },
      chunkRoot: h(`chunks ${i}`),
      ...(masked ? {} : { envelope: envelopeFor([owner]), entropy: h(`e ${i}`) }),
    }),
  );
  const alive = course.survivors.map(keyOf);
  const named = uploads.map(({ hash }) => hash);
  const eligible = eligibleRoot(course.invited.map(keyOf));
  const survivors = sign(cast.coordinator, 'survivors', {
    context,
    members: alive,
    uploads: named,
    eligible,
    hash: survivorsHash({ context, members: alive, uploads: named, eligible }),
    rejected: among
      .filter((i) => !course.survivors.includes(i))
      .map((i) => ({ member: keyOf(i), code: 'phase_closed' })),
    receipt: 'journal:test/1',
  });
  const answered = { context, survivors: survivors.body.hash };
  if (masked) {
    for (const i of course.survivors) sign(person(i), 'consistent', answered);
    for (const i of course.survivors)
      sign(person(i), 'unmask', { ...answered, answer: new Uint8Array(32) });
  }
  if (lying !== undefined) {
    const { bytes } = shareRecords.get(first as number) as SignedRecord<'share'>;
    sign(cast.coordinator, 'abort', {
      code: 'commitment_mismatch',
      reason: 'r',
      culprits: [keyOf(first as number)],
      answered: true,
      lies: [{ ...lying.lie, record: bytes }],
    });
    return { spec, run, records, entries };
  }
  const after = h('model 1');
  const readable = envelopeFor([owner, ...members]);
  sign(cast.coordinator, 'commit', {
    survivors: survivors.body.hash,
    aggregate: {
      chunkRoot: h('c'),
      size: layoutOf(spec, members.length, FIRST_MEAN_EXAMPLES).byteLength,
    },
    bundle: { blob: blobOf('b'), envelope: readable },
    step: {
      strategy: spec.strategy.name,
      parameters: hashStrategy(spec.strategy),
      before: open.body.model.hash,
      after,
    },
    weight: 40,
    examples: 40,
    meanExamples: 10,
    clipped: 0,
    metrics: [
      { name: 'loss', sum: 1 },
      { name: 'accuracy', sum: 2 },
    ],
    beacon: masked
      ? h('next')
      : nextBeacon(
          open.body.beacon,
          uploads.flatMap(({ body }) => body.entropy ?? []),
        ),
    model: { version: 1, hash: after, blob: blobOf('m1'), envelope: readable },
  });
  return { spec, run, records, entries };
};

const all = <Type extends RecordType>(
  { records }: BuiltRound,
  type: Type,
): readonly SignedRecord<Type>[] =>
  records.filter(
    ({ type: other }) => other === type,
  ) as readonly SignedRecord[] as readonly SignedRecord<Type>[];

export const one = <Type extends RecordType>(
  attempt: BuiltRound,
  type: Type,
): SignedRecord<Type> => {
  const [first] = all(attempt, type);
  if (first === undefined) throw new Error(`no ${type} record was built`);
  return first;
};

export const recordsOf = all;

/** A frame as it is read from the wire. */
export const overTheWire = <Type extends ServerFrame['type']>(
  frame: Parameters<typeof encodeFrame>[0] & { readonly type: Type },
): Extract<ServerFrame, { type: Type }> =>
  decodeServerFrame(encodeFrame(frame)) as Extract<ServerFrame, { type: Type }>;
