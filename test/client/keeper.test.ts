/**
 * @module What the participant's host keeps on disk: all that a step saves, and nothing of an
 * attempt that is over, also where the process dies between the two writes that this takes.
 */
import { describe, expect, it } from 'vitest';
import { FloeError } from '../../protocol/errors.ts';
import {
  EMPTY_RUN,
  memoryKeystore,
  type Keystore,
  type RunMemory,
} from '../../client/keystore/index.ts';
import { createHost, type HostInit } from '../../client/participant/host/host.ts';
import { faultsOfKeystore } from '../../client/participant/host/port-faults.ts';
import { openKeeper } from '../../client/participant/host/secrets.ts';
import type { Memory } from '../../client/participant/machine/run-memory.ts';
import type { Effect, Event, Machine, State } from '../../client/participant/machine/index.ts';
import { testSpec } from '../support/run.ts';

const RUN = new Uint8Array(32).fill(7);
const VIEW = { run: RUN, spec: await testSpec() };
const VECTOR = Uint8Array.of(1, 2, 3);
const hash = new Uint8Array(32);

const attemptOf = (attempt: number, more: Partial<RunMemory['attempt']> = {}): RunMemory => ({
  ...EMPTY_RUN,
  attempt: {
    attempt,
    open: Uint8Array.of(1),
    sigma: hash,
    seal: hash,
    register: Uint8Array.of(2),
    ...more,
  },
});
const NAMED = { vector: { sha256: hash, size: 3, chunkRoot: hash } };

const keystoreWith = async (memory: RunMemory): Promise<Keystore> => {
  const keystore = await memoryKeystore(hash);
  await keystore.save(RUN, memory);
  await keystore.saveVector(RUN, VECTOR);
  return keystore;
};

describe('a vector on disk', () => {
  it('is erased at the next start where a crash came between the end of its attempt and that', async () => {
    const keystore = await keystoreWith(attemptOf(1, NAMED));
    const crashing: Keystore = {
      ...keystore,
      eraseVector: () => Promise.reject(new Error('killed')),
    };
    const keeper = await openKeeper(crashing, VIEW, EMPTY_RUN);
    const { attempt: _over, ...ended } = keeper.loaded;
    await expect(keeper.save(ended)).rejects.toThrow('killed');
    expect(await keystore.loadVector(RUN)).toEqual(VECTOR);
    await openKeeper(keystore, VIEW, EMPTY_RUN);
    expect(await keystore.loadVector(RUN)).toBeUndefined();
  });

  it('is erased where the memory of its attempt does not name one', async () => {
    const keystore = await keystoreWith(attemptOf(2));
    await openKeeper(keystore, VIEW, EMPTY_RUN);
    expect(await keystore.loadVector(RUN)).toBeUndefined();
  });

  it('stays where its attempt names it', async () => {
    const keystore = await keystoreWith(attemptOf(2, NAMED));
    await openKeeper(keystore, VIEW, EMPTY_RUN);
    expect(await keystore.loadVector(RUN)).toEqual(VECTOR);
  });
});

describe('a step with two saves', () => {
  const memories = [1, 2].map((commits): Memory => ({ v: 2, commits }));
  const start = { phase: { type: 'idle' } } as State;
  const done = { ...start, breaches: 1 };

  /** A host of a machine whose only step saves both. */
  const hostOf = async (keystore: Keystore, seen: Event[] = []) => {
    const keeper = await openKeeper(faultsOfKeystore(keystore), VIEW, EMPTY_RUN);
    const effects = memories.map((memory): Effect => ({
      type: 'save',
      memory,
      otherwise: 'leave',
    }));
    const machine = {
      initial: () => start,
      step: (_config: unknown, state: State, event: Event) => {
        seen.push(event);
        return event.type === 'clocks' ? { state: done, effects } : { state, effects: [] };
      },
    } as unknown as Machine;
    const { signal } = new AbortController();
    const ports = { view: { spec: await testSpec() }, keystore };
    return createHost({ machine, config: {}, ports, keeper, signal } as unknown as HostInit);
  };
  const event: Event = { type: 'clocks', skew: undefined };

  it('writes both, in their order', async () => {
    const saved: unknown[] = [];
    const keystore = await memoryKeystore(hash);
    const save: Keystore['save'] = (run, memory) => {
      saved.push(memory);
      return keystore.save(run, memory);
    };
    const host = await hostOf({ ...keystore, save });
    await host.take(event);
    expect(saved).toEqual(memories);
    expect(await keystore.load(RUN)).toEqual(memories[1]);
    expect(host.state).toBe(done);
  });

  it('did not happen where the second is refused', async () => {
    const keystore = await memoryKeystore(hash);
    const seen: Event[] = [];
    const save: Keystore['save'] = async (run, memory) => {
      if (memory.commits === 2) throw new FloeError('storage_full', 'no room');
      return keystore.save(run, memory);
    };
    const host = await hostOf({ ...keystore, save }, seen);
    await host.take(event);
    expect(seen).toMatchObject([event, { type: 'not-saved', otherwise: 'leave' }]);
    expect(host.state).toBe(start);
  });
});
