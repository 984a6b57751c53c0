/**
 * Participant and verifier agree on every record: random honest rounds, one field of one record
 * changed and signed again by its author, the records after it made to fit. Seeds are fixed; a
 * failure prints the record, the field and what each side said.
 */
import { beforeAll, expect, it } from 'vitest';
import { checkAbort } from '../../client/participant/host/abort-proof.ts';
import * as checks from '../../client/participant/machine/record-checks.ts';
import { memoryStore } from '../../protocol/ports/memory-store.ts';
import { equalBytes, sha256, toHex, utf8 } from '../../protocol/bytes.ts';
import { FloeError } from '../../protocol/errors.ts';
import { randomBelow, seededRandom } from '../../protocol/ports/random.ts';
import {
  bodySchemas,
  decodeRecord,
  decodeRecordOf,
  type Body,
  type RecordType,
  type SignedRecord,
} from '../../protocol/records/records.ts';
import { EMPTY_HISTORY } from '../../protocol/rules/history.ts';
import { emptyView, requireLawful, withRecord } from '../../protocol/rules/index.ts';
import { threshold } from '../../protocol/secagg/index.ts';
import {
  emptyTranscript,
  nextEntry,
  type TranscriptEntry,
} from '../../protocol/records/transcript.ts';
import { checkRecords, provenCulprits } from '../../protocol/verify/check-attempt.ts';
import { Culprit } from '../../protocol/verify/culprit.ts';
import { EVIDENCE_TYPES, readEvidence } from '../../protocol/verify/evidence.ts';
import { splitAttempts } from '../../protocol/verify/attempt-log.ts';
import {
  buildRound,
  makeCast,
  one,
  overTheWire,
  recordsOf,
  type BuiltRound,
  type Cast,
  type Change,
  type Course,
} from './build-round.ts';
import { mutate, pathsOf, type Draw } from './mutate.ts';
import { pathOf } from '../support/entries.ts';

const MUTANTS = 300;
/** A complaint is judged by what it opens, not by rules alone: test/client/complaint.test.ts. */
const TYPES = (Object.keys(bodySchemas) as RecordType[]).filter((type) => type !== 'complaint');
/**
 * What a member of the next cohort is shown of a commit: all but what was sealed to the
 * coordinator.
 */
const SHOWN: ReadonlySet<RecordType> = new Set(EVIDENCE_TYPES);

let cast: Cast;
beforeAll(async () => {
  cast = await makeCast(6);
});

const courseOf = (draw: Draw, aborted = false): Course => {
  const some = (from: readonly number[], least: number): readonly number[] => {
    const wanted = Math.max(least, from.length - draw(2));
    const left = [...from];
    while (left.length > wanted) left.splice(draw(left.length), 1);
    return left;
  };
  const secagg = !aborted && draw(4) === 0 ? 'none' : 'masked';
  const invited = some([0, 1, 2, 3, 4, 5], 5);
  const members = some(invited, 5);
  const quorum = secagg === 'none' ? 3 : threshold(members.length);
  const sharers = secagg === 'none' ? members : some(members, quorum);
  return { secagg, invited, members, sharers, survivors: some(sharers, quorum), aborted };
};

/** An attempt that ends before the uploads, or after the answers because the first sharer lied. */
const abortedCourse = (draw: Draw): Course => {
  const course = courseOf(draw, true);
  const lie = ([undefined, 'self', 'key', 'pair'] as const)[draw(4)];
  if (lie === undefined) return course;
  // Enough survive without the liar, which is the lower of any pair.
  const members = course.invited;
  const survivors = lie === 'self' ? members : members.slice(1);
  return { ...course, members, sharers: members, survivors, aborted: false, lie };
};

/** Fields of which the schema lets no author sign another value. */
const UNSIGNABLE: ReadonlySet<string> = new Set(['lies[].kind']);

type Verdict = string | undefined;

const verdictOf = async (work: () => void | Promise<unknown>): Promise<Verdict> => {
  try {
    await work();
    return undefined;
  } catch (thrown) {
    if (thrown instanceof FloeError) return `${thrown.code}: ${thrown.message}`;
    if (thrown instanceof Culprit) return thrown.message;
    throw thrown;
  }
};

