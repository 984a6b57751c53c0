/**
 * @module Plays the machine alone: events are made from the state, with real signatures and keys,
 * and time is a number.
 */
import { hashStrategy } from '../../protocol/algorithm/registry.ts';
import { BOX_BYTES } from '../../protocol/model/key-envelopes.ts';
import { encodeCbor } from '../../protocol/wire/cbor.ts';
import { createHash } from 'node:crypto';
import { fromHex, sha256, toHex, utf8 } from '../../protocol/bytes.ts';
import { identityFromSeed, type Identity } from '../../protocol/ports/identity.ts';
import { firstBeacon, localBeacon } from '../../protocol/rules/beacon.ts';
import { deriveSeed } from '../../protocol/ports/random.ts';
import {
  signRecord,
  type Body,
  type RecordType,
  type SignedRecord,
} from '../../protocol/records/records.ts';
import { groupOf, livingGroups, uploadBytesOf } from '../../protocol/rules/index.ts';
import { hashRunSpec, type RunSpec } from '../../protocol/spec/run-spec.ts';
import { deriveKeys, entryBytes } from '../../protocol/secagg/index.ts';
import {
  initialState,
  step,
  type Effect,
  type Event,
  type EventBody,
  type MachineConfig,
  type State,
  type Work,
} from '../../coordinator/machine/index.ts';
import { signedOf } from './entries.ts';
import { attemptOf } from '../../coordinator/machine/index.ts';

/** Bytes of an upload of this specification for a cohort as large as it may be. */
const uploadBytes = (player: Player): number =>
  uploadBytesOf(
    player.config,
    attemptOf(player.state)?.members.length || player.config.spec.cohort.size,
    player.state.meanExamples,
  );

/** Groups whose sums the attempt opens; one without groups. */
const openedGroups = ({ config: { spec }, state }: Player): number => {
  const { cohort, survivors } = attemptOf(state) ?? {};
  if (cohort === undefined || spec.robust?.groupSize === undefined) return 1;
  return livingGroups({ spec, cohort }, survivors?.body.members ?? []).length;
};

/** The record with which a participant answers in each phase. */
export const ANSWERS = {
  register: 'register',
  share: 'share',
  upload: 'upload',
  consistency: 'consistent',
  unmask: 'unmask',
} as const satisfies Readonly<Record<string, RecordType>>;

export interface Player {
  readonly config: MachineConfig;
  readonly people: readonly Identity[];
  state: State;
  time: number;
  /** All events that changed the state, and all effects, in order. */
  readonly events: Event[];
  readonly effects: Effect[];
  /** Applies an event now and returns its effects. */
  apply(body: EventBody): readonly Effect[];
  /** Moves time on and ticks. */
  wait(ms: number): readonly Effect[];
  join(...who: readonly number[]): void;
  leave(...who: readonly number[]): void;
  /** Sends a record of participant `who`; `over` changes its body. */
  say<Type extends RecordType>(
    who: number,
    type: Type,
    over?: Partial<Body<Type>>,
    options?: { readonly from?: number; readonly attempt?: number; readonly run?: Uint8Array },
  ): readonly Effect[];
  /** Does the pending work of the machine, successfully. */
  work(...effects: readonly Effect[]): void;
  /** Finishes the round with a model that is the one before. */
  still(work: Work): void;
  /** Index of each member of the cohort among the people. */
  members(): number[];
}

const hash = (...parts: readonly (string | Uint8Array)[]): Uint8Array =>
  parts
    .reduce<ReturnType<typeof createHash>>((h, part) => h.update(part), createHash('sha256'))
    .digest();
const h32 = (...parts: readonly (string | Uint8Array)[]): Uint8Array =>
  new Uint8Array(hash(...parts));

export const codesOf = (effects: readonly Effect[]): string[] =>
  effects.flatMap((effect) =>
    effect.type === 'send' && effect.frame.type === 'error' ? [effect.frame.code] : [],
  );
export const framesOf = (effects: readonly Effect[]): string[] =>
  effects.flatMap((effect) => (effect.type === 'send' ? [effect.frame.type] : []));

/** Of everybody: nobody opens it here. */
const ANSWER = new Uint8Array(10);

/** An envelope for these readers, in which nothing is. */
const envelopeFor = (readers: readonly Uint8Array[]): Uint8Array =>
  encodeCbor({
    v: 1,
    boxes: readers.map((reader) => ({ reader, box: new Uint8Array(BOX_BYTES) })),
  });

