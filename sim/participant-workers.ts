/**
 * @module The workers that host the participants, from the main thread: assigns participants to
 * workers and connections to participants.
 */
import { FloeError, isErrorCode } from '../protocol/errors.ts';
import {
  createCrowd,
  crowdCalls,
  type ConnectedMessage,
  type CrowdCalls,
  type CrowdData,
  type CrowdEvent,
  type CrowdMessage,
  type HostMessage,
  type Member,
} from './participant-host.ts';
import { localThread } from './local-thread.ts';
import type { TrainingSeen } from './outputs/observations.ts';
import type { Switchboard } from './switchboard.ts';
import type { SimulationModule } from './task.ts';
import { startThread, type Thread } from './thread.ts';
import type { Note } from './timeline.ts';

export interface CrowdsInit {
  readonly workers: number;
  readonly members: readonly Member[];
  /** The same for all workers. */
  readonly shared: Omit<CrowdData, 'members'>;
  readonly connect: Switchboard['connect'];
  readonly onEvent: (index: number, event: CrowdEvent) => void;
  readonly note: Note;
  /** Where the shared data ask for it. */
  readonly onTrained: (index: number, seen: TrainingSeen) => void;
  /** Trainers of the caller's own, which train in the caller's thread. */
  readonly own?: SimulationModule | undefined;
  /** A participant gave up permanently; in a simulation that is never wanted. */
  readonly onFailure: (error: FloeError) => void;
}

export interface Crowds {
  /** Resolves when all participants are on their way, or can be woken. */
  start(): Promise<void>;
  /** Makes a participant that was asleep. */
  wake(index: number): void;
  /** Rejects when a worker dies. */
  readonly failed: Promise<never>;
  /** Idempotent. */
  end(): Promise<void>;
}

/** Starts a host in a worker, or in this thread if the caller brings trainers. */
const startCrowd = (
  own: SimulationModule | undefined,
  data: CrowdData,
  tell: (message: CrowdMessage) => void,
): Thread<CrowdCalls> => {
  if (own === undefined)
    return startThread<CrowdCalls>('participants-worker', data, (message) =>
      tell(message as CrowdMessage),
    );
  const crowd = createCrowd(data, tell, own);
  return localThread(crowdCalls(crowd), {
    post: (message) => crowd.take(message as HostMessage),
    end: () => crowd.stop(),
  });
};

export const createCrowds = (init: CrowdsInit): Crowds => {
  const threads: Thread<CrowdCalls>[] = [];
  const handle = (thread: () => Thread<CrowdCalls>, message: CrowdMessage): void => {
    if (message.type === 'connect') {
      init.connect(message.index, (port) => {
        const connected: ConnectedMessage = { type: 'connected', index: message.index, port };
        thread().post(connected, [port]);
      });
    } else if (message.type === 'trained') init.onTrained(message.index, message.seen);
    else if (message.type === 'event') init.onEvent(message.index, message.event);
    else if (message.type === 'span') init.note(message.activity, message.from, message.to);
    else {
      const code = isErrorCode(message.code) ? message.code : 'internal';
      init.onFailure(new FloeError(code, `participant ${message.index}: ${message.message}`));
    }
  };
  for (let i = 0; i < init.workers; i += 1) {
    // Neighbours in number go to different workers, so that any cohort is spread over all of them.
    const members = init.members
      .filter(({ index }) => index % init.workers === i)
      .map(({ index, rows, keystoreSeed, randomSeed, before }) => ({
        index,
        rows,
        keystoreSeed,
        randomSeed,
        before,
      }));
    const data: CrowdData = { ...init.shared, members };
    const thread: Thread<CrowdCalls> = startCrowd(init.own, data, (message) =>
      handle(() => thread, message),
    );
    threads.push(thread);
  }
  return {
    start: async () => {
      await Promise.all(threads.map(async (thread) => thread.call('start', undefined)));
    },
    wake: (index) => {
      const message: HostMessage = { type: 'wake', index };
      threads[index % init.workers]?.post(message);
    },
    failed: Promise.race(threads.map(({ failed }) => failed)),
    end: async () => {
      await Promise.all(threads.splice(0).map(async (thread) => thread.end()));
    },
  };
};
