/**
 * Runs in groups under attack. A coordinator that draws other groups for the same updates
 * subtracts sums until one update is left; one that swaps, leaves out or makes up the sum of a
 * group moves the model. Each boundary is tried on the records of a real run: nine participants in
 * three groups, the median of their means.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodingSeed, finishRound, layoutOf } from '../../protocol/algorithm/round.ts';
import { aggregateOfGroups } from '../../protocol/algorithm/fold.ts';
import { equalBytes, sha256, toHex, utf8 } from '../../protocol/bytes.ts';
import { createLanes, pack, unpack } from '../../protocol/encoding/index.ts';
import { decryptBlob, encryptBlob } from '../../protocol/model/envelope.ts';
import { sealedBoxGate } from '../../protocol/ports/sealed-box-gate.ts';
import { addressOf } from '../../protocol/ports/identity.ts';
import { signRecord, type Body, type SignedRecord } from '../../protocol/records/records.ts';
import {
  emptyView,
  groupingName,
  groupsOf,
  violation,
  withRecord,
  type AttemptView,
} from '../../protocol/rules/index.ts';
import { EMPTY_HISTORY } from '../../protocol/rules/history.ts';
import { groupSeed } from '../../protocol/rules/group-draw.ts';
import {
  atomsOf,
  mayAnswer,
  mayBeGrouped,
  mayUpload,
  setName,
  type OneSetView,
} from '../../protocol/rules/one-set.ts';
import { drawGroups } from '../../protocol/secagg/index.ts';
import { encodeBundle, type UnmaskingBundle } from '../../protocol/verify/bundle.ts';
import { EVIDENCE_TYPES, readEvidence } from '../../protocol/verify/evidence.ts';
import { spotCheck } from '../../protocol/verify/spot-check.ts';
import { checkConsistency } from '../../client/participant/machine/record-checks.ts';
import { verifyRun } from '../../protocol/verify/index.ts';
import { journalLedger } from '../../coordinator/index.ts';
import { groupingIn } from '../../client/participant/machine/spending.ts';
import { overTheWire } from '../rules/build-round.ts';
import {
  fastClock,
  PATIENT,
  readBundle,
  readModel,
  realRun,
  type Client,
  type RealRun,
} from './real-run.ts';

let run: RealRun;
let clients: Client[];
beforeAll(async () => {
  run = await realRun(
    {
      rounds: 2,
      cohort: { size: 9, minimum: 3, overSelect: 1 },
      encoding: { ring: 'ring32', bits: 20, clipNorm: 1, weightCap: 10 },
      robust: { rule: { type: 'median' }, byzantine: 1, groupSize: 3 },
      deadlines: PATIENT,
    },
    { clock: fastClock(), startWith: 9 },
  );
  clients = await Promise.all(
    Array.from({ length: 9 }, (_, i) => run.join(`member ${i}`, { clock: fastClock() })),
  );
  await run.committed(2);
});
afterAll(() => run.stop());

const attemptOne = () => {
  const { spec } = run;
  const [open] = run.records('open');
  const [cohort] = run.records('cohort');
  const [survivors] = run.records('survivors');
  const [commit] = run.records('commit');
  return {
    spec,
    open: open!,
    cohort: cohort!,
    survivors: survivors!,
    commit: commit!,
    groups: groupsOf({ spec, cohort: cohort! }),
  };
};

describe('an honest run', () => {
  it('steps to the median of the means of the groups, as the updates in the clear give it', async () => {
    const { groups, commit, open } = attemptOne();
    expect(groups.map(({ members }) => members.length)).toEqual([3, 3, 3]);
    const means = groups.map(({ members }) => {
      const own = members.map((key) => clients.find((one) => equalBytes(one.key, key))!.update);
      return own[0]!.map((_, i) => own.reduce((sum, update) => sum + update[i]!, 0) / own.length);
    });
    const reader = clients[0]!.keystore.identity;
    const after = await readModel(run, commit.body.model, reader);
    const before = await readModel(run, open.body.model, run.stage.coordinatorIdentity);
    for (const [i, value] of after.entries()) {
      const [, middle] = means.map((mean) => mean[i]!).toSorted((a, b) => a - b);
      expect(value - before[i]!).toBeCloseTo(middle!, 4);
    }
    // The coordinator tells what the means say, once for each round.
    const told = run.progress.filter((progress) => progress.type === 'groups');
    expect(told.map(({ attempt, suspects }) => [attempt, suspects])).toEqual([
      [1, []],
      [2, []],
    ]);
    for (const [g, { norm, members }] of told[0]!.groups.entries()) {
      expect(norm).toBeCloseTo(Math.hypot(...means[g]!), 4);
      expect(members).toEqual(groups[g]!.members.map(toHex));
    }
    // Every member checked the first commit before the second round.
    for (const { events } of clients)
      expect(events.some(({ type }) => type === 'checked')).toBe(true);
  });
});

describe('a member that commits to another secret than it shares', () => {
  it('is shown by an abort; the others keep their groups, and its own is left out', async () => {
    const other = await realRun(
      {
        cohort: { size: 12, minimum: 3, overSelect: 1 },
        robust: {
          rule: { type: 'rfa', iterations: 8, smoothing: 0.1 },
          byzantine: 1,
          groupSize: 3,
        },
        deadlines: PATIENT,
      },
      { clock: fastClock(), startWith: 12 },
    );
    try {
      const honest = Array.from({ length: 11 }, (_, i) => other.join(`honest ${i}`));
      await Promise.all(honest);
      const { identity } = await other.liar('liar', { lie: { commitment: true } });
      await other.committed(1);
      const [abort, ...more] = other.records('abort');
      expect(more).toEqual([]);
      expect(abort!.body).toMatchObject({
        code: 'commitment_mismatch',
        culprits: [identity.publicKey],
        answered: true,
      });
      const [first, second] = other.records('cohort');
      expect(first!.body.groups).toMatchObject({ attempt: 1, members: first!.body.members });
      expect(second!.body.groups).toEqual(first!.body.groups);
      const before = groupsOf({ spec: other.spec, cohort: first! });
      const after = groupsOf({ spec: other.spec, cohort: second! });
      const survivors = new Set(other.records('survivors').at(-1)?.body.members.map(toHex));
      const liar = toHex(identity.publicKey);
      for (const [g, { keys }] of before.entries()) {
        // Two are fewer than may be summed, and are not asked.
        expect(after[g]!.keys).toEqual(keys.has(liar) ? new Set() : keys);
        for (const key of keys) expect(survivors.has(key)).toBe(!keys.has(liar));
      }
      const verdict = await verifyRun({
        spec: other.spec,
        transcript: await other.coordinator.transcript.whole(),
        store: other.stage.store,
        gate: sealedBoxGate(other.stage.coordinatorIdentity),
        ledger: journalLedger(other.stage.journal),
      });
      expect(verdict).toMatchObject({ ok: true, level: 'L1' });
    } finally {
      await other.stop();
    }
  });
});

/** The records that a participant is shown of the first round, with another commit. */
const evidenceWith = (commit: SignedRecord<'commit'>) => {
  const records = run
    .entries()
    .map(({ record }) => record)
    .filter(({ attempt, type }) => attempt === 1 && EVIDENCE_TYPES.includes(type))
    .map((record) => (record.type === 'commit' ? commit.bytes : record.bytes));
  return readEvidence(run.spec, run.run, 'members', records);
};

