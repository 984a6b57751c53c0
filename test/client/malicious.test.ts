/**
 * @module A coordinator that breaks the rules. Each case is an honest round up to the attack, then
 * the attack; the victim names the broken rule, answers nothing, withdraws, and takes part in the
 * next honest round.
 */
import { describe, expect, it } from 'vitest';
import { sealedBoxGate } from '../../protocol/ports/sealed-box-gate.ts';
import { encryptBlob } from '../../protocol/model/envelope.ts';
import { initialModelHash } from '../../protocol/model/first-model.ts';
import { identityFromSeed } from '../../protocol/ports/identity.ts';
import { encodeFrame } from '../../protocol/wire/messages.ts';
import { signRecord, sortKeys, type Body } from '../../protocol/records/records.ts';
import { hashRunSpec, makeRunSpec } from '../../protocol/spec/run-spec.ts';
import { encodeSafetensors } from '../../protocol/model/index.ts';
import { deriveKeys } from '../../protocol/secagg/index.ts';
import { connectionPair } from '../support/connection.ts';
import { start, stopAll } from '../support/participants.ts';
import { ScriptedCoordinator } from '../support/scripted-coordinator.ts';
import {
  expectNamed,
  expectRefused,
  filled,
  running,
  stage,
  upTo,
  type Stage,
} from '../support/malicious.ts';

describe('a coordinator that breaks the rules at the start of a round', () => {
  it('opens a round under another configuration', async () => {
    const s = await stage();
    const { coordinator, members, victim } = s;
    const { identity, spec } = coordinator;
    // The hash of the specification is in every record.
    const run = hashRunSpec({ ...spec, encoding: { ...spec.encoding, clipNorm: 50 } });
    // Of the run that they know, this attempt invites nobody.
    const { body } = await coordinator.open((honest) => ({ ...honest, invited: [] }));
    const open = signRecord(identity, 'open', run, 1, { ...body, invited: members });
    coordinator.send(members, { type: 'record', record: open.bytes });
    await expectRefused(s, 'record_replayed');
    expect(coordinator.recordsOf(victim.key, 'register')).toHaveLength(1);
  });

  it('shows a first model that the seed does not give', async () => {
    const s = await stage();
    await s.coordinator.open((body) => ({ ...body, model: { ...body.model, hash: filled(1) } }));
    await expectNamed(s, 'spec_mismatch');
  });

  it('shows a model whose hash is another', async () => {
    const s = await stage({ parent: { modelHash: filled(1) } }, { parents: [filled(1)] });
    await s.coordinator.open((body) => ({ ...body, model: { ...body.model, hash: filled(1) } }));
    await s.coordinator.cohort(s.members);
    expect((await s.victim.event('violation')).error.code).toBe('verification_failed');
    expect(s.coordinator.recordsOf(s.victim.key, 'upload')).toEqual([]);
  });

  it('shows a model of another shape, and a blob that is no model', async () => {
    const s = await stage();
    const purpose = { run: s.coordinator.run, attempt: 0, role: 'model' } as const;
    const key = filled(8);
    const manifest = { tensors: [{ name: 'w', shape: [35], dtype: 'float32' as const }] };
    const file = encodeSafetensors(manifest, s.coordinator.weights);
    const envelope = await sealedBoxGate(s.coordinator.identity).wrap(key, purpose, [
      s.coordinator.identity.publicKey,
      ...s.members,
    ]);
    for (const [count, cipher, code] of [
      [1, await encryptBlob(key, purpose, file), 'tensor_mismatch'],
      [2, new Uint8Array(500).fill(3), 'decryption_failed'],
    ] as const) {
      const blob = { ...(await s.coordinator.store.put(cipher)) };
      await s.coordinator.open((body) => ({ ...body, model: { ...body.model, blob, envelope } }));
      await s.coordinator.cohort(s.members);
      expect((await s.victim.event('violation', count)).error.code).toBe(code);
    }
    await s.coordinator.playRound();
  });

  it('replays the open record of a round that is over', async () => {
    const s = await stage();
    const open = await s.coordinator.open();
    await s.coordinator.cohort(s.members);
    await s.coordinator.sharers(s.members);
    await s.coordinator.survivors(s.members);
    await s.coordinator.consistency(s.members);
    await s.coordinator.commit(s.members);
    await s.victim.event('committed');
    await s.coordinator.playRound();
    s.coordinator.send([s.victim.key], { type: 'record', record: open.bytes });
    expect((await s.victim.event('unproven')).error.code).toBe('record_replayed');
  });

  it('opens one round twice, differently', async () => {
    const s = await stage();
    await s.coordinator.open();
    await s.coordinator.collect(s.members, 'register');
    await s.coordinator.open((body) => body, 1);
    await expectNamed(s, 'record_conflict');
  });

  it('goes back to an older model, or shows another one than it committed', async () => {
    for (const version of [0, 1]) {
      const s = await stage();
      await s.coordinator.playRound();
      await s.victim.event('committed');
      const first = initialModelHash(s.coordinator.spec.model);
      await s.coordinator.open((body) => ({
        ...body,
        model: { ...body.model, version, hash: version === 0 ? first : filled(9) },
      }));
      expect((await s.victim.event('violation')).error.code).toBe('record_conflict');
      await stopAll(running);
    }
  });

  it('sends records that somebody else signed, that belong to another run, or that are garbage', async () => {
    const s = await stage();
    const open = await s.coordinator.open();
    await s.coordinator.collect(s.members, 'register');
    const stranger = await identityFromSeed(filled(250));
    const abort: Body<'abort'> = { code: 'x', reason: 'x', culprits: [], answered: false };
    const forged = signRecord(stranger, 'abort', s.coordinator.run, 1, abort);
    s.coordinator.send([s.victim.key], { type: 'record', record: forged.bytes });
    expect((await s.victim.event('unproven', 1)).error.code).toBe('signature_invalid');
    const elsewhere = signRecord(s.coordinator.identity, 'abort', filled(1), 1, abort);
    s.coordinator.send([s.victim.key], { type: 'record', record: elsewhere.bytes });
    expect((await s.victim.event('unproven', 2)).error.code).toBe('record_replayed');
    const bad = open.bytes.slice();
    bad[bad.length - 1]! ^= 1;
    s.coordinator.send([s.victim.key], { type: 'record', record: bad });
    expect((await s.victim.event('unproven', 3)).error.code).toMatch(
      /signature_invalid|record_malformed/,
    );
    // Whoever is on the line could have done all three: nobody is accused, and the participant
    // stays.
    await s.coordinator.playRound();
    await s.victim.event('committed');
    expect(s.victim.events.filter(({ type }) => type === 'violation')).toEqual([]);
  });

  it('sends frames that are not frames', async () => {
    const s = await stage();
    s.coordinator.send([s.victim.key], { type: 'ack', hash: filled(1) });
    s.coordinator.send([s.victim.key], { type: 'welcome', spec: new Uint8Array(3), time: 0 });
    await expectRefused(s, 'unexpected_frame');
  });
});