/** What `floe verify` says at level 0, without blobs. */
const verifier = ({ spec, run, records }: BuiltRound): Promise<Verdict> =>
  verdictOf(async () => {
    const entries: TranscriptEntry[] = [];
    let { head } = emptyTranscript(run);
    for (const [i, { bytes }] of records.entries()) {
      const entry = nextEntry(head, i, decodeRecord(bytes));
      entries.push(entry);
      head = entry.hash;
    }
    const [log] = splitAttempts(entries);
    if (log === undefined) throw new Error('expected a round');
    const rules = {
      spec,
      run,
      store: memoryStore(),
      ledger: undefined,
      registered: new Map(),
      history: EMPTY_HISTORY,
      signal: undefined,
    };
    await provenCulprits(log, await checkRecords(rules, log, undefined, 0));
  });

/**
 * What survivor `self` says: of the frames that it is sent during the round, then of the evidence
 * that it is shown after it.
 */
const participant = (attempt: BuiltRound, self: Uint8Array): Promise<Verdict> =>
  verdictOf(async () => {
    const { spec, run } = attempt;
    const view = { spec, run, self, beacon: 'members' } as const;
    const own = <Type extends RecordType>(type: Type): SignedRecord<Type> =>
      recordsOf(attempt, type).find(({ author }) => equalBytes(author, self)) as SignedRecord<Type>;
    const open = checks.checkOpen(
      view,
      decodeRecordOf('open', one(attempt, 'open').bytes),
      undefined,
    );
    const record = decodeRecordOf('cohort', one(attempt, 'cohort').bytes);
    const registers = recordsOf(attempt, 'register').map(({ bytes }) => bytes);
    const frame = overTheWire({ type: 'cohort', record: record.bytes, registers });
    const cohort = checks.checkCohort(view, open, own('register').bytes, frame, record, {});
    let seen = cohort.view as Parameters<typeof checks.checkSurvivors>[1];
    if (spec.secagg === 'masked') {
      const place = record.body.members.findIndex((member) => equalBytes(member, self));
      const inbox = recordsOf(attempt, 'share').map(({ author, bytes, body }) => {
        const entries = attempt.entries.get(toHex(author)) ?? [];
        return equalBytes(author, self)
          ? { record: bytes, entry: new Uint8Array(0), path: new Uint8Array(0) }
          : {
              record: bytes,
              entry: entries[place] as Uint8Array,
              path: pathOf(body.context, author, entries, place),
            };
      });
      const sharers = decodeRecordOf('sharers', one(attempt, 'sharers').bytes);
      const sent = overTheWire({ type: 'sharers', record: sharers.bytes, inbox });
      seen = checks.checkSharers(view, cohort, own('share').bytes, sent, sharers).view;
    }
    const [abort] = recordsOf(attempt, 'abort');
    if (abort !== undefined && recordsOf(attempt, 'survivors').length === 0) {
      await checkAbort(seen, decodeRecordOf('abort', abort.bytes));
      return;
    }
    const survivors = decodeRecordOf('survivors', one(attempt, 'survivors').bytes);
    seen = checks.checkSurvivors(view, seen, own('upload').hash, survivors, {});
    if (spec.secagg === 'masked') {
      const records = recordsOf(attempt, 'consistent').map(({ bytes }) => bytes);
      const sent = overTheWire({ type: 'consistency', records });
      checks.checkConsistency({ ...seen, cohort: record }, sent);
    }
    if (abort !== undefined) {
      await checkAbort(seen, decodeRecordOf('abort', abort.bytes));
      return;
    }
    checks.checkCommit(view, decodeRecordOf('commit', one(attempt, 'commit').bytes), seen);
    if (spec.secagg === 'none') return;
    const shown = attempt.records.filter(({ type }) => SHOWN.has(type));
    readEvidence(
      spec,
      run,
      'members',
      shown.map(({ bytes }) => bytes),
    );
  });

