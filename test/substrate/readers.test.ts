/**
 * @module Who may open a model that was published: the table of denials once more, with models that
 * the coordinator's keeper sealed and stored, and the gate that a reader makes from the run's
 * specification, its key and the chain. Who is let in reads the very weights; who is not is turned
 * away by the key servers themselves.
 */
import { NO_STATE } from '../../protocol/algorithm/state.ts';
import { NoAccessError } from '@mysten/seal';
import * as v from 'valibot';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { KeyPurpose } from '../../protocol/ports/access-gate.ts';
import { sealGate } from '../../protocol/net/seal/gate.ts';
import { decodeCbor } from '../../protocol/wire/cbor.ts';
import { identityFromSeed } from '../../protocol/ports/identity.ts';
import * as offers from '../../protocol/net/sui/offers.ts';
import { capOf, changeAccess, readRun } from '../../protocol/net/sui/registry.ts';
import { issueReceipt, receiptsOf } from '../../protocol/net/sui/receipts.ts';
import type { ModelRef } from '../../protocol/records/records.ts';
import {
  hashRunSpec,
  makeRunSpec,
  MODEL_AUDIENCES,
  type ModelAudience,
  type RunSpec,
} from '../../protocol/spec/run-spec.ts';
import { openModel } from '../../protocol/verify/index.ts';
import { createModelKeeper } from '../../coordinator/model-keeper.ts';
import type { Devnet } from 'floe-devnet';
import { STORIES, type Attempt, type Step, type Who } from './policy-cases.ts';
import { addressOfWho, keyOfWho, must, setStage, type Stage, type World } from './policy-play.ts';
import { connect, networkOf, packageOf, publicKeyOf, specFor, startNetwork } from './support.ts';

let devnet: Devnet;
let stage: Stage;
beforeAll(async () => {
  devnet = await startNetwork({ nodes: 4, sealServers: 2, sealThreshold: 2 });
  stage = await setStage(devnet);
});
afterAll(async () => {
  await devnet.stop();
});

const owner = keyOfWho('owner');
const MEMBERS: readonly Who[] = ['alice', 'bob'];
const { signal } = new AbortController();

/** Those that a story is about. */
const audiencesOf = (steps: readonly (Step | Attempt)[]): readonly ModelAudience[] => {
  const asked = steps.map((step) => (step.type === 'try' ? step.policy.type : undefined));
  return MODEL_AUDIENCES.filter((each) => asked.includes(each === 'time-lock' ? 'time' : each));
};

const specWith = (models: readonly ModelAudience[]): RunSpec => {
  const { version: _version, ...rest } = specFor(owner, [publicKeyOf(keyOfWho('agreed'))]);
  return makeRunSpec({ ...rest, access: { models } });
};

/** A run on chain, and what publishes its models. */
const startRun = async (spec: RunSpec) => {
  const connected = await connect(devnet, owner, spec);
  const run = hashRunSpec(spec);
  const identity = await identityFromSeed(new Uint8Array(32).fill(160));
  expect(identity.address).toBe(owner.toSuiAddress());
  const sealingSecret = new Uint8Array(32).fill(161);
  const keeper = createModelKeeper({ ...connected, spec, run, sealingSecret });
  const object = await connected.ledger.runObject(run);
  return { ...connected, spec, run, keeper, object };
};
type Started = Awaited<ReturnType<typeof startRun>>;

const weightsOf = (version: number): Float32Array => Float32Array.of(1, version, -0.5, 8);

const publish = ({ keeper, spec }: Started, version: number): Promise<ModelRef> => {
  const members = MEMBERS.map((who) => publicKeyOf(keyOfWho(who)));
  const model = keeper.prepare({ weights: weightsOf(version), state: NO_STATE }, version);
  return keeper.publish(model, [spec.coordinator, ...members], signal);
};

/** Anybody may read them; once is enough. */
const ciphers = new Map<string, Uint8Array>();

