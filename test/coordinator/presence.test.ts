/**
 * What the operator of a coordinator sees of its participants: who is here, how many are missing,
 * who was refused and why; one line per change, and no flood.
 */
import { afterEach, expect, it } from 'vitest';
import { join, memoryKeystore } from '../../client/index.ts';
import { describeEvent, type Presence } from '../../coordinator/index.ts';
import { createPresenceNotes } from '../../coordinator/presence-notes.ts';
import { FloeError } from '../../protocol/errors.ts';
import { makeStrategySpec, type StrategyInput } from '../../protocol/algorithm/registry.ts';
import type { RunSpec } from '../../protocol/spec/run-spec.ts';
import { manualClock } from '../../protocol/ports/clock.ts';
import { TEST_ADMISSION } from '../support/admission.ts';
import { testSpec } from '../support/run.ts';
import { serveRun, stepTrainer } from '../support/served-run.ts';

const closing: (() => Promise<unknown> | void)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

const identityOf = (index: number) => memoryKeystore(new Uint8Array(32).fill(index));
const lineOf = (presence: Presence): string =>
  describeEvent({ type: 'presence', presence })
    .map(([level, text]) => `${level}: ${text}`)
    .join();

it('names who joins, leaves, refuses the run and is refused', async () => {
  const keystores = await Promise.all([1, 2, 3, 4].map(identityOf));
  const keys = keystores.map(({ identity }) => identity.publicKey);
  const [first, second] = keys.map((key) => Buffer.from(key).toString('hex').slice(0, 12));
  const seen: Presence[] = [];
  const run = await serveRun(await testSpec({ members: { type: 'closed', keys } }), {
    init: { onPresence: (presence) => seen.push(presence) },
  });
  closing.push(() => run.stop());
  const { url } = run;
  const options = { trainer: stepTrainer, log: () => undefined };
  const stays = await join(url, {
    ...options,
    keystore: keystores[0]!,
    require: TEST_ADMISSION,
  });
  closing.push(() => stays.stop());
  await expect.poll(() => seen.length).toBe(1);
  // Its own requirements refuse this run: sums of three are too few for it.
  const refusing = await join(url, { ...options, keystore: keystores[1]! });
  await expect(refusing.finished).rejects.toMatchObject({ code: 'admission_refused' });
  const stranger = await identityOf(9);
  const refused = await join(url, { ...options, keystore: stranger, require: TEST_ADMISSION });
  await expect(refused.finished).rejects.toMatchObject({ code: 'identity_not_admitted' });
  await expect.poll(() => seen.length).toBe(4);
  const name = Buffer.from(stranger.identity.publicKey).toString('hex').slice(0, 12);
  const remote = seen[3]?.type === 'refused' ? seen[3].remote : '';
  expect(remote).toContain('127.0.0.1');
  expect(seen.map(lineOf)).toEqual([
    `info: present    1 of 4 participants are here, waiting for 3 more (${first} joined)`,
    `info: present    2 of 4 participants are here, waiting for 2 more (${second} joined)`,
    `info: present    1 of 4 participants are here, waiting for 3 more (${second} left: admission_refused)`,
    `warn: refused ${name} from ${remote}: identity_not_admitted: not a member of this run; 1 of 4 participants are here, waiting for 3 more`,
  ]);
});

it('says the same refusal once, is limited in rate, and is silent after the end', () => {
  const clock = manualClock(0);
  const seen: Presence[] = [];
  let over = false;
  const notes = createPresenceNotes(
    clock,
    () => (over ? undefined : { here: 3, needed: 3 }),
    (presence) => seen.push(presence),
  );
  const key = new Uint8Array(32).fill(7);
  const error = new FloeError('identity_in_use', 'a live session holds this identity');
  for (let i = 0; i < 5; i += 1) notes.refused(key, 'a:1', error);
  notes.refused(undefined, 'b:1', new FloeError('frame_malformed', 'not a frame'));
  expect(seen.map(({ type }) => type)).toEqual(['refused']);
  for (let i = 0; i < 1000; i += 1) notes.joined(key);
  expect(seen).toHaveLength(100);
  expect(lineOf(seen[1]!)).toBe(
    `info: present    3 of 3 participants are here (${'07'.repeat(6)} joined)`,
  );
  clock.advance(10_000);
  for (let i = 0; i < 1000; i += 1) notes.left(key, 'whatever a peer says');
  expect(seen).toHaveLength(105);
  expect(seen.at(-1)).toMatchObject({ type: 'left', code: undefined });
  over = true;
  clock.advance(10_000);
  notes.left(key, '');
  expect(seen).toHaveLength(105);
});

it('is warned where a strategy needs the number of all participants and an open run has none', async () => {
  const spec = await testSpec({ members: { type: 'open' } });
  const warned = (input: StrategyInput, members: RunSpec['members'] = spec.members) =>
    describeEvent({
      type: 'opened',
      resumed: false,
      spec: { ...spec, members, strategy: makeStrategySpec(input) },
    }).flatMap(([level, text]) => (level === 'warn' ? [text] : []));
  expect(warned({ name: 'scaffold' })).toEqual([
    expect.stringMatching(/^scaffold: population is 1.*--strategy-parameter population=N/u),
  ]);
  expect(warned({ name: 'scaffold', parameters: { population: 40 } })).toEqual([]);
  expect(warned({ name: 'fedavg' })).toEqual([]);
  expect(warned({ name: 'scaffold' }, { type: 'closed', keys: [] })).toEqual([]);
});
