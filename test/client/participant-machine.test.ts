/**
 * The participant's machine alone, as the coordinator's is tested: every phase meets every frame,
 * out of order, twice, and of other attempts; aborts, restarts and failed writes come at any point.
 */
import { isDeepStrictEqual } from 'node:util';
import * as fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  ATTEMPT_MACHINE,
  type Effect,
  type Event,
  type PhaseType,
  type State,
  type Step,
} from '../../client/participant/machine/index.ts';
import { FloeError } from '../../protocol/errors.ts';
import { toHex } from '../../protocol/bytes.ts';
import { decodeRecord, decodeRecordOf, type SignedRecord } from '../../protocol/records/records.ts';
import {
  playerOf,
  recordRun,
  type Player,
  type Recording,
} from '../support/recorded-participant.ts';

let run: Recording;
beforeAll(async () => {
  run = await recordRun();
}, 60_000);

/** Functions that look something up are made anew by each step. */
const plain = (value: unknown): unknown =>
  typeof value === 'function'
    ? 'function'
    : value instanceof Map
      ? [...value].map(plain)
      : value instanceof Set
        ? [...value]
        : value instanceof Uint8Array || value === null || typeof value !== 'object'
          ? value
          : value instanceof Error
            ? { ...Object.fromEntries(Object.entries(value)), message: value.message }
            : Array.isArray(value)
              ? value.map(plain)
              : Object.fromEntries(Object.entries(value).map(([key, of]) => [key, plain(of)]));

const frames = (): Event[] => run.events.filter(({ type }) => type === 'frame');
const recordsIn = (effects: readonly Effect[]): SignedRecord[] =>
  effects.flatMap((effect) =>
    effect.type === 'send' && 'record' in effect.frame && effect.frame.record
      ? [decodeRecord(effect.frame.record)]
      : [],
  );
const openOf = (event: Event): SignedRecord<'open'> | undefined => {
  if (event.type !== 'frame' || event.frame.type !== 'record') return undefined;
  const record = decodeRecord(event.frame.record);
  return record.type === 'open' ? record : undefined;
};

const survivorsIn = ({ phase }: State): string =>
  phase.type === 'answering' ? phase.survivors.body.members.map(toHex).join(' ') : 'none';

/** Holds at every step; `answers`: what was sent, over restarts. */
const createWatch = () => {
  const answers = new Map<string, string>();
  const uploads = new Map<number, string>();
  let opens: ReadonlyMap<number, SignedRecord<'open'>> | undefined;
  return (before: State, { state, effects }: Step): void => {
    opens ??= new Map(
      frames()
        .flatMap((event) => openOf(event) ?? [])
        .map((open) => [open.attempt, open]),
    );
    expect(effects.filter(({ type }) => type === 'save').length).toBeLessThanOrEqual(1);
    if (before.phase.type === 'ended') expect(effects).toEqual([]);
    for (const effect of effects)
      if (effect.type === 'work' && ['train', 'shares', 'vector'].includes(effect.work.type)) {
        const { bundle } = opens.get(effect.work.attempt)!.body;
        // Never trains, shares or masks before the commit was checked.
        if (bundle !== undefined) expect(state.memory.checked?.commit).toEqual(bundle.commit);
      }
    const answered = (attempt: number): void => {
      const model = toHex(opens!.get(attempt)!.body.model.hash);
      const survivors = survivorsIn(state);
      // One set for one model.
      expect(survivors).toBe(answers.get(model) ?? survivors);
      answers.set(model, survivors);
    };
    for (const effect of effects)
      if (effect.type === 'work' && effect.work.type === 'answer') answered(effect.work.attempt);
    for (const record of recordsIn(effects)) {
      if (record.type === 'unmask') {
        answered(record.attempt);
        // What is sent was saved before.
        expect(state.memory.attempt?.unmask).toEqual(record.bytes);
        expect(state.memory.spent?.answered.length).toBe(1);
      }
      if (record.type === 'upload') {
        const hash = toHex(record.hash);
        expect(uploads.get(record.attempt) ?? hash).toBe(hash);
        uploads.set(record.attempt, hash);
        expect(state.memory.attempt?.complaint).toBeUndefined();
      }
    }
  };
};

