/**
 * @module The verdict of the long trials: what counts as having come through an outage, and what
 * does not.
 */
import { describe, expect, it } from 'vitest';
import { verdictOf, type Shown } from '../../scripts/soak/verdict.ts';

const KEYS = new Set(['gate_unavailable']);
const UNDISTURBED = { model: 'aa', accuracy: 91.5 };
const reported = (attempt: number, code: string): string =>
  `coordinator: attempt ${attempt} was aborted: cohort_too_small: expected shares of at least 3 members, got 0; ` +
  `reported: 3 x ${code} (nothing was revealed)`;
const own = (attempt: number, code: string): string =>
  `coordinator: attempt ${attempt} was aborted: ${code}: fetch failed (nothing was revealed)`;

const verdict = (over: Partial<Shown>) =>
  verdictOf({ model: 'bb', accuracy: 91, lines: [], left: [], ...over }, UNDISTURBED, KEYS);

describe('a trial holds', () => {
  it('with the same model, whatever was waited for', () => {
    expect(verdict({ model: 'aa' })).toEqual({ type: 'same' });
  });

  it('with another model where attempts were aborted, each for the outage', () => {
    const lines = [reported(2, 'gate_unavailable'), own(3, 'gate_unavailable')];
    expect(verdict({ lines })).toMatchObject({
      type: 'repeated',
      aborts: [
        { attempt: 2, code: 'cohort_too_small', reported: ['gate_unavailable'] },
        { attempt: 3, code: 'gate_unavailable', reported: [] },
      ],
    });
  });

  it('where the run waits and says for what', () => {
    const lines = ['coordinator: the run waits: attempt 2 waits: gate_unavailable: no answer'];
    expect(verdict({ model: undefined, lines })).toMatchObject({ type: 'waits' });
  });
});

describe('a trial fails', () => {
  const lines = [reported(2, 'gate_unavailable')];
  it.each([
    ['another model without an abort', {}, /no attempt was aborted/u],
    [
      'an accusation',
      { lines: [...lines, 'participant 1: THE COORDINATOR BROKE A RULE (1) in round 2'] },
      /accused/u,
    ],
    ['an accusation with the same model', { model: 'aa', lines: ['p: BROKE A RULE'] }, /accused/u],
    ['a participant that left', { model: 'aa', left: ['participant 3'] }, /participant 3 left/u],
    ['a cause of another service', { lines: [own(2, 'ledger_unavailable')] }, /not this outage/u],
    ['too few, and nobody says why', { lines: [reported(2, 'internal')] }, /not this outage/u],
    ['another accuracy', { lines, accuracy: 80 }, /accuracy 80/u],
    ['no accuracy', { lines, accuracy: undefined }, /accuracy/u],
    ['no end and no reason', { model: undefined, lines }, /does not say why/u],
    [
      'no end and another reason',
      { model: undefined, lines: ['coordinator: the run waits: funds_missing: no coins'] },
      /does not say why/u,
    ],
  ] as const)('with %s', (_, over, reason) => {
    const found = verdict(over);
    expect(found.type).toBe('failed');
    if (found.type === 'failed') expect(found.reasons.join('\n')).toMatch(reason);
  });
});
