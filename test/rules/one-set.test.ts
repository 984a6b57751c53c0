/**
 * @module The one-set rule case by case. What it holds against every adversary is in
 * one-set-model.test.ts.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { cryptoReady, identityFromSeed, type Identity } from '../../protocol/ports/identity.ts';
import { readConsents, signConsent } from '../../protocol/rules/consent.ts';
import {
  atomsOf,
  mayAnswer,
  mayRegister,
  mayUpload,
  renouncing,
  setName,
  type OneSetView,
  type Standing,
} from '../../protocol/rules/one-set.ts';
import { threshold } from '../../protocol/secagg/index.ts';

const members = (letters: string): string[] => letters.split('');
const view = (over: Partial<OneSetView> = {}): OneSetView => ({
  policy: 'strict',
  minimum: 3,
  self: 'a',
  answered: [],
  uploaded: [],
  culprits: new Set(),
  ...over,
});
/** A cohort in which `who` state that they have answered `set`. */
const cohort = (letters: string, who = '', ...sets: string[]): Standing[] =>
  members(letters).map((member) => ({
    member,
    answered: who.includes(member) ? sets.map((set) => setName(members(set))) : [],
  }));
const at = (letters: string, who = '', ...sets: string[]) => ({
  attempt: 9,
  cohort: cohort(letters, who, ...sets),
});

describe('a set has one name', () => {
  it('whatever the order of its members', () => {
    expect(setName(['b', 'a'])).toBe(setName(['a', 'b']));
    expect(setName(['a', 'b'])).not.toBe(setName(['ab']));
    expect(setName(['a'])).toMatch(/^[0-9a-f]{64}$/);
  });
});

describe('strict', () => {
  it('answers anything first, then the very same set only', () => {
    expect(mayAnswer(view(), at('abcde'), members('abcde'))).toBeUndefined();
    const after = view({ answered: [members('abcde')] });
    expect(mayAnswer(after, at('abcde', 'ae', 'abcde'), members('edcba'))).toBeUndefined();
    const refusal = mayAnswer(after, at('abcdef'), members('abcdef'));
    expect(refusal?.reason).toContain('answered for another set of 5');
    expect(refusal?.resume).toContain('a commit that changes the model');
    expect(mayAnswer(after, at('abcd'), members('abcd'))).toBeDefined();
  });

  it('answers that set without proven culprits, and without nobody else', () => {
    const after = view({ answered: [members('abcde')], culprits: new Set(['e']) });
    expect(mayAnswer(after, at('abcd', 'abcd', 'abcde'), members('abcd'))).toBeUndefined();
    expect(mayAnswer(after, at('abc', 'abc', 'abcde'), members('abc'))).toBeDefined();
    // Whom only others call a culprit is none.
    const trusting = view({ answered: [members('abcde')] });
    expect(mayAnswer(trusting, at('abcd', 'abcd', 'abcde'), members('abcd'))).toBeDefined();
  });

  it('counts no proven culprits towards the minimum', () => {
    const known = view({ culprits: new Set(['d', 'e']) });
    expect(mayAnswer(known, at('abcde'), members('abcde'))).toBeUndefined();
    const refusal = mayAnswer(known, at('abde'), members('abde'));
    expect(refusal?.reason).toContain('joint sum of 2 members');
  });

  it('answers that set without the latest of many culprits', () => {
    const many = Array.from({ length: 20 }, (_, i) => `old ${i}`);
    const after = { answered: [members('abcde')], culprits: new Set([...many, 'e']) };
    const all = at('abcd', 'abcd', 'abcde');
    expect(mayAnswer(view(after), all, members('abcd'))).toBeUndefined();
    // Also who has uploaded only, and knows the set by its name.
    expect(mayAnswer(view({ culprits: after.culprits }), all, members('abcd'))).toBeUndefined();
    const unproven = new Set(many);
    expect(mayAnswer(view({ culprits: unproven }), all, members('abcd'))).toBeDefined();
  });

  it('answers that set without more culprits than could be tried', () => {
    const set = 'abcdefghijklmnop';
    const after = { answered: [members(set)], culprits: new Set(members(set.slice(3))) };
    expect(mayAnswer(view(after), at('abc', 'abc', set), members('abc'))).toBeUndefined();
    expect(mayAnswer(view(after), at('abc', 'bc', `${set}q`), members('abc'))).toBeDefined();
  });

  it('answers for nothing where somebody in the cohort has answered for another set', () => {
    const refusal = mayAnswer(view(), at('abcd', 'd', 'bcde'), members('abcd'));
    expect(refusal?.reason).toContain('members have answered for another set on this model: d');
    // One who has not answered yet helps to complete the set that others have answered for.
    expect(mayAnswer(view(), at('abcd', 'cd', 'abcd'), members('abcd'))).toBeUndefined();
  });

  it('registers only where the set it answered can come again, proven culprits aside', () => {
    const after = view({ answered: [members('abcd')] });
    expect(mayRegister(view(), members('xyz'))).toBeUndefined();
    expect(mayRegister(after, members('abcde'))).toBeUndefined();
    expect(mayRegister(after, members('abc'))?.resume).toContain('an attempt with d');
    expect(mayRegister({ ...after, culprits: new Set(['d']) }, members('abc'))).toBeUndefined();
  });
});