/** Everything a reader has: specification, key, network; at most the ids of what it would show. */
const readAs = async (
  spec: RunSpec,
  who: Who,
  model: ModelRef,
  holdings: { readonly pass?: string; readonly subscription?: string } = {},
): Promise<Float32Array> => {
  const { store, client, ledger } = await connect(devnet, keyOfWho(who), spec);
  const run = hashRunSpec(spec);
  const gate = sealGate({
    client,
    holdings,
    run,
    signer: keyOfWho(who),
    seal: networkOf(devnet).seal,
    packageId: packageOf(devnet),
    runObject: () => ledger.runObject(run),
    auditors: [spec.coordinator, ...spec.auditors],
    // The chain answers at once here.
    denialRetries: 0,
  });
  const cipher = ciphers.get(model.blob.id) ?? (await store.get(model.blob));
  ciphers.set(model.blob.id, cipher);
  return openModel({ run, model, cipher }, spec.model, gate);
};

const expectDenied = async (reading: Promise<unknown>, title: string): Promise<void> => {
  const thrown: unknown = await reading.catch((error: unknown) => error);
  expect(thrown, title).toMatchObject({ code: 'access_denied' });
  expect((thrown as Error).cause, title).toBeInstanceOf(NoAccessError);
};

const audiencesIn = (envelope: Uint8Array) => {
  const schema = v.object({
    v: v.number(),
    sealed: v.array(
      v.object({ audience: v.string(), attempt: v.number(), object: v.instance(Uint8Array) }),
    ),
  });
  return decodeCbor(schema, envelope, 'envelope_malformed', 64 << 10).sealed;
};

describe('the table of denials, with published models', () => {
  /**
   * The owner audits its run, names are the gate's own business, and who opens bundles has a test
   * of its own.
   */
  const told = STORIES.filter(({ title }) => title !== 'unmasking bundle').map(
    ({ title, steps }) => ({
      title,
      steps: steps.filter(
        (step) =>
          step.type !== 'try' ||
          (step.reader !== 'owner' && (step.outcome !== 'name' || 'offer' in step.policy)),
      ),
    }),
  );

  const attempt = async (
    world: World,
    run: Started,
    models: Map<number, ModelRef>,
    step: Attempt,
  ) => {
    const { policy, reader, outcome, title } = step;
    const model = models.get(policy.attempt) ?? (await publish(run, policy.attempt));
    models.set(policy.attempt, model);
    if (outcome === 'admitted') {
      // It names nothing: what it owns is found.
      expect(await readAs(run.spec, reader, model), title).toEqual(weightsOf(policy.attempt));
      return;
    }
    const shown =
      'offer' in policy ? { [policy.type]: must(world[policy.type][policy.shown]) } : {};
    await expectDenied(readAs(run.spec, reader, model, shown), title);
  };

  it.each(told)('$title', async ({ steps }) => {
    const [first, second] = [
      await startRun(specWith(audiencesOf(steps))),
      await startRun(specWith(['pass'])),
    ];
    const withCap = async ({ object }: Started) => ({
      run: object,
      cap: await capOf(stage.registry, owner.toSuiAddress(), object),
    });
    const world = stage.begin({ first: await withCap(first), second: await withCap(second) });
    const models = new Map<number, ModelRef>();
    for (const step of steps)
      if (step.type === 'try') await attempt(world, first, models, step);
      else await stage.play(world, step);
  });
});