/** Signs the commit again as a coordinator does that has changed the sums of its groups. */
const forge = async (
  change: (groups: Uint8Array[]) => Uint8Array[],
  isStepRepeated = true,
): Promise<{ commit: SignedRecord<'commit'>; bundle: UnmaskingBundle }> => {
  const { spec, open, cohort, commit, survivors } = attemptOne();
  const identity = run.stage.coordinatorIdentity;
  const bundle = await readBundle(run, commit, identity);
  const { meanExamples, model, beacon } = open.body;
  const layout = layoutOf(spec, 9, meanExamples);
  const groups = change([...bundle.groups!].map((sum) => sum.slice()));
  const aggregate = aggregateOfGroups(layout, groups);
  if (!isStepRepeated)
    return forged(identity, commit, { ...commit.body, aggregate }, { ...bundle, groups });
  const gate = sealedBoxGate(identity);
  const before = await readModel(run, model, identity);
  const result = finishRound({
    spec,
    n: 9,
    survivors: survivors.body.members.length,
    lanes: createLanes(0, layout.modulusBits),
    groups: groups.map((sum) => ({
      lanes: unpack(sum, layout.modulusBits, layout.lanes),
      survivors: 3,
    })),
    before: { weights: before, state: new Float32Array() },
    meanExamples,
    rotationSeed: encodingSeed(spec, {
      attempt: 1,
      beacon,
      modelHash: model.hash,
      cohortRoot: cohort.body.root,
    }),
  });
  // The model that follows, under the key that the bundle has already.
  const purpose = { run: run.run, attempt: 1, role: 'model' } as const;
  const key = await gate.unwrap(commit.body.model.envelope, purpose);
  const clear = await decryptBlob(key, purpose, await run.stage.store.get(commit.body.model.blob));
  const values = new Float32Array(
    clear.buffer,
    clear.byteOffset + clear.length - 4 * before.length,
    before.length,
  );
  values.set(result.after.weights);
  const blob = await run.stage.store.put(await encryptBlob(key, purpose, clear));
  const { id, sha256: hash, size } = blob;
  const { weight, examples, clipped } = result;
  const body: Body<'commit'> = {
    ...commit.body,
    aggregate: result.aggregate,
    weight,
    examples,
    clipped,
    metrics: [...result.metrics],
    meanExamples: result.meanExamples,
    step: { ...commit.body.step, after: result.afterHash },
    model: {
      ...commit.body.model,
      hash: result.afterHash,
      blob: { id, sha256: hash, size },
    },
  };
  return forged(identity, commit, body, { ...bundle, groups });
};

