/** @module The settings that a survey refuses. */
import { expect, it } from 'vitest';
import { surveySpec } from '../../coordinator/survey-settings.ts';
import type { RunSettings } from '../../protocol/spec/settings.ts';

it.each([
  [{ epochs: 2 }, /^--epochs: a survey trains nothing/u],
  [{ rounds: 2 }, /^--rounds: a survey trains nothing/u],
  [{ ephocs: 2 }, /^--ephocs: no setting has this name/u],
  [{ toString: 2 }, /^--toString: no setting has this name/u],
])('%j is refused by name', (others, message) => {
  // A program may give what no type allows.
  const settings = { contract: { version: 1 }, ...others } as unknown as RunSettings;
  const survey = () => surveySpec(settings, {} as never, (name) => `--${name}`);
  expect(survey).toThrow(
    expect.objectContaining({
      code: 'usage',
      message: expect.stringMatching(message) as unknown,
    }) as Error,
  );
});