describe('sealing', () => {
  it('is for the audiences that the specification names, and no other', async () => {
    const run = await startRun(specWith(['compute', 'time-lock']));
    const model = await publish(run, 2);
    expect(
      audiencesIn(model.envelope)
        .map(({ audience }) => audience)
        .toSorted(),
    ).toEqual(['auditor', 'cohort', 'compute', 'time-lock']);
    const plain = await startRun(specFor(owner));
    const kinds = async (
      role: KeyPurpose['role'],
      readers: readonly Uint8Array[],
      cohortOf?: number,
    ) => {
      const purpose: KeyPurpose = { run: plain.run, attempt: 2, role };
      const envelope = await plain.gate.wrap(
        new Uint8Array(32).fill(5),
        purpose,
        readers,
        cohortOf,
      );
      return audiencesIn(envelope).map(({ audience }) => audience);
    };
    const member = publicKeyOf(keyOfWho('alice'));
    const { coordinator } = plain.spec;
    expect(await kinds('model', [coordinator, member])).toEqual(['auditor', 'cohort']);
    expect(await kinds('model', [member])).toEqual(['cohort']);
    expect(await kinds('update', [coordinator])).toEqual(['auditor']);
    expect(await kinds('bundle', [coordinator, member])).toEqual(['unmask']);
    expect(await kinds('bundle', [coordinator, member], 3)).toEqual(['unmask']);
    expect(await kinds('bundle', [])).toEqual([]);
  });

  it('of a key for an audience happens once; a later cohort only adds its own', async () => {
    const run = await startRun(specWith(['pass']));
    const model = await publish(run, 2);
    const readers = [run.spec.coordinator, publicKeyOf(keyOfWho('alice'))];
    const again = await run.keeper.rewrap(model, readers, 3);
    const [before, after] = [model, again].map(({ envelope }) => audiencesIn(envelope));
    // Encryption draws fresh randomness, so equal bytes were not made twice.
    for (const audience of ['auditor', 'pass'])
      expect(after?.find((each) => each.audience === audience)).toEqual(
        before?.find((each) => each.audience === audience),
      );
    expect(after?.find(({ audience }) => audience === 'cohort')?.attempt).toBe(3);
    expect(audiencesIn((await run.keeper.rewrap(model, readers.slice(0, 1), 4)).envelope)).toEqual(
      after?.filter(({ audience }) => audience !== 'cohort'),
    );
    const other = await publish(run, 3);
    const inBoth = audiencesIn(other.envelope).filter(({ object }) =>
      after?.some((each) => Buffer.from(each.object).equals(object)),
    );
    expect(inBoth).toEqual([]);
  });
});

describe('a reader with several tickets', () => {
  it('shows the one that helps', async () => {
    const run = await startRun(specWith(['pass', 'subscription']));
    const model = await publish(run, 2);
    const { registry, senderOf } = stage;
    const offerOf = async (first: number, last: number) => {
      const terms = { run: run.object, beneficiary: addressOfWho('owner'), first, last };
      const prices = { passPrice: 1n, periodPrice: 1n, periodMs: 60_000 };
      const made = await offers.createOffer(registry, senderOf('owner'), { ...terms, ...prices });
      return offers.readOffer(registry, made.id);
    };
    const [others, these] = [await offerOf(3, 9), await offerOf(2, 2)];
    await offers.buyPass(registry, senderOf('bob'), others);
    await offers.payPeriod(registry, senderOf('bob'), others);
    const buy = () => offers.buyPass(registry, senderOf('bob'), these);
    const revoke = async (pass: string) =>
      offers.revokePass(
        registry,
        senderOf('owner'),
        await offers.readOffer(registry, these.id),
        pass,
      );
    await expectDenied(readAs(run.spec, 'bob', model), 'of other rounds');
    const first = await buy();
    await revoke(first.id);
    await expectDenied(readAs(run.spec, 'bob', model), 'revoked');
    const second = await buy();
    expect(await readAs(run.spec, 'bob', model)).toEqual(weightsOf(2));
    await revoke(second.id);
    await expectDenied(readAs(run.spec, 'bob', model), 'both revoked');
    await offers.payPeriod(registry, senderOf('bob'), these);
    expect(await readAs(run.spec, 'bob', model)).toEqual(weightsOf(2));
    devnet.faults.advanceClock(120_000);
    await expectDenied(readAs(run.spec, 'bob', model), 'ended');
    await offers.payPeriod(registry, senderOf('bob'), these);
    expect(await readAs(run.spec, 'bob', model)).toEqual(weightsOf(2));
  });
});