/** A player after the first `count` recorded events, results in the recorded order. */
const playedTo = (count: number, watch = createWatch()): Player => {
  const player = playerOf(run, watch);
  for (const event of run.events.slice(0, count)) {
    if (event.type !== 'done') player.take(event);
    else {
      const at = player.owed.indexOf(event);
      if (at >= 0) player.settle(at);
    }
  }
  return player;
};

describe('a recorded run of a participant', () => {
  it('holds every phase and ends as the script says', () => {
    const seen = new Set<PhaseType>(run.steps.map(({ state }) => state.phase.type));
    expect([...seen].toSorted()).toEqual([
      'answering',
      'checking',
      'ended',
      'idle',
      'opening',
      'registered',
      'sharing',
      'uploading',
    ]);
    const told = run.steps.flatMap(({ effects }) =>
      effects.flatMap((effect) => (effect.type === 'emit' ? [effect.event.type] : [])),
    );
    for (const [type, count] of [
      ['unmasked', 3],
      ['withdrawn', 1],
      ['aborted', 1],
      ['checked', 1],
      ['committed', 2],
    ] as const)
      expect([type, told.filter((other) => other === type).length]).toEqual([type, count]);
  });

  it('replays to the same states and effects', () => {
    let state = run.initial;
    for (const [i, event] of run.events.entries()) {
      const step = ATTEMPT_MACHINE.step(run.config, state, event);
      expect(isDeepStrictEqual(plain(step), plain(run.steps[i]))).toBe(true);
      ({ state } = step);
    }
  });

  it('is without secrets', () => {
    const names = new Set<string>();
    const walk = (value: unknown): void => {
      if (value === null || typeof value !== 'object' || value instanceof Uint8Array) return;
      for (const [name, of] of Object.entries(value)) {
        names.add(name);
        walk(of);
      }
    };
    walk(run.steps.map(({ state: { memory }, effects }) => [memory, effects]));
    walk(run.events);
    for (const secret of ['sigma', 'selfSecret', 'ownShares', 'trainingSecret'])
      expect(names).not.toContain(secret);
  });
});

describe('every phase and every frame', () => {
  it('breaks no rule of its own, and takes the next attempt afterwards', () => {
    const last = frames().findLast((event) => openOf(event) !== undefined)!;
    const newest = openOf(last)!.attempt;
    const done = new Set<string>();
    for (let at = 0; at < run.events.length; at += 1) {
      const { phase } = run.steps[at]!.state;
      for (const [i, frame] of frames().entries()) {
        // One state of each phase and attempt is enough for each frame.
        const attempt = 'attempt' in phase ? phase.attempt.open.attempt : 0;
        const pair = `${phase.type} ${attempt} ${i}`;
        if (done.has(pair) || phase.type === 'opening') continue;
        done.add(pair);
        const watch = createWatch();
        let { state } = run.steps[at]!;
        for (const event of [frame, frame]) {
          const step = ATTEMPT_MACHINE.step(run.config, state, event);
          watch(state, step);
          ({ state } = step);
        }
        if (state.phase.type === 'ended' || state.phase.type === 'opening') continue;
        if ((state.memory.last?.attempt ?? 0) >= newest) continue;
        const { effects } = ATTEMPT_MACHINE.step(run.config, state, last);
        // The next Open is answered with a registration, a withdrawal, or a breach that was proven.
        expect(effects.some(({ type }) => type === 'work' || type === 'emit')).toBe(true);
      }
    }
    expect(done.size).toBeGreaterThan(200);
  });

  it('answers a frame that comes twice with the same bytes', () => {
    for (let at = 1; at <= run.events.length; at += 1) {
      const event = run.events[at - 1]!;
      if (event.type !== 'frame') continue;
      const player = playedTo(at);
      const again = recordsIn(player.take(event));
      const before = new Set(recordsIn(player.effects).map(({ hash }) => toHex(hash)));
      for (const record of again) expect(before).toContain(toHex(record.hash));
    }
  });

  it('an abort ends the attempt in every phase', () => {
    const aborts = frames().filter(
      (event) =>
        event.type === 'frame' &&
        event.frame.type === 'record' &&
        decodeRecord(event.frame.record).type === 'abort',
    );
    const first = aborts[0]!;
    const { attempt } = decodeRecordOf(
      'abort',
      (first as { frame: { record: Uint8Array } }).frame.record,
    );
    const phases = new Set<PhaseType>();
    for (let at = 0; at < run.events.length; at += 1) {
      const { phase } = run.steps[at]!.state;
      if (!('attempt' in phase) || phase.attempt.open.attempt !== attempt) continue;
      phases.add(phase.type);
      const player = playedTo(at + 1);
      // The recorded abort itself: the player has taken its result already.
      if (player.state.phase.type === 'idle') continue;
      const types = player.take(first).map(({ type }) => type);
      expect(player.state.phase.type).toBe('idle');
      expect(player.state.memory.attempt).toBeUndefined();
      expect(types).toContain('cancel');
    }
    expect(phases.size).toBeGreaterThanOrEqual(4);
  });

  it('a failed write undoes the step and leaves the attempt, and nothing is sent', () => {
    let failures = 0;
    for (const [at, { effects }] of run.steps.entries()) {
      const saving = effects.find((effect) => effect.type === 'save');
      if (saving?.type !== 'save' || saving.otherwise !== 'leave') continue;
      failures += 1;
      const before = at === 0 ? run.initial : run.steps[at - 1]!.state;
      const error = new FloeError('keystore_unavailable', 'the disk is full');
      const event = { type: 'not-saved', otherwise: 'leave', error } as const;
      const step = ATTEMPT_MACHINE.step(run.config, before, event);
      expect(step.state.phase.type).toBe('idle');
      expect(recordsIn(step.effects)).toEqual([]);
    }
    expect(failures).toBeGreaterThan(10);
  });
});

