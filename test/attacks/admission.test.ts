/**
 * @module What a lying coordinator offers a participant, and what an outsider gets for a login.
 * Real client, real coordinator wherever both exist; each move succeeded before its defence.
 */
import { afterEach, describe, expect, it } from 'vitest';
import type { AdmissionInput } from '../../client/admission.ts';
import { sealedBoxGate } from '../../protocol/ports/sealed-box-gate.ts';
import { initialModel } from '../../protocol/model/first-model.ts';
import { hashRunSpec, type RunSpecInput } from '../../protocol/spec/run-spec.ts';
import { hashModel } from '../../protocol/model/index.ts';
import { openModel } from '../../protocol/verify/recompute.ts';
import { guest, keystoreNamed, type Guest } from '../support/meeting.ts';
import { ScriptedCoordinator } from '../support/scripted-coordinator.ts';
import { connect, createStage, DIMENSION, testSpec, turns, until } from '../support/run.ts';

const running: Guest[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map(({ participant }) => participant.stop()));
});

type Over = Partial<Omit<RunSpecInput, 'id' | 'coordinator' | 'model'>>;

/** A closed run of five that a participant with the default policy takes. */
const sound = async (): Promise<Over> => {
  const names = ['victim', 'anna', 'berta', 'caesar', 'dorothea'];
  const keystores = await Promise.all(names.map(keystoreNamed));
  return {
    cohort: { size: 5, minimum: 5 },
    members: { type: 'closed', keys: keystores.map(({ identity }) => identity.publicKey) },
  };
};

/**
 * Plays a run with a victim that has the default policy, but for `require`, and two keys of the
 * coordinator.
 */
const offer = async (over: Over, require: AdmissionInput = {}) => {
  const spec = await testSpec(over);
  const stage = await createStage(spec);
  const coordinator = stage.create();
  await coordinator.start();
  const victim = await guest(stage, coordinator, 'victim', { require });
  running.push(victim);
  return { victim, coordinator, stage };
};

const MOVES: readonly (readonly [string, string, Over])[] = [
  ['updates without masks', 'masked', { secagg: 'none' }],
  ['the victim and two keys of its own', 'minimum', { cohort: { size: 5, minimum: 3 } }],
  ['a run that anybody may join', 'known', { members: { type: 'open' } }],
  ['a clip norm of 1e6', 'clipNorm', { encoding: { clipNorm: 1e6 } }],
  ['all examples in one batch', 'batchSize', { training: { batchSize: 65_536 } }],
  ['a weight that makes the mean one update', 'weightCap', { encoding: { weightCap: 2 ** 24 } }],
  ['a parent of its own making', 'parents', { parent: { modelHash: new Uint8Array(32) } }],
];

describe('a coordinator that offers', () => {
  it.each(MOVES)('%s is refused by name before anything is sent', async (_, field, over) => {
    const coordinator = await ScriptedCoordinator.create({ ...(await sound()), ...over });
    const stage = { ...(await createStage(coordinator.spec)), store: coordinator.store };
    const victim = await guest(stage, coordinator, 'victim', { require: {} });
    running.push(victim);
    expect(await victim.ended).toBe('admission_refused');
    await expect(victim.participant.finished).rejects.toMatchObject({ details: { field } });
    expect(victim.sent).toEqual(['hello', 'login']);
    expect(victim.requests).toEqual([]);
  });

  it('a sound run is taken part in', async () => {
    const { victim, coordinator, stage } = await offer(await sound());
    for (const name of ['anna', 'berta', 'caesar', 'dorothea'])
      running.push(await guest(stage, coordinator, name));
    await coordinator.finished;
    expect(await victim.ended).toBe('finished');
    await coordinator.stop();
  });

  it('less is taken by the participant that says so, which it says first of all', async () => {
    const require = { masked: false, minimum: 3, known: 0 };
    const { victim, coordinator, stage } = await offer(
      { secagg: 'none', cohort: { size: 3, minimum: 3 } },
      require,
    );
    for (const name of ['anna', 'berta']) running.push(await guest(stage, coordinator, name));
    await coordinator.finished;
    expect(await victim.ended).toBe('finished');
    expect(victim.events[0]).toEqual({
      type: 'admission',
      lowered: [
        'masked false: the coordinator may read every update',
        'minimum 3 (default 5)',
        'known 0 (default 1)',
      ],
    });
    await coordinator.stop();
  });
});