const forged = (
  identity: RealRun['stage']['coordinatorIdentity'],
  { attempt }: SignedRecord,
  body: Body<'commit'>,
  bundle: UnmaskingBundle,
) => ({ commit: signRecord(identity, 'commit', run.run, attempt, body), bundle });

const check = ({ commit, bundle }: Awaited<ReturnType<typeof forge>>) =>
  spotCheck({
    spec: run.spec,
    run: run.run,
    evidence: evidenceWith(commit),
    bundle: encodeBundle(bundle),
    leaf: 0,
    reader: {
      range: ([ref], start, end) => run.stage.store.getRange(ref!, start, end),
      whole: ([ref]) => run.stage.store.get(ref!),
    },
  });

const flip = (bytes: Uint8Array, at: number): Uint8Array =>
  bytes.map((byte, i) => (i === at ? byte ^ 1 : byte));

describe('a coordinator that makes up the sum of a group', () => {
  it('is believed where it changes nothing', async () => {
    expect((await check(await forge((groups) => groups))).type).toBe('ok');
  });

  it.each<[string, (groups: Uint8Array[]) => Uint8Array[]]>([
    ['swaps two sums', ([a, b, ...others]) => [b!, a!, ...others]],
    ['puts one sum in two places', ([a, , c]) => [a!, a!, c!]],
    ['moves one value of one sum', ([a, ...others]) => [flip(a!, 3), ...others]],
  ])('and %s: a leaf is not that of the uploads', async (_name, change) => {
    const result = await check(await forge(change));
    expect(result).toMatchObject({ type: 'fabricated', proof: { part: 'leaf' } });
  });

  it('and leaves a sum out, or adds one: the commit has not their size', async () => {
    for (const change of [
      ([, ...others]: Uint8Array[]) => others,
      (groups: Uint8Array[]) => [...groups, groups[0]!],
    ]) {
      const { commit } = await forge(change, false);
      expect(() => evidenceWith(commit)).toThrow(/expected a sum of/u);
    }
  });

  it('and signs another model than the rule gives', async () => {
    const honest = await forge((groups) => groups);
    const other = await forge(([a, b, c]) => [flip(a!, 3), b!, c!]);
    const { model, step } = other.commit.body;
    const body = { ...honest.commit.body, model, step };
    const identity = run.stage.coordinatorIdentity;
    const result = await check(forged(identity, honest.commit, body, honest.bundle));
    expect(result).toMatchObject({ type: 'fabricated', proof: { part: 'step' } });
  });

  it.each<[string, (bundle: UnmaskingBundle) => UnmaskingBundle, string]>([
    ['without sums', (bundle) => ({ ...bundle, groups: undefined }), 'sum'],
    [
      'with leaf hashes of one sum instead',
      (bundle) => ({ ...bundle, groups: undefined, sum: new Uint8Array(64) }),
      'sum',
    ],
    [
      'with a sum that is too short',
      (bundle) => ({ ...bundle, groups: bundle.groups!.map((sum) => sum.subarray(1)) }),
      'sum',
    ],
    [
      'with a secret of a member of another group',
      ({ secrets: [a, b, ...others], ...bundle }) => ({
        ...bundle,
        secrets: [{ ...a!, secret: b!.secret }, b!, ...others],
      }),
      'secret',
    ],
    [
      'with a secret more than were opened',
      (bundle) => ({
        ...bundle,
        secrets: [
          ...bundle.secrets,
          { author: new Uint8Array(32), kind: 'key', secret: new Uint8Array(32) },
        ],
      }),
      'secret',
    ],
    ['with a secret less', (bundle) => ({ ...bundle, secrets: bundle.secrets.slice(1) }), 'secret'],
  ])('a bundle %s is no evidence', async (_name, change, part) => {
    const { commit, bundle } = await forge((groups) => groups);
    const result = await check({ commit, bundle: change(bundle) });
    expect(result).toMatchObject({ type: 'fabricated', proof: { part } });
  });
});