describe('any order of events', () => {
  it('one answer for a model, one upload for an attempt, no training before the check', () => {
    const all = frames();
    const login = run.events.find(({ type }) => type === 'logged-in')!;
    let reached = 0;
    const opens = all.flatMap((event, i) => (openOf(event) === undefined ? [] : [i]));
    const action = fc.oneof(
      { weight: 24, arbitrary: fc.constant('steady' as const) },
      { weight: 2, arbitrary: fc.constant('hasty' as const) },
      { weight: 3, arbitrary: fc.record({ earlier: fc.nat(8) }) },
      { weight: 1, arbitrary: fc.record({ frame: fc.nat(all.length - 1) }) },
      { weight: 2, arbitrary: fc.constantFrom('restart' as const, 'disk' as const) },
    );
    const actions = fc.array(action, { minLength: 40, maxLength: 90 });
    fc.assert(
      fc.property(actions, fc.constantFrom(...opens), (chosen, first) => {
        const player = playerOf(run, createWatch());
        player.take(login);
        let next = first;
        const advance = (): void => {
          player.take(all[next % all.length]!);
          next += 1;
        };
        for (const what of chosen) {
          if (what === 'steady') {
            advance();
            while (player.owed.length > 0) player.settle();
          } else if (what === 'hasty') advance();
          else if (what === 'disk') player.breakDisk();
          else if (what === 'restart') {
            player.restart();
            player.take(login);
            // The coordinator shows the running attempt again.
            next = opens.findLast((open) => open <= next % all.length) ?? 0;
          } else if ('frame' in what) player.take(all[what.frame]!);
          else player.take(all[Math.max(0, next - what.earlier) % all.length]!);
        }
        reached += player.effects.filter(
          (effect) => effect.type === 'emit' && effect.event.type === 'unmasked',
        ).length;
      }),
      { seed: 7, numRuns: 80 },
    );
    // The orders are not so wild that nothing is ever answered.
    expect(reached).toBeGreaterThan(20);
  });

  it('takes no frame of a session that has not passed its login', () => {
    const [first] = frames();
    const player = playerOf(run);
    player.take(first!);
    const login = run.events.find((event) => event.type === 'logged-in')!;
    player.take({ ...login, register: new Uint8Array(3) });
    player.take(first!);
    expect(player.effects).toMatchObject([{ type: 'disconnect' }]);
    player.take(login);
    player.take(first!);
    expect(player.effects.length).toBeGreaterThan(2);
  });

  it('is deterministic', () => {
    const effects = [playedTo(run.events.length), playedTo(run.events.length)].map((player) =>
      plain(player.effects),
    );
    expect(effects[0]).toEqual(effects[1]);
    expect(recordsIn(playedTo(run.events.length).effects).length).toBe(
      run.steps.flatMap((step) => recordsIn(step.effects)).length,
    );
  });
});