describe('a first model of the choice of the coordinator', () => {
  const crafted = new Float32Array(DIMENSION).fill(1e6);

  it('is not begun with by the coordinator', async () => {
    const stage = await createStage(await testSpec());
    const coordinator = stage.create({ initialModel: crafted });
    await expect(coordinator.start()).rejects.toMatchObject({ code: 'spec_mismatch' });
    expect(stage.store.blobs.size).toBe(0);
    await coordinator.stop();
  });

  it('is trained on by nobody', async () => {
    const coordinator = await ScriptedCoordinator.create({ cohort: { size: 3, minimum: 3 } });
    coordinator.weights = coordinator.weights.map((value) => value + 1);
    const stage = { ...(await createStage(coordinator.spec)), store: coordinator.store };
    for (const name of ['victim', 'fake 1', 'fake 2'])
      running.push(await guest(stage, coordinator, name));
    await coordinator.loggedIn(3);
    await coordinator.open();
    const [victim] = running;
    await until(
      () => victim?.events.some(({ type }) => type === 'violation') === true,
      'the model is refused',
    );
    const violation = victim?.events.find((event) => event.type === 'violation');
    expect(violation).toMatchObject({ error: { code: 'spec_mismatch' } });
    expect(victim?.requests).toEqual([]);
    expect(victim?.sent.slice(0, 2)).toEqual(['hello', 'login']);
    expect(victim?.sent).not.toContain('record');
  });

  it('a sound one is what its seed gives', async () => {
    const stage = await createStage(await testSpec());
    const coordinator = stage.create();
    await coordinator.start();
    const { spec } = stage;
    expect(coordinator.status().modelHash).toEqual(hashModel(spec.model, initialModel(spec.model)));
    await coordinator.stop();
  });
});

describe('an outsider', () => {
  it('that only logs in opens no model', async () => {
    const spec = await testSpec({ cohort: { size: 3, minimum: 3 } });
    const stage = await createStage(spec);
    const coordinator = stage.create();
    await coordinator.start();
    const outsider = await stage.participant('outsider');
    const names = ['anna', 'berta', 'caesar'];
    for (const name of names) running.push(await guest(stage, coordinator, name));
    await until(() => coordinator.status().attempt === 1, 'the round is open');
    connect(coordinator, outsider);
    const { model } = await coordinator.finished;
    const cipher = await stage.store.get(model.blob);
    const open = (gate: ReturnType<typeof sealedBoxGate>) =>
      openModel({ run: hashRunSpec(spec), model, cipher }, spec.model, gate);
    await expect(open(sealedBoxGate(outsider.identity))).rejects.toMatchObject({
      code: 'access_denied',
    });
    const { identity } = await keystoreNamed('anna');
    expect(await open(sealedBoxGate(identity))).toHaveLength(DIMENSION);
    await coordinator.stop();
  });

  it('locks nobody out with throw-away identities, also after a restart', async () => {
    const spec = await testSpec({ cohort: { size: 3, minimum: 3 } });
    const stage = await createStage(spec);
    const limits = { connections: 8 };
    const coordinator = stage.create({ limits, startWith: 100 });
    await coordinator.start();
    for (let i = 0; i < 50; i += 1) {
      const one = await stage.participant(`outsider ${i}`);
      connect(coordinator, one);
      await until(() => coordinator.status().loggedIn === 1, 'logged in');
      one.disconnect();
      await until(() => coordinator.status().loggedIn === 0, 'gone');
    }
    await coordinator.stop();
    const again = stage.create({ limits });
    await again.start();
    for (const name of ['anna', 'berta', 'newcomer']) running.push(await guest(stage, again, name));
    expect((await again.finished).rounds).toBe(1);
    await again.stop();
  });

  it('that is no member of a closed run is not let in', async () => {
    const { coordinator, stage } = await offer(await sound());
    const eve = await guest(stage, coordinator, 'eve', { require: {} });
    running.push(eve);
    expect(await eve.ended).toBe('identity_not_admitted');
    await turns();
    expect(coordinator.status().loggedIn).toBeLessThanOrEqual(1);
    await coordinator.stop();
  });
});