describe('a coordinator that lies about the cohort', () => {
  /** What travels beside the record and differs from it is nobody's signed word. */
  const unproven = new Set(['another registration than it sends']);
  const cases: [string, string, (body: Body<'cohort'>, s: Stage) => Body<'cohort'>][] = [
    ['another root', 'record_malformed', (body) => ({ ...body, root: filled(1) })],
    ['a beacon of its choice', 'record_malformed', (body) => ({ ...body, beacon: filled(1) })],
    ['a threshold below 2n/3', 'record_malformed', (body) => ({ ...body, threshold: 2 })],
    [
      'members out of order',
      'record_malformed',
      (body) => ({
        ...body,
        members: body.members.toReversed(),
        registers: body.registers.toReversed(),
      }),
    ],
    [
      'a member twice',
      'record_malformed',
      (body) => ({
        ...body,
        members: [body.members[0]!, ...body.members.slice(0, -1)],
        registers: [body.registers[0]!, ...body.registers.slice(0, -1)],
      }),
    ],
    [
      'another registration than it sends',
      'record_malformed',
      (body) => ({ ...body, registers: body.registers.with(0, filled(1)) }),
    ],
  ];
  for (const [what, code, change] of cases)
    it(`refuses: ${what}`, async () => {
      const s = await stage();
      await upTo.open(s);
      await s.coordinator.cohort(s.members, (body) => change(body, s));
      await (unproven.has(what) ? expectRefused : expectNamed)(s, code);
      expect(s.coordinator.recordsOf(s.victim.key, 'share')).toHaveLength(1);
    });

  it('fewer members than the minimum', async () => {
    const s = await stage({ cohort: { size: 5, minimum: 4 } });
    await upTo.open(s);
    const few = sortKeys([s.victim.key, ...s.members.filter((k) => k !== s.victim.key).slice(0, 3)])
      .filter((key, i, all) => all.indexOf(key) === i)
      .slice(0, 3);
    if (!few.some((key) => Buffer.from(key).equals(s.victim.key))) few[0] = s.victim.key;
    await s.coordinator.cohort(sortKeys(few));
    await expectNamed(s, 'cohort_too_small');
  });

  it('keys of its own under the name of the victim, and of a stranger', async () => {
    const s = await stage();
    await upTo.open(s);
    const registers = await s.coordinator.collect(s.members, 'register');
    const stranger = await identityFromSeed(filled(251));
    const sybil = signRecord(stranger, 'register', s.coordinator.run, 1, {
      open: s.coordinator.attempt!.open.hash,
      counter: 1,
      mask: deriveKeys(filled(7), 'mask').public,
      seal: deriveKeys(filled(8), 'seal').public,
    });
    const all = [...registers, sybil].toSorted((a, b) => Buffer.compare(a.author, b.author));
    const cohort = s.coordinator.sign('cohort', 1, s.coordinator.cohortBody(all));
    s.coordinator.send([s.victim.key], {
      type: 'cohort',
      record: cohort.bytes,
      registers: all.map(({ bytes }) => bytes),
    });
    await expectNamed(s, 'not_in_cohort');
  });

  it("another registration of the victim's identity, made by a twin that has lost its memory", async () => {
    const s = await stage();
    await upTo.open(s);
    const registers = await s.coordinator.collect(s.members, 'register');
    const twin = signRecord(s.victim.keystore.identity, 'register', s.coordinator.run, 1, {
      open: s.coordinator.attempt!.open.hash,
      counter: 1,
      mask: deriveKeys(filled(7), 'mask').public,
      seal: deriveKeys(filled(8), 'seal').public,
    });
    const all = registers.map((own) => (Buffer.from(own.author).equals(s.victim.key) ? twin : own));
    const cohort = s.coordinator.sign('cohort', 1, s.coordinator.cohortBody(all));
    s.coordinator.send([s.victim.key], {
      type: 'cohort',
      record: cohort.bytes,
      registers: all.map(({ bytes }) => bytes),
    });
    await expectRefused(s, 'record_malformed');
  });

  it('a second, different cohort', async () => {
    const s = await stage();
    await upTo.cohort(s);
    await s.coordinator.collect(s.members, 'share');
    await s.coordinator.cohort(s.members, (body) => ({ ...body, receipt: 'another' }));
    await expectNamed(s, 'record_conflict');
  });
});

