/**
 * Groups that are drawn before anybody registers. A coordinator that may choose among cohorts has
 * as many draws as there are cohorts, and finds one whose group is its victim and its colluders.
 * Here R has drawn the groups before, and each way in which it chooses members is tried: refused
 * registrations, members called late or out, another cohort size, repeated attempts, other records.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkOpen } from '../../client/participant/machine/record-checks.ts';
import { equalBytes, sha256, toHex, utf8 } from '../../protocol/bytes.ts';
import {
  signRecord,
  sortKeys,
  type Body,
  type SignedRecord,
} from '../../protocol/records/records.ts';
import { localBeacon } from '../../protocol/rules/beacon.ts';
import {
  drawnGroups,
  groupingBefore,
  groupSeed,
  groupsOfEligible,
} from '../../protocol/rules/group-draw.ts';
import { groupsDrawn, groupsOf, livingGroups, type Grouping } from '../../protocol/rules/groups.ts';
import { emptyView, violation, withRecord } from '../../protocol/rules/index.ts';
import type { Draw } from '../../protocol/rules/selection.ts';
import { cohortRoot, drawGroups } from '../../protocol/secagg/index.ts';
import { fastClock, PATIENT, realRun, type Client, type RealRun } from './real-run.ts';

let run: RealRun;
let clients: Client[];
beforeAll(async () => {
  run = await realRun(
    {
      rounds: 2,
      cohort: { size: 9, minimum: 3, overSelect: 1 },
      robust: { rule: { type: 'median' }, byzantine: 1, groupSize: 3 },
      deadlines: PATIENT,
    },
    { clock: fastClock(), startWith: 9 },
  );
  clients = await Promise.all(Array.from({ length: 9 }, (_, i) => run.join(`member ${i}`)));
  await run.committed(2);
});
afterAll(() => run.stop());

const firstOf = <Type extends 'open' | 'cohort' | 'commit'>(type: Type): SignedRecord<Type> =>
  run.records(type)[0]!;

describe('a coordinator that refuses registrations, to put a member among colluders', () => {
  const [COUNT, SIZE, TARGETS] = [15, 3, 20];
  const at = (target: number) => ({ attempt: 2, beacon: sha256(utf8(`R ${target}`)) });
  const party = (target: number) => {
    const all = sortKeys(Array.from({ length: COUNT }, (_, i) => sha256(utf8(`${target} ${i}`))));
    return {
      all,
      victim: all[0]!,
      bad: new Set(all.slice(1, SIZE).map(toHex)),
      honest: all.slice(SIZE),
    };
  };
  type Party = ReturnType<typeof party>;
  const isAlone = ({ victim, bad }: Party, groups: readonly (readonly Uint8Array[])[]): boolean => {
    const own = groups.find((group) => group.some((key) => equalBytes(key, victim))) ?? [];
    return (
      own.length === SIZE && own.every((key) => equalBytes(key, victim) || bad.has(toHex(key)))
    );
  };
  const specOf = () => {
    const { spec } = run;
    return { ...spec, cohort: { ...spec.cohort, size: COUNT } };
  };
  /** The groups that can be summed of a cohort without these. */
  const summed = (grouping: Grouping, gone: ReadonlySet<string>) => {
    const members = grouping.members.filter((key) => !gone.has(toHex(key)));
    if (members.length === 0) return [];
    const cohort = { body: { members, beacon: grouping.beacon, groups: grouping } };
    return livingGroups({ spec: specOf(), cohort }, members).map(({ present }) => present);
  };
  const openOf = ({ all }: Party, target: number, lists: Partial<Draw> = {}) => {
    const draw = { eligible: [...all], late: [], out: [], ...lists };
    const { attempt, beacon } = at(target);
    const body = { ...firstOf('open').body, beacon, invited: [...all], draw };
    return { attempt, body } as unknown as SignedRecord<'open'>;
  };
  const groupingOf = (open: SignedRecord<'open'>) => groupingBefore(specOf(), 'members', open)!;

  it('finds nearly always a cohort that does it where the frozen cohort is drawn from', () => {
    // Runs of before: one draw in 91, and one for each cohort to choose from.
    const triples = (keys: readonly Uint8Array[]) =>
      keys.flatMap((a, i) =>
        keys.slice(i + 1).flatMap((b, j) => keys.slice(i + j + 2).map((c) => [a, b, c])),
      );
    let chosen = 0;
    for (let target = 0; target < TARGETS; target += 1) {
      const one = party(target);
      const found = triples(one.honest).some((out) => {
        const left = one.all.filter((key) => !out.includes(key));
        const seed = localBeacon(cohortRoot(left), at(target).beacon);
        const groups = drawGroups(left.length, SIZE, seed).map((group) =>
          group.map((i) => left[i]!),
        );
        return isAlone(one, groups);
      });
      if (found) chosen += 1;
    }
    expect(chosen).toBeGreaterThanOrEqual(18);
  });

  it('finds none where R draws them before: who is refused, late or out moves nobody', () => {
    let drawn = 0;
    for (let target = 0; target < TARGETS; target += 1) {
      const one = party(target);
      const whole = summed(groupingOf(openOf(one, target)), new Set());
      if (isAlone(one, whole)) drawn += 1;
      const before = whole.map((group) => new Set(group.map(toHex)));
      const isPart = (group: readonly Uint8Array[]): boolean =>
        before.some((set) => group.every((key) => set.has(toHex(key))));
      for (let choice = 1; choice < 2 ** one.honest.length; choice += 397) {
        const gone = one.honest.filter((_, i) => ((choice >> i) & 1) === 1);
        const names = new Set(gone.map(toHex));
        const refused = summed(groupingOf(openOf(one, target)), names);
        const listed = summed(groupingOf(openOf(one, target, { out: gone })), names);
        const late = summed(groupingOf(openOf(one, target, { late: gone })), new Set());
        for (const groups of [refused, listed, late]) {
          const isMoved = !groups.every(isPart);
          const isCaught = isAlone(one, groups) && !isAlone(one, whole);
          if (isMoved || isCaught) expect.unreachable(`choice ${choice}`);
        }
      }
    }
    // One draw in 91.
    expect(drawn).toBeLessThanOrEqual(2);
  });

  it('remains: before the first commit it chooses whom it invites, without a ledger', () => {
    let chosen = 0;
    for (let target = 0; target < TARGETS; target += 1) {
      const one = party(target);
      // Which two of the honest it does not invite, or fewer.
      const outs = one.honest.flatMap((a, i) => one.honest.slice(i).map((b) => [a, b]));
      const found = outs.some((out) => {
        const invited = one.all.filter((key) => !out.includes(key));
        const { draw: _, ...body } = openOf(one, target).body;
        const open = { attempt: 1, body: { ...body, invited } };
        return isAlone(one, groupsDrawn(specOf(), groupingBefore(specOf(), 'members', open)!));
      });
      if (found) chosen += 1;
    }
    // By the place of its keys among the others alone: it may make keys too, or another run.
    expect(chosen).toBeGreaterThanOrEqual(1);
    // A ledger draws after the freeze; later the draw is that of R with a ledger too.
    const first = openOf(party(0), 0);
    const { draw: _, ...body } = first.body;
    expect(groupingBefore(specOf(), 'ledger', { attempt: 1, body })).toBeUndefined();
    expect(groupingBefore(specOf(), 'ledger', first)).toEqual(groupingOf(first));
  });

  it('with a smaller cohort invites whole groups, and a part of none', () => {
    const one = party(3);
    const small = { ...specOf(), cohort: { ...run.spec.cohort, size: 7 } };
    const whole = groupsOfEligible(small, at(3), one.all).map((group) => group.map(toHex).join());
    const open = openOf(one, 3);
    const { members, invited } = drawnGroups(small, at(3), open.body.draw!);
    expect(members).toHaveLength(7);
    expect(invited).toEqual(members);
    const drawn = groupsDrawn(small, groupingBefore(small, 'members', open)!);
    for (const group of drawn) expect(whole).toContain(group.map(toHex).join());
  });

  /** The second attempt of the run, which R draws. */
  const attemptTwo = () => {
    let view = emptyView({
      spec: run.spec,
      run: run.run,
      attempt: 2,
      previous: firstOf('commit'),
    });
    const records = run.entries().map(({ record }) => record);
    for (const record of records)
      if (record.attempt === 2 && (record.type === 'open' || record.type === 'register'))
        view = withRecord(view, record);
    const cohort = run.records('cohort').find(({ attempt }) => attempt === 2)!;
    return { view, cohort };
  };

  it('is refused by everybody: other groups than R draws are not drawn', () => {
    const { view, cohort } = attemptTwo();
    expect(violation(view, cohort)).toBeUndefined();
    const { groups, members } = cohort.body;
    expect(groups).toMatchObject({ attempt: 2, members });
    const body = (over: Partial<Grouping>) => ({ ...groups!, ...over });
    const first = firstOf('cohort').body.groups!;
    for (const other of [
      // After the registrations, over another set, by another seed, those of a model before.
      undefined,
      body({ members: members.slice(1) }),
      body({ members: sortKeys([...members, new Uint8Array(32).fill(7)]) }),
      body({ beacon: localBeacon(cohortRoot(members), view.open!.body.beacon) }),
      body({ beacon: groupSeed({ attempt: 3, beacon: view.open!.body.beacon }) }),
      body({ attempt: 3 }),
      first,
    ]) {
      const record = signRecord(run.stage.coordinatorIdentity, 'cohort', run.run, 2, {
        ...cohort.body,
        groups: other,
      });
      expect(violation(view, record)?.rule).toBe('cohort-groups');
    }
  });

  it('is refused where it invites a part of a group, or others than R draws', () => {
    const { view } = attemptTwo();
    const { invited, draw } = view.open!.body;
    const changed = (over: Partial<Body<'open'>>) =>
      violation(
        { ...view, open: undefined },
        signRecord(run.stage.coordinatorIdentity, 'open', run.run, 2, {
          ...view.open!.body,
          ...over,
        }),
      )?.rule;
    expect(changed({})).toBeUndefined();
    expect(changed({ invited: invited.slice(1) })).toBe('open-draw');
    // Who is out keeps its place, so that the two others of its group are too few.
    const out = [draw!.eligible[0]!];
    expect(changed({ draw: { ...draw!, out } })).toBe('open-draw');
    expect(changed({ draw: { ...draw!, out }, invited: invited.slice(1) })).toBe('open-draw');
  });

  it('takes no member into a run of before, that draws them from who has registered', () => {
    const { view, cohort } = attemptTwo();
    const { drawn: _, ...robust } = run.spec.robust!;
    const spec = { ...run.spec, robust };
    const member = { spec, run: run.run, self: clients[0]!.key, beacon: 'members' as const };
    expect(() => checkOpen(member, view.open!, undefined)).toThrow(
      expect.objectContaining({ code: 'not_drawn' }),
    );
    // What such a run has recorded stays valid: its cohort names no groups.
    const { groups: _groups, ...bare } = cohort.body;
    const record = signRecord(run.stage.coordinatorIdentity, 'cohort', run.run, 2, bare);
    expect(violation({ ...view, spec }, record)).toBeUndefined();
    expect(groupsOf({ spec, cohort: record }).map((group) => group.members.length)).toEqual([
      3, 3, 3,
    ]);
    // Where a ledger draws after the freeze, nobody knows what to refuse.
    expect(() =>
      checkOpen({ ...member, beacon: 'ledger' }, view.open!, firstOf('commit'), 1),
    ).not.toThrow();
  });

  it('repeats no attempt in other groups: it keeps those of the earlier one', () => {
    const { view, cohort } = attemptTwo();
    const open = {
      ...view.open!,
      attempt: 3,
      body: { ...view.open!.body, draw: { ...view.open!.body.draw!, again: 2 } },
    };
    const { beacon } = open.body;
    const third = { ...view, attempt: 3, open };
    const withGroups = (groups: Grouping | undefined) =>
      violation(
        third,
        signRecord(run.stage.coordinatorIdentity, 'cohort', run.run, 3, {
          ...cohort.body,
          groups,
        }),
      )?.rule;
    expect(withGroups(cohort.body.groups)).toBeUndefined();
    expect(withGroups(undefined)).toBe('cohort-groups');
    const { members } = cohort.body;
    const fresh = { attempt: 3, members, beacon: groupSeed({ attempt: 3, beacon }) };
    expect(withGroups(fresh)).toBe('cohort-groups');
  });
});
