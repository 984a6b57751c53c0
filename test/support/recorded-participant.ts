/**
 * @module A participant's machine without its host. A real run is recorded once: every event with
 * what it led to. Afterwards the machine is played alone, with the recorded frames and results, in
 * any order.
 */
import { PortFault } from '../../client/participant/machine/verdict.ts';
import {
  ATTEMPT_MACHINE,
  QUICK,
  type Effect,
  type Event,
  type MachineConfig,
  type State,
  type Step,
  type Work,
} from '../../client/participant/machine/index.ts';
import type { Memory } from '../../client/participant/machine/run-memory.ts';
import { toHex } from '../../protocol/bytes.ts';
import { FloeError } from '../../protocol/errors.ts';
import { ScriptedCoordinator } from './scripted-coordinator.ts';
import { start, startAll, stopAll } from './participants.ts';

export interface Recording {
  readonly config: MachineConfig;
  readonly initial: State;
  readonly events: readonly Event[];
  readonly steps: readonly Step[];
}

/**
 * Four attempts. On the initial model: one that is answered and aborted, one with another survivor
 * set, one with the first set again, which commits. Then one that checks the commit.
 */
export const recordRun = async (): Promise<Recording> => {
  const coordinator = await ScriptedCoordinator.create();
  const events: Event[] = [];
  const steps: Step[] = [];
  let config: MachineConfig | undefined;
  let initial: State | undefined;
  const others = await startAll(coordinator, 4);
  const recorded = await start(coordinator, 4, {
    machine: {
      initial: (...given) => {
        initial = ATTEMPT_MACHINE.initial(...given);
        return initial;
      },
      step: (given, state, event) => {
        config = given;
        const next = ATTEMPT_MACHINE.step(given, state, event);
        events.push(event);
        steps.push(next);
        return next;
      },
    },
  });
  const all = [...others, recorded];
  try {
    await coordinator.loggedIn(5);
    const { keys } = coordinator;
    const play = async (staying: readonly Uint8Array[]): Promise<void> => {
      await coordinator.open();
      await coordinator.cohort(keys);
      await coordinator.sharers(keys);
      await coordinator.survivors(staying);
      await coordinator.consistency(staying);
    };
    await play(keys);
    await coordinator.collect(keys, 'unmask');
    coordinator.abort();
    const [gone] = others;
    await play(keys.filter((key) => toHex(key) !== toHex(gone!.key)));
    await recorded.event('withdrawn');
    coordinator.abort();
    await coordinator.playRound();
    await coordinator.playRound();
    await recorded.event('committed', 2);
    coordinator.finish();
    await recorded.participant.finished;
  } finally {
    await stopAll(all);
  }
  return { config: config!, initial: initial!, events, steps };
};

const keyOf = ({ type, attempt }: Pick<Work, 'type' | 'attempt'>): string => `${attempt}/${type}`;

export interface Player {
  readonly state: State;
  /** All effects so far. */
  readonly effects: readonly Effect[];
  /** Results that the host still owes. */
  readonly owed: readonly Event[];
  /** An event, with the results of quick works that follow from it. */
  take(event: Event): readonly Effect[];
  /** The result of the work that was asked for first. */
  settle(at?: number): readonly Effect[];
  /** The next save fails. */
  breakDisk(): void;
  /** The process starts again from what was saved. */
  restart(): void;
}

/** @param onStep is shown every step that came about, with the state before */
export const playerOf = (
  { config, initial, events }: Recording,
  onStep: (before: State, step: Step) => void = () => undefined,
): Player => {
  const results = new Map<string, Event>();
  for (const event of events)
    if (event.type === 'done')
      results.set(keyOf({ type: event.result.type, attempt: event.attempt }), event);
  const resultOf = (work: Work): Event | undefined =>
    work.type === 'prove'
      ? {
          type: 'done',
          attempt: work.attempt,
          result: { type: 'prove', record: work.record, culprits: [] },
        }
      : results.get(keyOf(work));
  let state = initial;
  let saved: Memory = initial.memory;
  let broken = false;
  let owed: Event[] = [];
  const effects: Effect[] = [];

  const reduce = (event: Event): readonly Effect[] => {
    const step = ATTEMPT_MACHINE.step(config, state, event);
    const saving = step.effects.find((effect) => effect.type === 'save');
    if (saving !== undefined && broken && saving.otherwise !== 'warn') {
      broken = false;
      const error = new PortFault(
        'keystore',
        new FloeError('keystore_unavailable', 'the disk is full'),
        undefined,
      );
      return reduce({ type: 'not-saved', otherwise: saving.otherwise, error });
    }
    if (saving !== undefined && !broken) saved = saving.memory;
    onStep(state, step);
    ({ state } = step);
    effects.push(...step.effects);
    const all = [...step.effects];
    for (const effect of step.effects) {
      if (effect.type === 'cancel') owed = [];
      if (effect.type !== 'work') continue;
      const result = resultOf(effect.work);
      if (result === undefined) continue;
      if (QUICK.has(effect.work.type)) all.push(...reduce(result));
      else owed.push(result);
    }
    return all;
  };

  return {
    get state() {
      return state;
    },
    effects,
    get owed() {
      return owed;
    },
    take: reduce,
    settle: (at = 0) => {
      const [event] = owed.splice(at % Math.max(1, owed.length), 1);
      return event === undefined ? [] : reduce(event);
    },
    breakDisk: () => {
      broken = true;
    },
    restart: () => {
      owed = [];
      state = ATTEMPT_MACHINE.initial(config.view, saved);
    },
  };
};
