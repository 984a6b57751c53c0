/**
 * @module A coordinator that waits until a participant has forgotten a model, and opens it again
 * for another set: two sums of one update. A participant remembers the sets of its last 1,024
 * models.
 */
import { expect, it } from 'vitest';
import { hashRunSpec } from '../../protocol/spec/run-spec.ts';
import { sha256, utf8 } from '../../protocol/bytes.ts';
import type { SignedRecord } from '../../protocol/records/records.ts';
import { EMPTY_RUN, MAX_PAST_MODELS, type RunMemory } from '../../client/keystore/keystore.ts';
import type { CheckedCohort, RunView } from '../../client/participant/machine/record-checks.ts';
import * as spending from '../../client/participant/machine/spending.ts';
import { testSpec } from '../support/run.ts';

const key = (name: string): Uint8Array => sha256(utf8(name));
const MEMBERS = ['anna', 'berta', 'caesar', 'victim'].map(key);
const STRICT = { policy: 'strict' } as const;

/** The memory after an attempt on the model that was answered. */
const answered = (memory: RunMemory, model: Uint8Array, attempt: number): RunMemory => {
  const record = { attempt, body: { members: MEMBERS } } as unknown as SignedRecord<'cohort'>;
  const cohort = { record, group: { members: MEMBERS, threshold: 3 } } as unknown as CheckedCohort;
  const uploaded = { ...memory, ...spending.uploadedIn(memory, model, cohort) };
  return { ...uploaded, ...spending.answeredFor(uploaded, model, attempt, MEMBERS) };
};

const openOf = (model: Uint8Array, invited: readonly Uint8Array[]) =>
  ({ model: { hash: model }, invited }) as unknown as SignedRecord<'open'>['body'];

it('is refused once the set of the model is forgotten', async () => {
  const spec = await testSpec();
  const run = hashRunSpec(spec);
  const view = { spec, run, self: key('victim') } as unknown as RunView;
  const first = key('first model');
  let memory = answered(EMPTY_RUN, first, 1);
  const register = (others: number) => {
    spending.checkOwner(view, first, run);
    spending.checkRemembered(memory, first, run);
    spending.checkRegister(view, STRICT, memory, openOf(first, MEMBERS.slice(others)));
  };
  for (let i = 2; i <= MAX_PAST_MODELS + 1; i += 1) memory = answered(memory, key(`model ${i}`), i);
  // The last one that is remembered.
  expect(() => register(0)).not.toThrow();
  expect(() => register(1)).toThrow(/another set/u);
  memory = answered(memory, key('one more'), MAX_PAST_MODELS + 2);
  for (const others of [0, 1]) expect(() => register(others)).toThrow(/not known any more/u);
  // A model that nobody has uploaded for is nothing to remember.
  expect(() => spending.checkRemembered(memory, key('a new model'), undefined)).not.toThrow();
});
