/**
 * @module What a lying coordinator offers a participant, and what an outsider gets for a login. Real client, real coordinator.
 */
import { afterEach, expect, it } from 'vitest';
import { sealedBoxGate } from '../../protocol/access/sealed-box-gate.ts';
import { hashRunSpec } from '../../protocol/run-spec.ts';
import { openModel } from '../../protocol/verify/recompute.ts';
import { guest, type Guest } from '../support/meeting.ts';
import { connect, createStage, DIMENSION, testSpec, until } from '../support/run.ts';

const running: Guest[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map(({ participant }) => participant.stop()));
});

it('a run without masks, with a clip norm of 1e6 and one batch, takes the update of a participant that set nothing', async () => {
  const spec = await testSpec({
    cohort: { size: 3, minimum: 3 },
    secagg: 'none',
    encoding: { clipNorm: 1e6 },
    training: { batchSize: 65_536 },
  });
  const stage = await createStage(spec);
  const coordinator = stage.create();
  await coordinator.start();
  // The other two members are the coordinator's own keys.
  for (const name of ['victim', 'fake 1', 'fake 2'])
    running.push(await guest(stage, coordinator, name));
  await coordinator.finished;
  expect(running[0]?.sent).toContain('record');
  await coordinator.stop();
});

it('a first model of the choice of the coordinator is trained on', async () => {
  const spec = await testSpec({ cohort: { size: 3, minimum: 3 } });
  const stage = await createStage(spec);
  const crafted = new Float32Array(DIMENSION).fill(1e6);
  const coordinator = stage.create({ initialModel: crafted });
  await coordinator.start();
  for (const name of ['victim', 'fake 1', 'fake 2'])
    running.push(await guest(stage, coordinator, name));
  await coordinator.finished;
  expect(running[0]?.requests[0]?.weights).toEqual(crafted);
  await coordinator.stop();
});

it('an outsider that only logs in opens the model', async () => {
  const spec = await testSpec({ cohort: { size: 3, minimum: 3 } });
  const stage = await createStage(spec);
  const coordinator = stage.create();
  await coordinator.start();
  const outsider = await stage.participant('outsider');
  for (const name of ['anna', 'berta', 'caesar'])
    running.push(await guest(stage, coordinator, name));
  await until(() => coordinator.status().round === 1, 'the round is open');
  connect(coordinator, outsider);
  const { model } = await coordinator.finished;
  const cipher = await stage.store.get(model.blob);
  const opened = await openModel(
    { run: hashRunSpec(spec), model, cipher },
    spec.model,
    sealedBoxGate(outsider.identity),
  );
  expect(opened).toHaveLength(DIMENSION);
  await coordinator.stop();
});

it('logins of throw-away identities lock newcomers out, also after a restart', async () => {
  const spec = await testSpec({ cohort: { size: 3, minimum: 3 } });
  const stage = await createStage(spec);
  const limits = { identities: 20 };
  const coordinator = stage.create({ limits, startWith: 100 });
  await coordinator.start();
  for (let i = 0; i < 20; i += 1) {
    const one = await stage.participant(`outsider ${i}`);
    connect(coordinator, one);
    await until(() => coordinator.status().loggedIn === 1, 'logged in');
    one.disconnect();
    await until(() => coordinator.status().loggedIn === 0, 'gone');
  }
  await coordinator.stop();
  const again = stage.create({ limits });
  await again.start();
  const newcomer = await guest(stage, again, 'newcomer');
  running.push(newcomer);
  await until(
    () =>
      newcomer.events.some(
        (event) => event.type === 'reconnecting' && event.error.code === 'too_many_connections',
      ),
    'it is refused',
  );
  await again.stop();
});