export const createPlayer = async (
  spec: RunSpec,
  count: number,
  {
    regroups = false,
    startWith = spec.cohort.size,
  }: { readonly regroups?: boolean; readonly startWith?: number } = {},
): Promise<Player> => {
  const coordinator = await identityFromSeed(deriveSeed(utf8('test'), 'coordinator'));
  const people = await Promise.all(
    Array.from({ length: count }, (_, i) => identityFromSeed(deriveSeed(utf8('person'), i))),
  );
  const run = hashRunSpec(spec);
  const config: MachineConfig = {
    spec,
    run,
    coordinator: coordinator.publicKey,
    beacon: 'members',
    regroups,
    sign: (type, attempt, body) => signRecord(coordinator, type, run, attempt, body),
  };
  const indexOf = (key: Uint8Array | string): number => {
    const hex = typeof key === 'string' ? key : toHex(key);
    return people.findIndex(({ publicKey }) => toHex(publicKey) === hex);
  };
  const model = {
    version: 0,
    blob: { id: 'm0', sha256: h32('m0'), size: 10 },
    hash: h32('model'),
    envelope: new Uint8Array(),
  };

  const entriesOf = (who: number): Uint8Array[] => {
    const attempt = attemptOf(player.state);
    const self = people[who]!.publicKey;
    const cohort = attempt?.cohort;
    const group = cohort && groupOf({ spec, cohort }, self)?.members;
    return (group ?? attempt?.members.map(fromHex) ?? []).map((key) => {
      const length = entryBytes(self, key);
      return new Uint8Array(length).fill(who + 1);
    });
  };

  const bodyOf = (who: number, type: RecordType): unknown => {
    const { attempt: number } = player.state;
    const attempt = attemptOf(player.state);
    const context = attempt?.context ?? new Uint8Array(32);
    const survivors = attempt?.survivors?.body.hash ?? new Uint8Array(32);
    switch (type) {
      case 'register': {
        return {
          open: attempt?.open?.hash ?? new Uint8Array(32),
          // With gaps, so that what was registered before is of no account.
          counter: 2 * (number + 1),
          previous: h32(`before${who}`),
          mask: deriveKeys(h32(`sigma${who}/${number}`), 'mask').public,
          seal: deriveKeys(h32(`c${who}/${number}`), 'seal').public,
        };
      }
      case 'share':
        return {
          context,
          commitment: h32(`b${who}`),
          entries: signedOf(context, people[who]!.publicKey, entriesOf(who)),
          ...(player.state.evidence === undefined
            ? {}
            : { check: { commit: player.state.evidence.commit.hash, leaf: 0 } }),
        };
      case 'upload': {
        const blob = { id: `u${who}`, sha256: h32(`u${who}`), size: uploadBytes(player) };
        const clear = {
          envelope: envelopeFor([coordinator.publicKey, ...spec.auditors]),
          entropy: h32(`e${who}`),
        };
        return {
          context,
          blob,
          chunkRoot: h32(`c${who}`),
          ...(spec.secagg === 'none' ? clear : {}),
        };
      }
      case 'complaint':
        return {
          context,
          accused: people[who]!.publicKey,
          share: new Uint8Array(32),
          kind: 'sealed',
          entry: new Uint8Array(8),
          path: new Uint8Array(),
          secret: new Uint8Array(32),
        };
      case 'consistent':
        return { context, survivors };
      case 'unmask':
        return { context, survivors, answer: sha256(ANSWER) };
      default:
        return { code: 'x', reason: 'y', culprits: [], answered: false };
    }
  };

  const resultOf = (work: Work): EventBody => {
    const { attempt } = work;
    switch (work.type) {
      case 'wrap-model':
        return {
          type: 'opened',
          attempt,
          model: work.model,
          ...(work.commit === undefined ? {} : { bundle: new Uint8Array(8) }),
          key: deriveKeys(h32(`answer${attempt}`), 'answer').public,
        };
      case 'freeze-cohort':
        return {
          type: 'cohort-frozen',
          attempt,
          beacon: localBeacon(work.root, work.entropy),
          receipt: 'r',
        };
      case 'judge-complaint':
        return { type: 'complaint-judged', attempt, member: work.record.author, verdict: 'author' };
      case 'fold':
        return { type: 'folded', attempt, member: work.record.author };
      case 'freeze-survivors':
        return { type: 'survivors-frozen', attempt, receipt: 'r' };
      case 'finish': {
        const after = h32(`model${attempt}`);
        return {
          type: 'aggregated',
          attempt,
          commit: {
            survivors: attemptOf(player.state)?.survivors?.body.hash ?? new Uint8Array(32),
            aggregate: { chunkRoot: h32('s'), size: openedGroups(player) * uploadBytes(player) },
            bundle: { blob: { id: 'b', sha256: h32('b'), size: 1 }, envelope: new Uint8Array() },
            step: {
              strategy: config.spec.strategy.name,
              parameters: hashStrategy(config.spec.strategy),
              before: player.state.model?.hash ?? h32(''),
              after,
            },
            weight: 40,
            examples: 40,
            meanExamples: 10,
            clipped: 0,
            metrics: [
              { name: 'loss', sum: 1 },
              { name: 'accuracy', sum: 2 },
            ],
            beacon: h32(`beacon${attempt}`),
            model: { ...model, version: attempt, hash: after },
          },
        };
      }
      case 'register-model':
        return { type: 'registered', attempt, receipt: 'r' };
    }
  };

  const player: Player = {
    config,
    people,
    state: initialState,
    time: 1_000_000,
    events: [],
    effects: [],
    apply: (body) => {
      const event: Event = { ...body, time: player.time };
      const result = step(config, player.state, event);
      if (result.state !== player.state) player.events.push(event);
      player.state = result.state;
      player.effects.push(...result.effects);
      return result.effects;
    },
    wait: (ms) => {
      player.time += ms;
      return player.apply({ type: 'tick' });
    },
    join: (...who) => {
      for (const i of who) player.apply({ type: 'joined', key: people[i]!.publicKey });
    },
    leave: (...who) => {
      for (const i of who) player.apply({ type: 'left', key: people[i]!.publicKey });
    },
    say: (
      who,
      type,
      over = {},
      { from = who, attempt = player.state.attempt, run: of = run } = {},
    ) => {
      const body = { ...(bodyOf(who, type) as Body<typeof type>), ...over } as Body<typeof type>;
      const record = signRecord(people[who]!, type, of, attempt, body) as SignedRecord;
      const entries = type === 'share' ? entriesOf(who) : type === 'unmask' ? [ANSWER] : [];
      return player.apply({ type: 'record', from: people[from]!.publicKey, record, entries });
    },
    work: (...effects) => {
      for (const effect of effects) if (effect.type === 'work') player.apply(resultOf(effect.work));
    },
    still: (work) => {
      const done = resultOf(work);
      const same = player.state.model?.hash;
      if (done.type !== 'aggregated' || same === undefined) return;
      const { commit } = done;
      const moved = { ...commit.step, after: same };
      const next = { ...commit.model, hash: same };
      player.apply({ ...done, commit: { ...commit, step: moved, model: next } });
    },
    members: () => (attemptOf(player.state)?.members ?? []).map(indexOf),
  };
  player.apply({
    type: 'started',
    model,
    beacon: firstBeacon(coordinator, spec.id),
    startWith,
  });
  return player;
};

/** What pieces of work the last effects asked for. */
export const workIn = (effects: readonly Effect[]): string[] =>
  effects.flatMap((effect) => (effect.type === 'work' ? [effect.work.type] : []));

/** Brings a fresh player into a phase with everyone behaving, up to where the phase waits. */
export const reach = (player: Player, phase: string, who: readonly number[]): void => {
  const done = (): boolean => player.state.phase.type === phase;
  let seen = 0;
  const doWork = (): void => {
    // Work that is done may ask for more.
    while (seen < player.effects.length) {
      if (done() && phase !== 'upload') return;
      const effect = player.effects[seen]!;
      seen += 1;
      player.work(effect);
    }
  };
  player.join(...who);
  const steps: [string, RecordType][] = [
    ['register', 'register'],
    ['share', 'share'],
    ['upload', 'upload'],
    ['consistency', 'consistent'],
    ['unmask', 'unmask'],
  ];
  if (done()) return;
  doWork();
  for (const [at, type] of steps) {
    if (done()) return;
    if (player.state.phase.type !== at) continue;
    for (const i of who) player.say(i, type);
    doWork();
  }
  if (!done()) throw new Error(`expected ${phase}, got ${player.state.phase.type}`);
};