describe('another coordinator, another run', () => {
  it('refuses another run or coordinator than expected, before it signs anything', async () => {
    const coordinator = await ScriptedCoordinator.create();
    for (const expected of [{ run: filled(1) }, { coordinator: filled(1) }]) {
      const victim = await start(coordinator, 0, { expect: expected });
      await expect(victim.participant.finished).rejects.toMatchObject({ code: 'spec_mismatch' });
      expect(victim.frames).toHaveLength(1);
    }
  });

  it('refuses a welcome with another specification than the challenge named', async () => {
    const coordinator = await ScriptedCoordinator.create();
    const { version: _, ...rest } = coordinator.spec;
    const other = makeRunSpec({ ...rest, rounds: 3 });
    expect(hashRunSpec(other)).not.toEqual(coordinator.run);
    Object.defineProperty(coordinator, 'spec', { value: other });
    const victim = await start(coordinator, 0);
    await expect(victim.participant.finished).rejects.toMatchObject({ code: 'spec_mismatch' });
  });

  it('refuses a coordinator that cannot sign with the key it claims', async () => {
    const coordinator = await ScriptedCoordinator.create();
    const thief = await identityFromSeed(filled(3));
    Object.defineProperty(coordinator, 'identity', {
      value: { ...thief, publicKey: coordinator.identity.publicKey },
    });
    const victim = await start(coordinator, 0);
    await expect(victim.participant.finished).rejects.toMatchObject({ code: 'signature_invalid' });
  });

  it('stays with the run it joined when another one answers at the address', async () => {
    const first = await ScriptedCoordinator.create();
    const second = await ScriptedCoordinator.create({ rounds: 7 });
    let redirected = false;
    const victim = await start(first, 0, {
      link: async (open) => {
        if (!redirected) return open();
        const [here, there] = connectionPair();
        second.accept(there);
        return here;
      },
    });
    await first.loggedIn(1);
    redirected = true;
    first.drop(victim.key);
    running.push(victim);
    await victim.event('reconnecting', 2);
    const codes = victim.events.flatMap((event) =>
      event.type === 'reconnecting' ? [event.error.code] : [],
    );
    expect(codes).toContain('spec_mismatch');
    // Nothing was signed for the other one, and the first one is found again.
    expect(second.keys).toEqual([]);
    redirected = false;
    await victim.event('connected', 2);
  });

  it('gives up when it is not admitted, waits when its identity is still in use', async () => {
    const coordinator = await ScriptedCoordinator.create();
    const refuse = (code: string) => async () => {
      const [here, there] = connectionPair();
      there.receive({ message: () => undefined, close: () => undefined });
      there.send(encodeFrame({ type: 'error', code, message: 'no' }));
      there.close(4000, code);
      return here;
    };
    const stranger = await start(coordinator, 0, { link: refuse('identity_not_admitted') });
    await expect(stranger.participant.finished).rejects.toMatchObject({
      code: 'identity_not_admitted',
    });
    const twin = await start(coordinator, 1, { link: refuse('identity_in_use') });
    running.push(twin);
    expect((await twin.event('reconnecting', 3)).error.code).toBe('identity_in_use');
  });
});
