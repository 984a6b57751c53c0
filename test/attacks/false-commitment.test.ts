/**
 * @module A member that commits to another secret than it shares, which shows when the sum is
 * opened: its own shares prove it to everybody, also to who was away or down at the time, and the
 * others answer for their set without it. And a coordinator that shows such a proof against an
 * honest member.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { RUN_FILES, specAsJson } from '../../protocol/records/run-files.ts';
import { sealedBoxGate } from '../../protocol/ports/sealed-box-gate.ts';
import { directoryStore } from '../../protocol/ports/directory-store.ts';
import { toHex } from '../../protocol/bytes.ts';
import { decodeRecord, type Body, type ShownLie } from '../../protocol/records/records.ts';
import { encodeRunSpec } from '../../protocol/spec/run-spec.ts';
import { openAnswer, showSecret, type ShareKind } from '../../protocol/secagg/index.ts';
import { decodeTranscript } from '../../protocol/records/transcript.ts';
import { verifyRun } from '../../protocol/verify/index.ts';
import {
  journalLedger,
  memoryJournal,
  openJournal,
  type Journal,
} from '../../coordinator/index.ts';
import { floeIn } from '../support/floe.ts';
import type { ScriptedCoordinator } from '../support/scripted-coordinator.ts';
import { fastClock, keystoreNamed, PATIENT, realRun, type RealRun } from './real-run.ts';
import {
  everyoneLeaves,
  liar,
  openFor,
  stageOf,
  sumOver,
  violations,
  without,
  type Stage,
} from './support.ts';
import { resultOf } from '../support/json-lines.ts';

const FIVE = { cohort: { size: 5, minimum: 3 }, deadlines: PATIENT } as const;
const named = ['honest 0', 'honest 1', 'honest 2', 'honest 3'];

describe('a member that commits to another secret than it shares', () => {
  let run: RealRun;
  afterEach(() => run.stop());

  const verified = async () =>
    verifyRun({
      spec: run.spec,
      transcript: await run.coordinator.transcript.whole(),
      store: run.stage.store,
      gate: sealedBoxGate(run.stage.coordinatorIdentity),
      ledger: journalLedger(run.stage.journal),
    });

  it('is named, with proof, by whoever verifies the run', async () => {
    run = await realRun(FIVE, { clock: fastClock() });
    await Promise.all(named.map((name) => run.join(name)));
    const { identity } = await run.liar('liar', { lie: { commitment: true } });
    await run.committed(1);
    const verdict = await verified();

    expect(verdict).toMatchObject({ ok: true, level: 'L1' });
    expect(verdict.attempts).toMatchObject([
      { outcome: 'aborted', culprits: [identity.address] },
      { outcome: 'committed', survivors: 4 },
    ]);
    expect(verdict.attempts[1]?.culprits).toBeUndefined();
  });

  it('is named by `floe verify` over the folder of the run', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'floe-lie-'));
    const journal = await openJournal(join(folder, RUN_FILES.journal));
    try {
      run = await realRun(FIVE, { clock: fastClock(), journal, ledger: journalLedger(journal) });
      await Promise.all(named.map((name) => run.join(name)));
      const { identity } = await run.liar('liar', { lie: { commitment: true } });
      await run.committed(1);
      const transcript = await run.coordinator.transcript.whole();
      await run.stop();
      const blobs = directoryStore(join(folder, RUN_FILES.blobs));
      for (const { record } of decodeTranscript(run.run, transcript).entries) {
        const { body } = record;
        const refs = [
          ...('blob' in body ? [body.blob] : []),
          ...('model' in body ? [body.model.blob] : []),
          ...('bundle' in body && record.type === 'commit' ? [record.body.bundle.blob] : []),
        ];
        // The uploads of the attempt that failed are forgotten.
        for (const ref of refs)
          if (run.stage.store.blobs.has(ref.id)) await blobs.put(await run.stage.store.get(ref));
      }
      await writeFile(join(folder, RUN_FILES.spec), encodeRunSpec(run.spec));
      await writeFile(join(folder, RUN_FILES.specJson), specAsJson(run.spec));
      await writeFile(join(folder, RUN_FILES.transcript), transcript);
      await journal.close();
      const floe = floeIn(() => folder);
      const { code, stdout } = await floe(['verify', folder, '--json']);

      expect(code).toBe(0);
      expect(resultOf(stdout)).toMatchObject({
        ok: true,
        attempts: [{ outcome: 'aborted', culprits: [identity.address] }, { outcome: 'committed' }],
      });
      const said = await floe(['verify', folder]);
      expect(`${said.stdout}${said.stderr}`).toContain(
        `excluded   with proof, after attempt 1: ${identity.address}`,
      );
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  it.each([
    ['shares', 'key'],
    ['pairs', 'pair'],
  ] as const)(
    'and drops out is named, with proof, for what it has told of its mask secret (%s)',
    async (sigma, kind) => {
      run = await realRun(FIVE, { clock: fastClock() });
      const people = await Promise.all(named.map((name) => run.join(name)));
      // Lower than the others: only the lower of two commits to the key of their mask.
      const { identity } = await run.liar('a liar', {
        lie: { sigma },
        dropAt: (step) => step === 'upload',
      });
      await run.committed(1);

      const [abort, ...more] = run.records('abort');
      expect(more).toEqual([]);
      expect(abort!.body).toMatchObject({
        code: 'commitment_mismatch',
        culprits: [identity.publicKey],
        lies: [{ kind }],
      });
      // The others had answered for the set without it, and do so again.
      for (const { body } of run.records('survivors')) expect(body.members).toHaveLength(4);
      for (const { keystore } of people)
        expect((await keystore.load(run.run))?.culprits).toEqual([identity.address]);
      expect(await verified()).toMatchObject({
        ok: true,
        level: 'L1',
        attempts: [{ culprits: [identity.address] }, { outcome: 'committed' }],
      });
    },
  );

  it('is named together with others that do', async () => {
    const nine = { cohort: { size: 9, minimum: 3 }, deadlines: PATIENT } as const;
    run = await realRun(nine, { clock: fastClock() });
    await Promise.all([...named, 'honest 4', 'honest 5'].map((name) => run.join(name)));
    const liars = await Promise.all(
      ['liar 0', 'liar 1', 'liar 2'].map((name) => run.liar(name, { lie: { commitment: true } })),
    );
    await run.committed(1);
    const [abort, ...more] = run.records('abort');

    expect(more).toEqual([]);
    expect(abort!.body.culprits.map(toHex).toSorted()).toEqual(
      liars.map(({ identity }) => toHex(identity.publicKey)).toSorted(),
    );
    expect(run.records('survivors')[1]!.body.members).toHaveLength(6);
  });

  /** Plays until the coordinator dies as it writes down who lied; `revive` starts it again. */
  const untilDeath = async (when: 'before' | 'after') => {
    const journal = memoryJournal();
    let fate: 'lives' | 'dying' | 'dead' = 'lives';
    const doomed: Journal = {
      ...journal,
      write: async (batch) => {
        const isNow = fate === 'lives' && batch.events.some(({ type }) => type === 'work-failed');
        if (isNow) fate = when === 'before' ? 'dead' : 'dying';
        if (isNow && when === 'before') throw new Error('killed');
        await journal.write(batch);
      },
      // What follows the write, before anything is sent.
      secrets: {
        ...journal.secrets,
        keepOnly: async (attempt) => {
          if (fate === 'dying') {
            fate = 'dead';
            throw new Error('killed');
          }
          await journal.secrets.keepOnly(attempt);
        },
      },
    };
    const clock = fastClock();
    const ledger = journalLedger(journal);
    run = await realRun(FIVE, { clock, journal: doomed, ledger });
    const keystores = await Promise.all(named.map(keystoreNamed));
    const rejoin = () =>
      Promise.all(named.map((name, i) => run.join(name, { keystore: keystores[i]! })));
    const people = await rejoin();
    const { identity } = await run.liar('liar', { lie: { commitment: true } });
    await expect(run.coordinator.finished).rejects.toThrow('killed');
    await run.coordinator.stop();
    expect(run.progress.filter(({ type }) => type === 'aborted')).toEqual([]);
    const revive = async (): Promise<void> => {
      run.coordinator = run.stage.create({ clock, ledger });
      await run.coordinator.start();
    };
    return { people, keystores, rejoin, identity, revive };
  };

  it.each(['before', 'after'] as const)(
    'is named alike where the coordinator dies %s it writes down who lied',
    async (when) => {
      const { identity, revive } = await untilDeath(when);
      await revive();
      await run.committed(1);

      const aborts = run.records('abort');
      expect(aborts.map(({ body }) => body.code)).toEqual(['commitment_mismatch']);
      expect(aborts[0]!.body.culprits).toEqual([identity.publicKey]);
      expect(run.records('survivors').at(-1).body.members).toHaveLength(4);
    },
  );

  it('is left out by members that were down when it was proven, all of them', async () => {
    const { people, keystores, rejoin, identity, revive } = await untilDeath('before');
    await Promise.all(people.map(({ participant }) => participant.stop()));
    await revive();
    await run.aborted(1);
    for (const { events } of people) {
      expect(events.map(({ type }) => type)).toContain('unmasked');
      expect(events.map(({ type }) => type)).not.toContain('aborted');
    }
    await rejoin();
    await run.committed(1);

    expect(run.records('survivors')[1]!.body.members).toHaveLength(4);
    for (const keystore of keystores)
      expect((await keystore.load(run.run))?.culprits).toEqual([identity.address]);
  });
});