describe('a set that is known by its name only, of a model that comes again', () => {
  const named = [setName(members('abcde'))];

  it('is answered for again, and no other set', () => {
    for (const policy of ['strict', 'consent'] as const) {
      const after = view({ policy, named });
      expect(mayRegister(after, members('abcde'))).toBeUndefined();
      expect(mayAnswer(after, at('abcde', 'bc', 'abcde'), members('abcde'))).toBeUndefined();
      expect(mayRegister(after, members('abcd'))?.reason).toContain('answered for another set');
      expect(mayAnswer(after, at('abcde'), members('abcd'))?.reason).toContain('another set');
      expect(mayAnswer(after, at('abcdef'), members('abcdef'))?.reason).toContain('another set');
    }
  });

  it('is answered for without proven culprits', () => {
    const after = view({ named, culprits: new Set(['e']) });
    expect(mayRegister(after, members('abcd'))).toBeUndefined();
    expect(mayAnswer(after, at('abcd'), members('abcd'))).toBeUndefined();
    expect(mayAnswer(after, at('abc'), members('abc'))).toBeDefined();
  });

  it('gets no answer by consent for parts of it: who is in it is not known any more', () => {
    const consents = members('abcd').map((author) => ({ author, members: members('abcd') }));
    const after = view({ policy: 'consent', named, consents });
    expect(mayAnswer(after, at('abcd'), members('abcd'))).toBeDefined();
  });

  it('is shown by a public ledger, or nothing is answered', () => {
    const after = view({ policy: 'ledger', named });
    const family = (survivors: string) => [
      { attempt: 1, cohort: members(survivors), threshold: 4, survivors: members(survivors) },
    ];
    expect(
      mayAnswer({ ...after, family: family('abcde') }, at('abcde'), members('abcde')),
    ).toBeUndefined();
    expect(
      mayAnswer({ ...after, family: family('abcd') }, at('abcde'), members('abcde'))?.reason,
    ).toContain('the ledger does not show');
  });
});

describe('an upload of an earlier attempt', () => {
  const uploaded = [{ attempt: 1, cohort: members('abcdefghij'), threshold: 7 }];

  it('must be renounced by so many that fewer than t are left, colluders included', () => {
    for (const minimum of [3, 4, 5, 6])
      for (let n = minimum; n <= 40; n += 1) {
        const t = threshold(n);
        const needed = renouncing(n, t, minimum);
        const colluders = Math.min(minimum - 2, t - 1);
        expect(needed).toBeLessThanOrEqual(n);
        expect(n - needed + colluders).toBeLessThan(t);
        // One fewer would not do.
        expect(n - (needed - 1) + colluders).toBeGreaterThanOrEqual(t);
      }
  });

  it('keeps its author out of a cohort without them, and says who must come back', () => {
    expect(renouncing(10, 7, 5)).toBe(7);
    const at5 = view({ minimum: 5, uploaded });
    expect(mayUpload(at5, cohort('abcdefg'))).toBeUndefined();
    const refusal = mayUpload(at5, cohort('abcdefxyz'));
    expect(refusal?.reason).toContain('its upload of attempt 1');
    expect(refusal?.reason).toContain('expected 7 members of that cohort in this one, got 6');
    expect(refusal?.resume).toContain('1 of g, h, i, j');
    expect(mayUpload({ ...at5, policy: 'ledger' }, cohort('abcdefxyz'))).toBeUndefined();
  });
});

