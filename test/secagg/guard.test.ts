/**
 * The participant's rules under a coordinator that lies, written as attacks; and the state
 * surviving JSON.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sha256, toHex, utf8 } from '../../protocol/bytes.ts';
import {
  answerUnmask,
  checkConsistency,
  openGuard,
  recordUpload,
} from '../../protocol/secagg/index.ts';
import type { GuardState, Id, UnmaskRequest } from '../../protocol/secagg/index.ts';

const context = sha256(utf8('context'));
const blob = sha256(utf8('blob'));
const ids: Id[] = Array.from({ length: 6 }, (_, i) => new Uint8Array(32).fill(i + 1));
const pick = (...indices: number[]): Id[] => indices.map((i) => ids[i]!);
const rules = { minimum: 3, threshold: 4 };
const self = ids[0]!;

const fresh = (): GuardState => openGuard({ run: sha256(utf8('run')), attempt: 3, context, self });
/** Uploaded with the masks of sharers 0 to 4; member 5 never shared. */
const uploaded = (): GuardState =>
  recordUpload(fresh(), { context, hash: blob, sharers: pick(0, 1, 2, 3, 4) }, rules);
const request = (survivors: Id[], dropped: Id[], more: Partial<UnmaskRequest> = {}) => ({
  context,
  survivors,
  dropped,
  ownUpload: blob,
  ...more,
});
const codeOf = (run: () => unknown): string | undefined => {
  try {
    run();
  } catch (error) {
    return (error as { code?: string }).code;
  }
  return undefined;
};

describe('the upload', () => {
  it('of a second, different vector is refused; the same one again is not', () => {
    const state = uploaded();
    const sharers = pick(0, 1, 2, 3, 4);
    expect(recordUpload(state, { context, hash: blob, sharers }, rules)).toBe(state);
    const another = sha256(utf8('another blob'));
    expect(codeOf(() => recordUpload(state, { context, hash: another, sharers }, rules))).toBe(
      'mask_reuse',
    );
    const fewer = pick(0, 1, 2, 3);
    expect(codeOf(() => recordUpload(state, { context, hash: blob, sharers: fewer }, rules))).toBe(
      'mask_reuse',
    );
  });

  it('needs its own context, itself among the sharers, and enough of them in canonical order', () => {
    const attempt = (sharers: Id[], used = context, own = rules) =>
      codeOf(() => recordUpload(fresh(), { context: used, hash: blob, sharers }, own));
    expect(attempt(pick(0, 1, 2, 3))).toBeUndefined();
    expect(attempt(pick(0, 1, 2, 3), sha256(utf8('other model')))).toBe('context_mismatch');
    expect(attempt(pick(1, 2, 3, 4))).toBe('survivors_inconsistent');
    expect(attempt(pick(0, 1, 3, 2))).toBe('survivors_inconsistent');
    expect(attempt(pick(0, 1, 1, 2))).toBe('survivors_inconsistent');
    expect(attempt(pick(0, 1, 2))).toBe('not_enough_shares');
    expect(attempt(pick(0, 1), context, { minimum: 0, threshold: 0 })).toBe('cohort_too_small');
    const broken = { minimum: Number.NaN, threshold: Number.NaN };
    expect(attempt(pick(0, 1, 2), context, broken)).toBe('cohort_too_small');
  });
});