describe('a coordinator that shows an honest member to have lied', () => {
  afterEach(everyoneLeaves);

  /** What the coordinator was told of the shares of `author`, by place in the cohort. */
  const toldOf = async (
    { attempt, frames, answerKeys }: ScriptedCoordinator,
    author: Uint8Array,
  ): Promise<Uint8Array[]> => {
    const { number, context, cohort } = attempt!;
    const shares = new Map<number, Uint8Array>();
    for (const [hex, sent] of frames)
      for (const frame of sent) {
        if (frame.type !== 'unmask') continue;
        const record = decodeRecord(frame.record);
        if (record.attempt !== number) continue;
        const place = cohort!.body.members.findIndex((key) => toHex(key) === hex);
        const opened = await openAnswer(answerKeys(number), context!, record.author, frame.answer);
        const found = opened.find((one) => toHex(one.author) === toHex(author));
        if (found !== undefined) shares.set(place, found.share);
      }
    return [...shares].toSorted(([a], [b]) => a - b).map(([, share]) => share);
  };

  const shownOf = async (
    { coordinator }: Stage,
    author: Uint8Array,
    kind: ShareKind = 'self',
  ): Promise<ShownLie & { kind: ShareKind }> => {
    const { cohort } = coordinator.attempt!;
    const { bytes, body } = coordinator.recordsOf(author, 'share').at(-1);
    const told = await toldOf(coordinator, author);
    const message = {
      author,
      commitment: body.commitment,
      entries: coordinator.entriesOf(author),
    };
    const holders = cohort!.body.members;
    const lie = showSecret(kind, body.context, message, holders, told.slice(0, 3));
    const shares = lie.shares.map((share) => ({ ...share }));
    return { kind, record: bytes, leaves: lie.leaves, shares };
  };

  const expectRefused = async (
    stage: Stage,
    lies: Body<'abort'>['lies'],
    culprits: readonly Uint8Array[],
    code = 'evidence_invalid',
  ): Promise<void> => {
    const { coordinator, people, members, victim } = stage;
    coordinator.abort('commitment_mismatch', culprits, undefined, true, lies);
    await Promise.all(people.map((person) => person.event('violation')));
    expect(new Set(violations(people))).toEqual(new Set([code]));
    for (const { keystore } of people)
      expect((await keystore.load(coordinator.run))?.culprits ?? []).toEqual([]);
    await openFor(coordinator, without(members, victim));
    for (const { key } of people.slice(1))
      expect(await coordinator.withdrawal(key)).toBe('update_already_spent');
  };

  const answered = async (): Promise<Stage> => {
    const stage = await stageOf(await liar(), 4);
    await sumOver(stage.coordinator, stage.members);
    return stage;
  };

  it.each<[string, (lie: ShownLie & { kind: ShareKind }) => ShownLie[]]>([
    ['its own good shares', (lie) => [lie]],
    ['fewer of them', (lie) => [{ ...lie, shares: lie.shares.slice(1) }]],
    ['one of them twice', (lie) => [{ ...lie, shares: lie.shares.with(1, lie.shares[0]!) }]],
    [
      'a forged one among them',
      (lie) => {
        const [first] = lie.shares;
        const share = first!.share.with(5, first!.share[5]! ^ 1);
        return [{ ...lie, shares: lie.shares.with(0, { ...first!, share }) }];
      },
    ],
    [
      'one of a place that is none',
      (lie) => {
        const last = lie.shares.at(-1);
        const share = last.share.with(64, 9);
        return [{ ...lie, shares: lie.shares.with(lie.shares.length - 1, { ...last, share }) }];
      },
    ],
  ])('by %s', async (_, change) => {
    const stage = await answered();
    const lies = change(await shownOf(stage, stage.victim.key));
    await expectRefused(
      stage,
      lies,
      lies.map(() => stage.victim.key),
    );
  });

  it('twice by the same proof', async () => {
    const stage = await answered();
    const { key } = stage.victim;
    const lie = await shownOf(stage, key);
    await expectRefused(stage, [lie, lie], [key, key], 'record_malformed');
  });

  it('by shares of another member', async () => {
    const stage = await answered();
    const [victim, other] = stage.people;
    const { record } = await shownOf(stage, victim!.key);
    const lie = { ...(await shownOf(stage, other!.key)), record } as ShownLie;
    await expectRefused(stage, [lie], [victim!.key]);
  });

  it('by a proof about somebody else than it excludes', async () => {
    const stage = await answered();
    const [victim, other] = stage.people;
    await expectRefused(stage, [await shownOf(stage, other!.key)], [victim!.key]);
  });

  it('with no proof but that the code says so', async () => {
    const stage = await answered();
    await expectRefused(stage, undefined, []);
  });

  it('by its shares of an earlier attempt', async () => {
    const stage = await answered();
    const { coordinator, victim, members } = stage;
    const lie = await shownOf(stage, victim.key);
    coordinator.abort('attempt_aborted');
    await sumOver(coordinator, members);
    await expectRefused(stage, [lie], [victim.key]);
  });

  it('that dropped, by the shares of its mask secret', async () => {
    const stage = await stageOf(await liar(), 5);
    const { coordinator, people, members } = stage;
    const dropped = people[4]!;
    const staying = without(members, dropped);
    await openFor(coordinator, members);
    await coordinator.cohort(members);
    await coordinator.sharers(members);
    await coordinator.collect(members, 'upload');
    await coordinator.survivors(staying);
    await coordinator.consistency(staying);
    await coordinator.collect(staying, 'unmask');
    const told = await toldOf(coordinator, dropped.key);
    expect(told).toHaveLength(4);
    const message = {
      author: dropped.key,
      commitment: new Uint8Array(32),
      entries: coordinator.entriesOf(dropped.key),
    };
    const context = coordinator.attempt!.context!;
    const { shares, leaves } = showSecret('key', context, message, members, told);
    const record = coordinator.recordsOf(dropped.key, 'share')[0]!.bytes;
    const shown = shares.map((share) => ({ ...share }));
    const lie: ShownLie = { kind: 'key', record, leaves, shares: shown };
    coordinator.abort('commitment_mismatch', [dropped.key], undefined, true, [lie]);
    const rest = people.slice(0, 4);
    await Promise.all(rest.map((person) => person.event('violation')));
    expect(violations(rest)).toEqual(rest.map(() => 'evidence_invalid'));
  });
});