describe('a group whose sum cannot be right', () => {
  /** Every value as far from zero as a lane holds. */
  const spoiled = (packed: Uint8Array): Uint8Array => {
    const { modulusBits, padded, lanes } = layoutOf(
      run.spec,
      9,
      attemptOne().open.body.meanExamples,
    );
    const values = unpack(packed, modulusBits, lanes);
    values.fill(2 ** (modulusBits - 1) - 1, 0, padded);
    return pack(values, modulusBits);
  };

  it('is left out by everybody alike, and its examples do not count', async () => {
    const honest = await forge((groups) => groups);
    const [first] = attemptOne().groups;
    const { commit } = await forge(([a, ...others]) => [spoiled(a!), ...others]);
    const before = await readModel(
      run,
      attemptOne().open.body.model,
      run.stage.coordinatorIdentity,
    );
    const after = await readModel(run, commit.body.model, run.stage.coordinatorIdentity);
    const means = attemptOne()
      .groups.slice(1)
      .map(({ members }) => {
        const own = members.map((key) => clients.find((one) => equalBytes(one.key, key))!.update);
        return own[0]!.map((_, i) => own.reduce((sum, update) => sum + update[i]!, 0) / 3);
      });
    for (const [i, value] of after.entries())
      expect(value - before[i]!).toBeCloseTo((means[0]![i]! + means[1]![i]!) / 2, 4);
    expect(honest.commit.body.examples - commit.body.examples).toBe(10 * first!.members.length);
  });

  it('ends the attempt where there are more than the run bears', async () => {
    await expect(
      forge(([a, b, ...others]) => [spoiled(a!), spoiled(b!), ...others]),
    ).rejects.toMatchObject({
      code: 'mean_out_of_range',
      message: expect.stringContaining('the means of 2 of 3 groups'),
    });
  });
});

/** What a reader knows before this record of the first attempt. */
const viewBefore = (type: string, complete = false): AttemptView => {
  let view = emptyView({ spec: run.spec, run: run.run, attempt: 1, complete });
  for (const { record } of run.entries()) {
    if (record.attempt !== 1 || record.type === type) break;
    view = withRecord(view, record);
  }
  return view;
};

const signed = <Type extends 'cohort' | 'survivors'>(type: Type, body: Body<Type>) =>
  signRecord(run.stage.coordinatorIdentity, type, run.run, 1, body);