/** What the coordinator says of the answers, which it alone is sent. */
const coordinator = ({ spec, run, records }: BuiltRound): Promise<Verdict> =>
  verdictOf(() => {
    let view = emptyView({ spec, run, attempt: 1, complete: true });
    for (const record of records) {
      requireLawful(view, record);
      view = withRecord(view, record);
    }
  });

const drawing = (seed: number): Draw => {
  const random = seededRandom(new Uint8Array(32).fill(seed));
  return (below) => randomBelow(random, below);
};

it('accepts honest rounds, on both sides', async () => {
  const draw = drawing(1);
  for (let i = 0; i < 40; i += 1) {
    const course = courseOf(draw);
    const attempt = buildRound(cast, course);
    const self = cast.people[course.survivors[0] as number]!.publicKey;
    expect([await verifier(attempt), await participant(attempt, self)]).toEqual([
      undefined,
      undefined,
    ]);
  }
});

it.each(['sha256', 'chunkRoot'] as const)(
  'an upload with the %s of another is refused by participant, coordinator and verifier',
  async (field) => {
    const course: Course = {
      secagg: 'masked',
      invited: [0, 1, 2, 3],
      members: [0, 1, 2, 3],
      sharers: [0, 1, 2, 3],
      survivors: [0, 1, 2, 3],
    };
    const same = sha256(utf8('another'));
    const change: Change = (type, at, body) => {
      if (type !== 'upload' || at > 1) return body;
      const upload = body as Body<'upload'>;
      const twin =
        field === 'sha256'
          ? { ...upload, blob: { ...upload.blob, sha256: same } }
          : { ...upload, chunkRoot: same };
      return twin;
    };
    const attempt = buildRound(cast, course, change);
    const self = cast.people[3]!.publicKey;
    for (const said of [
      await verifier(attempt),
      await participant(attempt, self),
      await coordinator(attempt),
    ])
      expect(said).toContain('another upload of this attempt has the same bytes');
  },
);
it.each(['self', 'key', 'pair'] as const)('accepts an abort that shows a lie (%s)', async (lie) => {
  const members = [0, 1, 2, 3, 4];
  const survivors = lie === 'self' ? members : members.slice(1);
  const course = { secagg: 'masked', invited: members, members, sharers: members } as const;
  const attempt = buildRound(cast, { ...course, survivors, lie });
  const self = cast.people[4]!.publicKey;
  expect([await verifier(attempt), await participant(attempt, self)]).toEqual([
    undefined,
    undefined,
  ]);
  // The same against somebody who was asked for the other kind of share proves nothing.
  const turned = buildRound(cast, {
    ...course,
    survivors: lie === 'self' ? members.slice(1) : members,
    lie,
  });
  const said = [await verifier(turned), await participant(turned, self)];
  for (const verdict of said) expect(verdict).toMatch('not those that were asked for');
});

it.each(TYPES)('%s: participant and verifier agree on every mutant', async (type) => {
  const draw = drawing(2 + TYPES.indexOf(type));
  const covered = new Set<string>();
  const expected = new Set<string>();
  for (let count = 0; count < MUTANTS;) {
    const course = type === 'abort' ? abortedCourse(draw) : courseOf(draw);
    const target = draw(course.survivors.length);
    let path = '';
    const change: Change = (of, at, body) => {
      const isTarget = of === type && at === (isOnce(type) ? 0 : target);
      if (!isTarget) return body;
      for (const each of pathsOf(body)) expected.add(each);
      const mutant = mutate(body, draw);
      path = mutant.path;
      return mutant.value;
    };
    let attempt: BuiltRound;
    try {
      attempt = buildRound(cast, course, change);
    } catch (thrown) {
      // No author can sign what the schema refuses.
      if (thrown instanceof FloeError) continue;
      throw thrown;
    }
    if (path === '') continue;
    count += 1;
    covered.add(path);
    const self = cast.people[course.survivors.at(-1) as number]!.publicKey;
    // Without masks participants are shown no evidence: uploads are for the coordinator and the
    // auditors.
    const hidden = course.secagg === 'none' && (type === 'upload' || type === 'commit');
    const isShown = SHOWN.has(type) || type === 'abort' || type === 'consistent';
    const said = {
      verifier: await verifier(attempt),
      participant:
        isShown && !hidden ? await participant(attempt, self) : await coordinator(attempt),
    };
    // The sealed entry, which only its receiver sees, is no record: test/client/complaint.test.ts.
    if (said.participant?.includes('an entry is not the one its author signed') === true) continue;
    expect(
      said.verifier === undefined,
      `${type}.${path} of attempt ${count}: ${JSON.stringify(said)}`,
    ).toBe(said.participant === undefined);
  }
  expect([...expected].filter((path) => !covered.has(path) && !UNSIGNABLE.has(path))).toEqual([]);
});

