/** What a scenario refuses before anything is started. */
import { describe, expect, it } from 'vitest';
import { makeScenario } from '../../sim/scenario.ts';
import { MAX_MEMBERS } from '../../protocol/spec/bounds.ts';

describe('a scenario', () => {
  it('of more participants than a run has places is refused by name, and not waited for', () => {
    expect(() => makeScenario({ participants: 20_000 })).toThrow(
      expect.objectContaining({
        code: 'usage',
        message: expect.stringMatching(/--participants: .*10.?000.*20.?000/u),
      }),
    );
    expect(makeScenario({ participants: MAX_MEMBERS }).participants).toBe(MAX_MEMBERS);
  });
});