describe('a coordinator that leaves a group out', () => {
  const survivorsWith = (
    change: (body: Body<'survivors'>, group: ReadonlySet<string>) => Partial<Body<'survivors'>>,
  ) => {
    const { survivors, groups } = attemptOne();
    return signed('survivors', {
      ...survivors.body,
      ...change(survivors.body, groups[0]!.keys),
    });
  };
  const without = (
    { members, uploads }: Body<'survivors'>,
    gone: (key: string) => boolean,
  ): Pick<Body<'survivors'>, 'members' | 'uploads'> => ({
    members: members.filter((key) => !gone(toHex(key))),
    uploads: uploads.filter((_, i) => !gone(toHex(members[i]!))),
  });
  const fault = (record: SignedRecord<'survivors'>): string | undefined => {
    // The rules of its hash are about other lies.
    const found = violation(viewBefore('survivors'), record);
    return found?.rule;
  };

  it('for no fault of its members, is refused; too few groups are refused too', () => {
    const four = survivorsWith((body, group) => ({
      ...without(body, (key) => group.has(key)),
      rejected: body.members
        .filter((key) => group.has(toHex(key)))
        .map((member) => ({ member, code: 'group_too_small' })),
    }));
    // Two groups are fewer than the median needs for one liar.
    expect(fault(four)).toBe('survivors-quorum');
    const view = viewBefore('survivors');
    // Where two would do, the group still has no fault.
    const lax = { ...view, spec: { ...view.spec, robust: { ...view.spec.robust!, byzantine: 0 } } };
    expect(violation(lax as AttemptView, four)?.rule).toBe('survivors-groups');
  });

  it('after it has seen the sum of another one, is refused: every group has signed the set', () => {
    const view = viewBefore('consistent');
    const { cohort, groups } = attemptOne();
    const [own] = groups;
    const records = run
      .records('consistent')
      .filter(({ attempt }) => attempt === 1)
      .map(({ author, bytes }) => ({ key: toHex(author), bytes }));
    const answersTo = (sent: typeof records): void =>
      checkConsistency(
        { ...view, cohort },
        overTheWire({ type: 'consistency', records: sent.map(({ bytes }) => bytes) }),
      );
    expect(() => answersTo(records)).not.toThrow();
    // Of its group alone: the others would be asked about another set later.
    for (const group of groups)
      expect(() => answersTo(records.filter(({ key }) => group.keys.has(key)))).toThrow(
        'of each group to have signed the set',
      );
    expect(() => answersTo(records.filter(({ key }) => !own!.keys.has(key)))).toThrow(
      'of each group to have signed the set',
    );
    expect(() => answersTo([])).toThrow('of each group to have signed the set');
  });

  it('and counts two of its three members, is refused', () => {
    const record = survivorsWith((body, group) => {
      const [first] = [...group];
      return {
        ...without(body, (key) => key === first),
        rejected: body.members
          .filter((key) => toHex(key) === first)
          .map((member) => ({ member, code: 'phase_closed' })),
      };
    });
    expect(['survivors-quorum', 'survivors-groups']).toContain(fault(record));
  });
});

describe('a coordinator that chooses the groups', () => {
  const cohortWith = (groups: Body<'cohort'>['groups'], over: Partial<Body<'cohort'>> = {}) =>
    signed('cohort', { ...attemptOne().cohort.body, ...over, groups });
  const rule = (record: SignedRecord<'cohort'>, view = viewBefore('cohort')) =>
    violation({ ...view, attempt: 1 }, record)?.rule;
  const later = (): AttemptView => ({ ...viewBefore('cohort'), attempt: 1 });

  it('by a cohort that was never frozen, or a beacon of its own, is refused', () => {
    const { members } = attemptOne().cohort.body;
    const beacon = sha256(utf8('mine'));
    // An attempt that is not an earlier one.
    expect(rule(cohortWith({ attempt: 1, members, beacon }))).toBe('cohort-groups');
    const view = later();
    const earlier = { ...view, attempt: 2 };
    const second = (groups: Body<'cohort'>['groups']) =>
      signRecord(run.stage.coordinatorIdentity, 'cohort', run.run, 2, {
        ...attemptOne().cohort.body,
        groups,
      });
    expect(violation(earlier, second({ attempt: 1, members, beacon }))?.rule).toBe('cohort-groups');
    const fewer = members.slice(1);
    expect(violation(earlier, second({ attempt: 1, members: fewer, beacon }))?.rule).toBe(
      'cohort-groups',
    );
    // Sybils that were in no cohort, by the right beacon for them: only the history shows it.
    const padded = [...members, new Uint8Array(32).fill(255)];
    const entropy = view.open!.body.beacon;
    const drawn = {
      attempt: 1,
      members: padded,
      beacon: groupSeed({ attempt: 1, beacon: entropy }),
    };
    const kept = attemptOne().cohort.body.groups!;
    const history = { ...EMPTY_HISTORY, groupings: new Map([[1, groupingName(kept)]]) };
    const complete = { ...earlier, complete: true, history };
    expect(violation(complete, second(drawn))?.rule).toBe('cohort-groups-kept');
    // A participant has not seen the history, and takes no groups that it was not shown.
    const { hash } = view.open!.body.model;
    const known = groupingIn(run, {}, hash, attemptOne().cohort);
    expect(groupingIn(run, known as never, hash, second(drawn))).toMatchObject({
      code: 'not_drawn',
    });
    expect(groupingIn(run, {}, hash, second(drawn))).toMatchObject({ code: 'not_drawn' });
    expect(violation(complete, second(kept))).toBeUndefined();
    expect(groupingIn(run, known as never, hash, second(kept))).toEqual(known);
    expect(groupingIn(run, known as never, new Uint8Array(32), second(kept))).toMatchObject({
      code: 'not_drawn',
    });
  });

  it('in a run without groups, or under another threshold, is refused', () => {
    const { members, beacon } = attemptOne().cohort.body;
    const { groups } = attemptOne().cohort.body;
    expect(rule(cohortWith(groups, { threshold: 7 }))).toBe('cohort-threshold');
    const { robust: _, ...whole } = run.spec;
    const view = { ...later(), spec: whole as typeof run.spec, attempt: 2 };
    const record = signRecord(run.stage.coordinatorIdentity, 'cohort', run.run, 2, {
      ...attemptOne().cohort.body,
      threshold: 7,
      groups: { attempt: 1, members, beacon },
    });
    expect(violation(view, record)?.rule).toBe('cohort-groups');
  });
});

