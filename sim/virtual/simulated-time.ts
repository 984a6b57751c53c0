/**
 * @module The time of a simulation, of two kinds. Real time leaps over the grace time of lost
 * participants and pauses until they are back. Virtual time, which a scenario with speeds,
 * bandwidths, participation or attacks on the protocol has, is virtual-time.ts. The rounds know
 * what both have.
 */
import { shuffle } from '../../client/data/sampling.ts';
import { FloeError } from '../../protocol/errors.ts';
import type { Clock } from '../../protocol/ports/clock.ts';
import { deriveSeed, seededRandom } from '../../protocol/ports/random.ts';
import { mostInvited } from '../../protocol/rules/selection.ts';
import type { Connection } from '../../protocol/wire/connection.ts';
import { scenarioClock } from '../clock.ts';
import type { CrowdEvent } from '../participant-host.ts';
import { availabilityOf, type Availability } from '../participation/availability.ts';
import { createPresence } from '../participation/presence.ts';
import type { VirtualMark } from '../resume/checkpoint.ts';
import type { Setup } from '../setup.ts';
import type { Switchboard } from '../switchboard.ts';
import { capacityOf, type Capacity } from './capacity.ts';
import { isVirtual } from './is-virtual.ts';
import { createVirtualTime } from './virtual-time.ts';

/** What the time acts on, once it is there. */
export interface TimeParts {
  readonly switchboard: Switchboard;
  /** Resolves once the coordinator waits for frames or timers. */
  readonly idle: () => Promise<void>;
  /** Logs a participant in that is asleep. */
  readonly layAsleep: (index: number) => void;
  readonly onFailure: (thrown: unknown) => void;
  readonly onWarning: (message: string) => void;
}

export interface SimulatedTime {
  readonly clock: Clock;
  /** Participants with which the first attempt opens. */
  readonly startWith: number;
  /** Who is there at the beginning, in the order of their logins. */
  readonly first: readonly number[];
  /** Ms of virtual time since the beginning; undefined in real time. */
  elapsed(): number | undefined;
  /** Where virtual time stands at the end of an attempt, for a run that is resumed. */
  mark(): VirtualMark | undefined;
  /** What stands between a participant and the coordinator. */
  between(index: number, connection: Connection): Connection;
  /** A participant was cut off. */
  lost(): void;
  /** Until `resume`: before those who log in to a resumed run are all there. */
  pause(): void;
  /** All that were cut off are back. */
  resume(): void;
  /** Of a resumed run in virtual time, those whose connections the interruption has broken. */
  readonly returning: ReadonlySet<number>;
  /**
   * Resolves once those of a resumed run are all back, where no virtual time passes before: what
   * the coordinator sends to the invited must not meet a login.
   */
  readonly complete: Promise<void>;
  /**
   * Time stands still from here until all that were cut off are back: the speed of their
   * reconnection must not decide who is invited next.
   *
   * @param aborted why the attempt was aborted, if it was
   */
  attemptOver(aborted?: { readonly code: string; readonly reason: string }): void;
  onEvent(index: number, event: CrowdEvent): void;
  /** Before participants start: those who are not there cannot connect. */
  prepare(parts: TimeParts): void;
  /** All are on their way: lets virtual time pass. */
  begin(): void;
  stop(): void;
}

/**
 * When the clock leaps after a loss, in ms: twice, since the coordinator may see the loss a moment
 * later.
 */
const LEAPS_AFTER = [20, 500];

const realTime = ({ scenario }: Setup, base: Clock): SimulatedTime => {
  const clock = scenarioClock(base);
  return {
    clock,
    startWith: scenario.participants,
    first: Array.from({ length: scenario.participants }, (_, i) => i),
    elapsed: () => undefined,
    mark: () => undefined,
    between: (_, connection) => connection,
    lost: () => {
      for (const ms of LEAPS_AFTER)
        base.at(base.now() + ms, () => clock.leap(scenario.grace * 1100));
    },
    returning: new Set(),
    complete: Promise.resolve(),
    pause: () => clock.freeze(),
    resume: () => clock.thaw(),
    attemptOver: () => {
      if (Object.keys(scenario.drops).length > 0) clock.freeze();
    },
    onEvent: () => undefined,
    prepare: () => undefined,
    begin: () => undefined,
    stop: () => undefined,
  };
};

/**
 * Attempts in a row that may fail. In virtual time they cost nothing, and what fails this often,
 * such as a deadline that nobody meets, fails again.
 */
const MAX_ABORTS = 30;

export interface TimeOptions {
  /** Where an earlier part of the run stood. */
  readonly from: VirtualMark | undefined;
  /** In virtual time: a record will arrive at that ms of the simulation. */
  readonly onAnswer: ((index: number, record: Uint8Array, at: number) => void) | undefined;
}

const withoutLost = (all: ReadonlySet<number>, lost: readonly number[] = []) =>
  new Set([...all].filter((index) => !lost.includes(index)));

/** How many are there when the simulation begins. */
const countAtFirst = (participants: number, availability: Availability): number =>
  Array.from({ length: participants }, (_, index) =>
    availability.present(index, { attempt: 1, time: 0 }),
  ).filter(Boolean).length;

type Aborted = Parameters<SimulatedTime['attemptOver']>[0];