describe('ledger', () => {
  const frozen = (attempt: number, survivors: string, all = survivors) => ({
    attempt,
    cohort: members(all),
    survivors: members(survivors),
    threshold: threshold(all.length),
  });
  const ledger = (...family: ReturnType<typeof frozen>[]): OneSetView =>
    view({ policy: 'ledger', family });

  it('parts members that share no set', () => {
    expect(atomsOf([members('abc'), members('bcd')], new Set())).toEqual([
      ['a'],
      ['b', 'c'],
      ['d'],
    ]);
    expect(atomsOf([members('abc'), members('bcd')], new Set(['d']))).toEqual([['a'], ['b', 'c']]);
  });

  it('answers where every atom of all public sets has the minimum cohort', () => {
    const all = frozen(1, 'abcdefg');
    // Both have answered, so nothing was renounced.
    const present = at('abcdefg', 'abcdefg', 'abcdefg');
    expect(mayAnswer(ledger(all), present, members('abcd'))).toBeUndefined();
    expect(mayAnswer(ledger(all), present, members('abcde'))?.reason).toContain('joint sum of 2');
    // A + B + v, A, and now B: v stands alone, and only the public list shows it.
    const half = frozen(2, 'abc');
    const both = at('abcdefg', 'abcdefg', 'abcdefg', 'abc');
    expect(mayAnswer(ledger(all), both, members('def'))).toBeUndefined();
    expect(mayAnswer(ledger(all, half), both, members('def'))?.reason).toContain('of 1 members');
  });

  it('leaves proven culprits aside', () => {
    const present = at('abcdefg', 'abcdefg', 'abcdefg');
    const known = { ...ledger(frozen(1, 'abcdefg')), culprits: new Set(['f', 'g']) };
    expect(mayAnswer(known, present, members('abcde'))).toBeUndefined();
  });

  it('leaves earlier attempts aside that can no longer be opened, but none that comes later', () => {
    const failed = frozen(1, 'abcdef', 'abcdefg');
    expect(mayAnswer(ledger(failed), at('abcdefg'), members('abcdefg'))).toBeUndefined();
    const late = frozen(10, 'abcdef', 'abcdefg');
    expect(mayAnswer(ledger(late), at('abcdefg'), members('abcdefg'))).toBeDefined();
    // Four of seven have answered: with one colluder that is t.
    const spoken = at('abcdefg', 'abcd', 'abcdef');
    expect(mayAnswer(ledger(failed), spoken, members('abcdefg'))).toBeDefined();
  });

  it('refuses a ledger that hides what it has answered', () => {
    const after = { ...ledger(), answered: [members('abcd')] };
    expect(mayAnswer(after, at('abcd'), members('abcd'))?.reason).toContain('does not show');
    const shown = { ...ledger(frozen(1, 'abcd')), answered: [members('abcd')] };
    expect(mayAnswer(shown, at('abcd', 'abcd', 'abcd'), members('abcd'))).toBeUndefined();
  });
});

describe('consent', () => {
  const answered = [members('abcdefg')];
  const consents = (...sets: string[]) =>
    sets.flatMap((set) => members(set).map((author) => ({ author, members: members(set) })));
  const proposed = members('abcdef');
  const present = at('abcdef', 'abcdef', 'abcdefg');

  it('adds the sets whose parts every member has named, exactly', () => {
    const base = view({ policy: 'consent', answered });
    expect(mayAnswer(base, present, proposed)?.resume).toContain('their signed consents');
    const named = consents('abcdef', 'g');
    expect(mayAnswer({ ...base, consents: named }, present, proposed)).toBeUndefined();
    const without = named.filter(({ author }) => author !== 'g');
    expect(mayAnswer({ ...base, consents: without }, present, proposed)).toBeDefined();
    const forged = [...without, { author: 'f', members: ['g'] }];
    expect(mayAnswer({ ...base, consents: forged }, present, proposed)).toBeDefined();
  });

  it('takes no word of one who has named two sets: together they say more', () => {
    const twice = [...consents('abcdef', 'g'), { author: 'g', members: members('fg') }];
    const base = view({ policy: 'consent', answered, consents: twice });
    expect(mayAnswer(base, present, proposed)).toBeDefined();
  });

  it('is strict where nobody needs to consent', () => {
    expect(mayAnswer(view({ policy: 'consent' }), at('abcd'), members('abcd'))).toBeUndefined();
  });
});

describe('a signed consent', () => {
  const run = new Uint8Array(32).fill(1);
  const model = new Uint8Array(32).fill(2);
  let people: Identity[] = [];
  beforeAll(async () => {
    await cryptoReady;
    people = await Promise.all(
      [3, 4].map((value) => identityFromSeed(new Uint8Array(32).fill(value))),
    );
  });

  it('holds for its run and its model, under its author’s signature', () => {
    const [a, b] = people as [Identity, Identity];
    const to = { run, model, members: [a.publicKey, b.publicKey] };
    const bytes = signConsent(a, to);
    expect(readConsents([bytes], run, model)).toEqual([
      { author: a.address, members: [a.address, b.address] },
    ]);
    expect(readConsents([bytes], model, model)).toEqual([]);
    expect(readConsents([bytes], run, run)).toEqual([]);
    const broken = bytes.map((byte, i) => (i === bytes.length - 1 ? byte ^ 1 : byte));
    expect(() => readConsents([broken], run, model)).toThrow(
      expect.objectContaining({ code: 'signature_invalid' }),
    );
    expect(() => readConsents([bytes.subarray(1)], run, model)).toThrow(
      expect.objectContaining({ code: 'record_malformed' }),
    );
    expect(() => signConsent(a, { run, model, members: [b.publicKey] })).toThrow(
      expect.objectContaining({ code: 'usage' }),
    );
  });
});