/** What a field holds that nobody would write there by chance. */
const STRANGE: readonly unknown[] = [
  undefined,
  null,
  'x',
  {},
  [],
  0,
  -0,
  1,
  -1,
  3,
  0.5,
  1e-300,
  5e-324,
  1e300,
  2 ** 53,
  NaN,
  Infinity,
  -Infinity,
];

/** An adaptive clip norm, buffered rounds; each with what an honest round says of it. */
const additions: readonly (readonly [
  name: string,
  over: Pick<Course, 'encoding' | 'over'>,
  honest: Partial<Record<RecordType, Readonly<Record<string, unknown>>>>,
])[] = [
  [
    'an adaptive clip norm',
    {
      encoding: {
        clipNorm: 1,
        clipping: { type: 'adaptive', quantile: 0.5, rate: 0.2, floor: 0.5, ceiling: 2 },
      },
    },
    { open: { clipNorm: 1 }, commit: { clip: { within: 0.5, next: 1 } } },
  ],
  [
    'buffered rounds',
    { over: { buffer: { size: 5, maxStaleness: 3 } } },
    { register: { base: { version: 0, staleness: 0 } } },
  ],
];

it.each(additions)('%s: the sides agree on every field, there or not', async (_, run, honest) => {
  const everybody = [0, 1, 2, 3, 4];
  const over = run.over && {
    ...run.over,
    cohort: { size: 5, minimum: 3 },
    members: { type: 'closed', keys: cast.people.map(({ publicKey }) => publicKey) } as const,
  };
  const course: Course = {
    secagg: 'masked',
    invited: everybody,
    members: everybody,
    sharers: everybody,
    survivors: everybody,
    ...run,
    ...(over === undefined ? {} : { over }),
  };
  const round = (type?: RecordType, strange?: Readonly<Record<string, unknown>>) =>
    buildRound(cast, course, (of, at, body) => ({
      ...body,
      ...honest[of],
      ...(of === type && at === 0 ? strange : {}),
    }));
  const said = async (attempt: BuiltRound): Promise<readonly Verdict[]> => [
    await verifier(attempt),
    await participant(attempt, cast.people[4]!.publicKey),
    await coordinator(attempt),
  ];
  expect(await said(round())).toEqual([undefined, undefined, undefined]);
  const fields = Object.entries(honest).flatMap(([type, body]) =>
    Object.entries(body).flatMap(([name, value]) => {
      const parts = value !== null && typeof value === 'object' ? value : undefined;
      const whole = STRANGE.map((strange) => ({ [name]: strange }));
      const inside = Object.keys(parts ?? {}).flatMap((part) =>
        STRANGE.map((strange) => ({ [name]: { ...parts, [part]: strange } })),
      );
      return [...whole, ...inside].map((strange) => [type as RecordType, strange] as const);
    }),
  );
  let signed = 0;
  for (const [type, strange] of fields) {
    let attempt: BuiltRound;
    try {
      attempt = round(type, strange);
    } catch (thrown) {
      if (!(thrown instanceof FloeError)) throw thrown;
      continue;
    }
    signed += 1;
    const verdicts = (await said(attempt)).map((verdict) => verdict === undefined);
    expect(new Set(verdicts).size, `${type} ${JSON.stringify(strange)}`).toBe(1);
  }
  expect(signed).toBeGreaterThan(5);
});

const isOnce = (type: RecordType): boolean =>
  ['open', 'cohort', 'sharers', 'survivors', 'commit', 'abort'].includes(type);