const abortCounter = () => {
  let aborts = 0;
  return (aborted: Aborted, onFailure: (error: FloeError) => void): void => {
    aborts = aborted === undefined ? 0 : aborts + 1;
    if (aborted !== undefined && aborts >= MAX_ABORTS)
      onFailure(
        new FloeError(
          'scenario_stalled',
          `${aborts} attempts in a row were aborted, the last with ${aborted.code}: ${aborted.reason}`,
        ),
      );
  };
};

/** Virtual ms by which the uploads of each participant are late, where an attack says so. */
const delaysOf = ({ world }: Pick<Setup, 'world'>): ReadonlyMap<number, number> =>
  new Map(
    world.attacks.flatMap(({ kind, members, parameters }) =>
      kind === 'late-upload'
        ? members.map((index) => [index, 1000 * (parameters['seconds'] ?? 86_400)] as const)
        : [],
    ),
  );

const virtualTimeOf = (
  setup: Setup,
  base: Clock,
  { from, onAnswer }: TimeOptions,
): SimulatedTime => {
  const { scenario, members, spec, data, master } = setup;
  const seed = deriveSeed(master, 'virtual');
  const losesSome = Object.keys(scenario.drops).length > 0;
  const capacities = new Map<number, Capacity>();
  const delays = delaysOf(setup);
  const countAborts = abortCounter();
  const { holdout = 0 } = spec.training;
  let parts: TimeParts | undefined;
  let release: (() => void) | undefined;
  const start = from?.start ?? Math.floor(base.now());
  const time = createVirtualTime({
    start,
    passed: from?.elapsed ?? 0,
    onAnswer,
    masked: scenario.mask,
    buffered: scenario.buffer !== undefined,
    capacityOf: (index) => {
      const capacity =
        capacities.get(index) ?? capacityOf(scenario, index, seed, scenario.participants);
      capacities.set(index, capacity);
      return capacity;
    },
    examplesOf: (index) =>
      scenario.epochs * Math.ceil((1 - holdout) * (members[index]?.rows.length ?? 0)),
    delayOf: (index) => delays.get(index) ?? 0,
    latency: 1000 * scenario.latency,
    keyOf: (index) => members[index]?.key ?? new Uint8Array(0),
    onWelcome: (index) => presence.welcome(index),
    onLost: (index) =>
      parts?.onWarning(`participant ${index} has not answered for minutes and is not waited for`),
  });
  const availability = availabilityOf({
    participation: scenario.participation,
    parts: members.map(({ rows }) => rows),
    train: data.train,
    seed,
  });
  const presence = createPresence({
    participants: scenario.participants,
    availability,
    time,
    from,
    depart: (index) => {
      time.excuse(index);
      parts?.switchboard.depart(index);
    },
    arrive: (index) => {
      if (parts?.switchboard.arrive(index) === false) parts.layAsleep(index);
      // One that was cut off comes back after its attempt, for which time has to pass.
      if (parts?.switchboard.lost.includes(index) === true) presence.welcome(index);
    },
  });
  const first = shuffle(
    Uint32Array.from(presence.begin()),
    seededRandom(deriveSeed(seed, 'logins')),
  );
  const returning = withoutLost(presence.returning, from?.lost);
  // Also of a run that is resumed.
  const atFirst = countAtFirst(scenario.participants, availability);
  return {
    clock: time.clock,
    // Those that are made at the start log in in any order: the first attempt waits for all.
    startWith: losesSome ? atFirst : Math.min(atFirst, scenario.buffer ?? mostInvited(spec)),
    first: [...first],
    elapsed: () => time.elapsed(),
    mark: () => ({
      start,
      elapsed: time.elapsed(),
      lost: parts?.switchboard.lost ?? [],
      ...presence.mark(),
    }),
    between: (index, connection) => time.connectionOf(index, connection),
    lost: () => undefined,
    returning,
    complete: presence.complete,
    // It stands still until everybody is back.
    pause: () => undefined,
    resume: () => {
      release?.();
      release = undefined;
    },
    attemptOver: (aborted) => {
      if (losesSome) release ??= time.hold();
      time.attemptOver();
      countAborts(aborted, (error) => parts?.onFailure(error));
      // Deferred, because it must not run inside the coordinator's effects.
      queueMicrotask(() => presence.between());
    },
    onEvent: (index, { type }) => {
      if (type === 'withdrawn' || type === 'violation') time.excuse(index);
    },
    prepare: (given) => {
      parts = given;
      const here = new Set(first);
      for (const { index } of members) if (!here.has(index)) given.switchboard.depart(index);
      if (losesSome) release ??= time.hold();
    },
    begin: () => {
      if (parts === undefined) return;
      const { idle, onFailure } = parts;
      const onStill = (): boolean => {
        if (presence.still()) return true;
        onFailure(
          new FloeError(
            'scenario_stalled',
            'nothing happens any more in virtual time: those who are there cannot complete a round',
          ),
        );
        return false;
      };
      time.drive({ idle, onStill, onFailure });
    },
    stop: () => time.stop(),
  };
};

/** @param base the clock of this machine */
export const openTime = (setup: Setup, base: Clock, options: TimeOptions): SimulatedTime =>
  isVirtual(setup.scenario) ? virtualTimeOf(setup, base, options) : realTime(setup, base);