describe('two groupings of the same updates', () => {
  const names = Array.from({ length: 9 }, (_, i) => addressOf(new Uint8Array(32).fill(i + 1)));
  const grouped = (label: string) =>
    drawGroups(9, 3, sha256(utf8(label))).map((group) => group.map((i) => names[i]!));
  const [one, two] = [grouped('R'), grouped('R of another attempt')];
  const viewOf = (self: string, over: Partial<OneSetView> = {}): OneSetView => ({
    policy: 'strict',
    minimum: 3,
    self,
    answered: [],
    uploaded: [],
    culprits: new Set(),
    ...over,
  });
  const groupWith = (groups: string[][], self: string) =>
    groups.find((group) => group.includes(self))!;
  const presentOf = (groups: string[][], self: string, answered: (key: string) => string[]) => ({
    attempt: 2,
    cohort: names.map((member) => ({ member, answered: answered(member) })),
    beside: groups.filter((group) => !group.includes(self)),
  });

  it('give less than three members away, and are one set where the cohort alone is compared', () => {
    expect(atomsOf([...one, ...two], new Set()).some(({ length }) => length < 3)).toBe(true);
    // Before the defence: the whole cohort is the very same set, and everybody answers again.
    const whole = viewOf(names[0]!, { answered: [names] });
    const said = names.map((member) => ({ member, answered: [setName(names)] }));
    expect(mayAnswer(whole, { attempt: 2, cohort: said }, names)).toBeUndefined();
  });

  it('are refused by each member that has answered, before it uploads and before it answers', () => {
    for (const self of names) {
      const before = groupWith(one, self);
      const after = groupWith(two, self);
      if (setName(before) === setName(after)) continue;
      const view = viewOf(self, { answered: [before] });
      const present = presentOf(two, self, (key) => [setName(groupWith(one, key))]);
      expect(mayBeGrouped(view, after)?.reason).toContain('are not in its group');
      expect(mayAnswer(view, present, after)?.reason).toContain('another set');
    }
  });

  it('are refused by one that has uploaded only, since the others say what they answered', () => {
    const self = names[0]!;
    const view = viewOf(self, {
      uploaded: [{ attempt: 1, cohort: groupWith(one, self), threshold: 3 }],
    });
    const present = presentOf(two, self, (key) =>
      key === self ? [] : [setName(groupWith(one, key))],
    );
    expect(mayUpload(view, present.cohort)).toBeUndefined();
    expect(mayAnswer(view, present, groupWith(two, self))?.reason).toContain('another set');
  });

  it('of which the second parts who has renounced the first are refused', () => {
    const self = names[0]!;
    const own = groupWith(one, self);
    const view = viewOf(self, { uploaded: [{ attempt: 1, cohort: own, threshold: 3 }] });
    const others = names.filter((key) => key === self || !own.includes(key));
    const standings = others.map((member) => ({ member, answered: [] }));
    expect(mayUpload(view, standings)?.reason).toContain('may have been opened');
  });

  it('that are the same are answered again, without a culprit too', () => {
    const self = names[0]!;
    const own = groupWith(one, self);
    const view = viewOf(self, { answered: [own] });
    const present = presentOf(one, self, (key) => [setName(groupWith(one, key))]);
    expect(mayBeGrouped(view, own)).toBeUndefined();
    expect(mayAnswer(view, present, own)).toBeUndefined();
    const [liar] = one.find((group) => !group.includes(self))!;
    const proven = viewOf(self, { answered: [own], culprits: new Set([liar!]) });
    const left = present.beside.map((group) => group.filter((key) => key !== liar));
    expect(mayAnswer(proven, { ...present, beside: left }, own)).toBeUndefined();
  });
});