describe('a run on chain', () => {
  const change = (run: Started, who: Who, admitted: boolean) =>
    changeAccess(stage.registry, stage.senderOf('owner'), run.object, {
      type: 'auditor',
      address: addressOfWho(who),
      admitted,
    });

  it('keeps the auditors of its specification, and takes no other back when the coordinator starts again', async () => {
    const spec = specFor(owner, [publicKeyOf(keyOfWho('agreed'))]);
    const run = await startRun(spec);
    const model = await publish(run, 2);
    expect(await readAs(spec, 'agreed', model)).toEqual(weightsOf(2));
    await expect(change(run, 'agreed', false)).rejects.toMatchObject({ code: 'usage' });
    await change(run, 'auditor', true);
    expect(await readAs(spec, 'auditor', model)).toEqual(weightsOf(2));
    await change(run, 'auditor', false);
    const again = await startRun(spec);
    const { agreed, auditors } = await readRun(stage.registry, again.object);
    expect(again.object).toBe(run.object);
    expect(agreed).toEqual([owner.toSuiAddress(), addressOfWho('agreed')]);
    expect(auditors).toEqual([]);
    // Sealed before and after the restart.
    for (const each of [model, await publish(again, 3)]) {
      await expectDenied(readAs(spec, 'auditor', each), `version ${each.version}`);
      expect(await readAs(spec, 'agreed', each)).toEqual(weightsOf(each.version));
    }
  });

  it('lets whoever recomputes a round open its bundle, once the survivors are frozen', async () => {
    const run = await startRun(specFor(owner));
    const purpose: KeyPurpose = { run: run.run, attempt: 1, role: 'bundle' };
    const key = new Uint8Array(32).fill(6);
    const envelope = await run.gate.wrap(key, purpose, [run.spec.coordinator]);
    const members = MEMBERS.map((who) => publicKeyOf(keyOfWho(who)));
    const hash = new Uint8Array(32);
    const about = { run: run.run, attempt: 1 };
    await run.ledger.freezeCohort({ ...about, root: hash, members, entropy: hash });
    const openAs = async (who: Who) =>
      (await connect(devnet, keyOfWho(who), run.spec)).gate.unwrap(envelope, purpose);
    await expectDenied(openAs('owner'), 'before');
    await run.ledger.freezeSurvivors({ ...about, hash, members, dataCommitment: hash });
    for (const who of ['owner', 'alice'] as const) expect(await openAs(who)).toEqual(key);
    await expectDenied(openAs('outsider'), 'outsider');
    // The cohort that trains on the round's model checks it before.
    const blob = { id: 'A'.repeat(43), sha256: hash, size: 7 };
    await run.ledger.registerModel({ ...about, modelHash: hash, blob, transcriptRoot: hash });
    const after = [publicKeyOf(keyOfWho('outsider'))];
    await run.ledger.freezeCohort({
      ...about,
      attempt: 2,
      root: hash,
      members: after,
      entropy: hash,
    });
    expect(await openAs('outsider')).toEqual(key);
    await expectDenied(openAs('node'), 'in no cohort');
  });

  it('gives every survivor a receipt, once, whoever pays', async () => {
    const run = await startRun(specFor(owner));
    const members = MEMBERS.map((who) => publicKeyOf(keyOfWho(who)));
    const hash = new Uint8Array(32).fill(3);
    const about = { run: run.run, attempt: 1 };
    const payer = stage.senderOf('bob');
    const issue = (who: Who) =>
      issueReceipt(stage.registry, payer, run.object, 1, addressOfWho(who));
    await run.ledger.freezeCohort({ ...about, root: hash, members, entropy: hash });
    await expect(issue('alice')).rejects.toMatchObject({ code: 'usage' });
    await run.ledger.freezeSurvivors({
      ...about,
      hash,
      members: members.slice(0, 1),
      dataCommitment: hash,
    });
    const issued = await issue('alice');
    expect(issued).toHaveProperty('digest');
    expect(await issue('alice')).toEqual({ id: issued.id });
    await expect(issue('bob')).rejects.toMatchObject({ code: 'usage' });
    expect(await receiptsOf(stage.registry, addressOfWho('alice'), run.object)).toEqual([
      {
        id: issued.id,
        run: run.object,
        attempt: 1,
        member: addressOfWho('alice'),
        dataCommitment: '03'.repeat(32),
      },
    ]);
    expect(await receiptsOf(stage.registry, addressOfWho('bob'))).toEqual([]);
  });
});
