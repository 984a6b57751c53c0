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
import { availabilityOf } from '../participation/availability.ts';
import { createPresence } from '../participation/presence.ts';
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
  /** What stands between a participant and the coordinator. */
  between(index: number, connection: Connection): Connection;
  /** A participant was cut off. */
  lost(): void;
  /** Until `resume`: before those who log in to a resumed run are all there. */
  pause(): void;
  /** All that were cut off are back. */
  resume(): void;
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
    between: (_, connection) => connection,
    lost: () => {
      for (const ms of LEAPS_AFTER)
        base.at(base.now() + ms, () => clock.leap(scenario.grace * 1100));
    },
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

/** Virtual ms by which the uploads of each participant are late, where an attack says so. */
const delaysOf = ({ world }: Pick<Setup, 'world'>): ReadonlyMap<number, number> =>
  new Map(
    world.attacks.flatMap(({ kind, members, parameters }) =>
      kind === 'late-upload'
        ? members.map((index) => [index, 1000 * (parameters['seconds'] ?? 86_400)] as const)
        : [],
    ),
  );

const virtualTimeOf = (setup: Setup, base: Clock): SimulatedTime => {
  const { scenario, members, spec, data, master } = setup;
  const seed = deriveSeed(master, 'virtual');
  const losesSome = Object.keys(scenario.drops).length > 0;
  const capacities = new Map<number, Capacity>();
  const delays = delaysOf(setup);
  const { holdout = 0 } = spec.training;
  let parts: TimeParts | undefined;
  let release: (() => void) | undefined;
  let aborts = 0;
  const time = createVirtualTime({
    start: Math.floor(base.now()),
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
  const presence = createPresence({
    participants: scenario.participants,
    availability: availabilityOf({
      participation: scenario.participation,
      parts: members.map(({ rows }) => rows),
      train: data.train,
      seed,
    }),
    time,
    depart: (index) => {
      time.excuse(index);
      parts?.switchboard.depart(index);
    },
    arrive: (index) => {
      if (parts?.switchboard.arrive(index) === false) parts.layAsleep(index);
    },
  });
  const first = shuffle(
    Uint32Array.from(presence.begin()),
    seededRandom(deriveSeed(seed, 'logins')),
  );
  return {
    clock: time.clock,
    // Those that are made at the start log in in any order: the first attempt waits for all.
    startWith: losesSome
      ? first.length
      : Math.min(first.length, scenario.buffer ?? mostInvited(spec)),
    first: [...first],
    elapsed: () => time.elapsed(),
    between: (index, connection) => time.connectionOf(index, connection),
    lost: () => undefined,
    // A run in virtual time is not resumed.
    pause: () => undefined,
    resume: () => {
      release?.();
      release = undefined;
    },
    attemptOver: (aborted) => {
      if (losesSome) release ??= time.hold();
      time.attemptOver();
      aborts = aborted === undefined ? 0 : aborts + 1;
      if (aborted !== undefined && aborts >= MAX_ABORTS)
        parts?.onFailure(
          new FloeError(
            'scenario_stalled',
            `${aborts} attempts in a row were aborted, the last with ${aborted.code}: ${aborted.reason}`,
          ),
        );
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
export const openTime = (setup: Setup, base: Clock): SimulatedTime =>
  isVirtual(setup.scenario) ? virtualTimeOf(setup, base) : realTime(setup, base);