describe('the answer', () => {
  it('releases b of survivors and sigma of the dropped, one kind for each sharer', () => {
    const { state, reveal } = answerUnmask(uploaded(), request(pick(0, 1, 2, 3), pick(4)), rules);
    expect(reveal.map(({ author, kind }) => [author[0], kind])).toEqual([
      [1, 'self'],
      [2, 'self'],
      [3, 'self'],
      [4, 'self'],
      [5, 'key'],
    ]);
    expect(state.answer?.dropped).toEqual([toHex(ids[4]!)]);
  });

  it('is never both kinds for one peer, in one request or across two', () => {
    const both = request(pick(0, 1, 2, 3, 4), pick(4));
    expect(codeOf(() => answerUnmask(uploaded(), both, rules))).toBe('both_secrets_requested');
    const { state } = answerUnmask(uploaded(), request(pick(0, 1, 2, 3, 4), []), rules);
    const later = request(pick(0, 1, 2, 3), pick(4));
    expect(codeOf(() => answerUnmask(state, later, rules))).toBe('both_secrets_requested');
    const { state: second } = answerUnmask(uploaded(), later, rules);
    const reversed = request(pick(0, 1, 2, 3, 4), []);
    expect(codeOf(() => answerUnmask(second, reversed, rules))).toBe('both_secrets_requested');
  });

  it('to another set is refused; to the very same set it is given again (it reveals nothing new)', () => {
    const asked = request(pick(0, 1, 2, 3), pick(4));
    const first = answerUnmask(uploaded(), asked, rules);
    expect(answerUnmask(first.state, asked, rules)).toEqual(first);
    expect(codeOf(() => answerUnmask(first.state, request(pick(0, 1, 2, 3), []), rules))).toBe(
      'already_answered',
    );
  });

  it('outlives a crash: the rules hold for the state read back from JSON', () => {
    const { state } = answerUnmask(uploaded(), request(pick(0, 1, 2, 3), pick(4)), rules);
    const restored = JSON.parse(JSON.stringify(state)) as GuardState;
    expect(restored).toEqual(state);
    expect(codeOf(() => answerUnmask(restored, request(pick(0, 1, 2, 4), pick(3)), rules))).toBe(
      'both_secrets_requested',
    );
    const hash = sha256(utf8('retrained'));
    const sharers = pick(0, 1, 2, 3, 4);
    expect(codeOf(() => recordUpload(restored, { context, hash, sharers }, rules))).toBe(
      'mask_reuse',
    );
  });

  it.each([
    ['another context', request(pick(0, 1, 2, 3), pick(4), { context: blob }), 'context_mismatch'],
    ['itself left out', request(pick(1, 2, 3, 4), pick(0)), 'survivors_inconsistent'],
    ['itself on no list', request(pick(1, 2, 3, 4), []), 'survivors_inconsistent'],
    ['a member that never shared', request(ids, []), 'survivors_inconsistent'],
    ['a sharer on no list', request(pick(0, 1, 2, 3), []), 'survivors_inconsistent'],
    ['unsorted', request(pick(0, 2, 1, 3), pick(4)), 'survivors_inconsistent'],
    ['a survivor twice', request(pick(0, 1, 1, 2, 3), pick(4)), 'survivors_inconsistent'],
    ['a short id', request([new Uint8Array(31)], pick(4)), 'survivors_inconsistent'],
    [
      'another upload of its own',
      request(pick(0, 1, 2, 3), pick(4), { ownUpload: context }),
      'survivors_inconsistent',
    ],
    ['too few for the threshold', request(pick(0, 1, 2), pick(3, 4)), 'not_enough_shares'],
    ['too few altogether', request(pick(0, 1), pick(2, 3, 4)), 'cohort_too_small'],
  ])('is refused for %s', (_name, asked, code) => {
    expect(codeOf(() => answerUnmask(uploaded(), asked, rules))).toBe(code);
  });

  it('is refused before anything was uploaded, and below the own minimum', () => {
    const asked = request(pick(0, 1, 2, 3), pick(4));
    expect(codeOf(() => answerUnmask(fresh(), asked, rules))).toBe('survivors_inconsistent');
    expect(codeOf(() => answerUnmask(uploaded(), asked, { minimum: 5, threshold: 4 }))).toBe(
      'cohort_too_small',
    );
  });

  it('whatever is asked in whatever order, no peer is ever released both ways', () => {
    const split = fc.array(fc.constantFrom('alive', 'dropped', 'both', 'neither'), {
      minLength: 6,
      maxLength: 6,
    });
    let released = 0;
    fc.assert(
      fc.property(fc.array(split, { minLength: 1, maxLength: 6 }), (requests) => {
        let state = uploaded();
        const kinds = new Map<string, Set<string>>();
        for (const fates of requests) {
          const of = (fate: string) => ids.filter((_, i) => [fate, 'both'].includes(fates[i]!));
          const asked = request(of('alive'), of('dropped'));
          const code = codeOf(() => {
            const answer = answerUnmask(state, asked, { minimum: 3, threshold: 3 });
            ({ state } = answer);
            for (const { author, kind } of answer.reveal) {
              const known = kinds.get(toHex(author)) ?? new Set();
              kinds.set(toHex(author), known.add(kind));
            }
            released += 1;
          });
          expect([
            undefined,
            'both_secrets_requested',
            'already_answered',
            'survivors_inconsistent',
            'cohort_too_small',
          ]).toContain(code);
        }
        for (const known of kinds.values()) expect(known.size).toBe(1);
      }),
      { numRuns: 3000, seed: 11 },
    );
    // The property is not vacuous.
    expect(released).toBeGreaterThan(5);
  });
});

const verify = (signer: Id, message: Uint8Array, signature: Uint8Array) =>
  toHex(sha256(signer, message)) === toHex(signature);

describe('the consistency round', () => {
  const survivorsHash = sha256(utf8('U'));
  const survivors = pick(0, 1, 2, 3);
  const sign = (signer: Id, message = survivorsHash) => ({
    signer,
    signature: sha256(signer, message),
  });
  const check = (signatures: ReturnType<typeof sign>[]) =>
    codeOf(() => checkConsistency({ survivors, threshold: 3, survivorsHash, signatures, verify }));

  it('needs t distinct survivors over the same set', () => {
    const signed = survivors.map((id) => sign(id));
    expect(check(signed.slice(1))).toBeUndefined();
    expect(check(signed.slice(2))).toBe('survivors_inconsistent');
    expect(check([signed[0]!, signed[0]!, signed[1]!])).toBe('survivors_inconsistent');
    expect(check([...signed.slice(2), sign(ids[4]!)])).toBe('survivors_inconsistent');
    const elsewhere = sign(ids[0]!, sha256(utf8('another U')));
    expect(check([...signed.slice(2), elsewhere])).toBe('survivors_inconsistent');
    expect(check([...signed.slice(1), elsewhere])).toBeUndefined();
    expect(check(Array.from({ length: 256 }, () => signed[0]!))).toBe('survivors_inconsistent');
  });
});
