/**
 * @module What the coordinator of a run on a network looks after: when it looks, what it asks to be
 * kept, what it says of coins, and what keeps an attempt from being opened.
 */
import { describe, expect, it } from 'vitest';
import { type FundsReport, timesCovered } from '../../coordinator/funds.ts';
import { createMetrics } from '../../coordinator/metrics.ts';
import { initialState, type State } from '../../coordinator/machine/index.ts';
import { createUpkeep, type UpkeepEvent } from '../../coordinator/upkeep.ts';
import type { BlobRef } from '../../protocol/ports/blob-store.ts';
import type { Lease } from '../../protocol/ports/upload-staging.ts';
import { manualClock } from '../../protocol/ports/clock.ts';
import { FloeError, type ErrorCode } from '../../protocol/errors.ts';

const EVERY_MS = 1_000;
const blob: BlobRef = { id: 'model', sha256: new Uint8Array(32), size: 4 };
const LEASE: Lease = { epoch: 4, endEpoch: 7, endsAt: 9_000, extended: 0, restored: 0 };

const waiting: State = {
  ...initialState,
  model: { version: 0, blob, hash: new Uint8Array(32), envelope: new Uint8Array() },
};

const fundsFor = (rounds: number): FundsReport => ({
  address: '0x1',
  have: { sui: BigInt(rounds) * 10n, wal: 1_500_000_000n },
  perRound: { sui: 10n, wal: 1n },
  rounds,
});

const setup = () => {
  const clock = manualClock();
  const asked: (readonly BlobRef[])[] = [];
  const events: UpkeepEvent[] = [];
  const logged: unknown[] = [];
  const world = {
    state: waiting,
    sustain: async (): Promise<Lease> => LEASE,
    rounds: 100,
  };
  const note = (fields: Readonly<Record<string, unknown>>): void =>
    void logged.push(fields['code']);
  const upkeep = createUpkeep({
    leases: {
      sustain: (blobs) => {
        asked.push(blobs);
        return world.sustain();
      },
    },
    treasury: { look: async () => fundsFor(world.rounds) },
    clock,
    everyMs: EVERY_MS,
    rounds: 50,
    state: () => world.state,
    log: { debug: note, info: note, warn: note, error: note },
    onEvent: (event) => events.push(event),
  });
  /** Everything that has begun has ended. */
  const settled = async (): Promise<void> => {
    for (let i = 0; i < 20; i += 1) await Promise.resolve();
  };
  return { clock, asked, events, logged, world, upkeep, settled };
};

const throwing = (code: ErrorCode) => () => Promise.reject(new FloeError(code, 'on purpose'));
const never = new AbortController().signal;

describe('the blobs of a run', () => {
  it('are looked after while it waits, at every interval until it is stopped or over', async () => {
    const { clock, asked, upkeep, world, settled } = setup();
    upkeep.start();
    for (let i = 1; i <= 3; i += 1) {
      clock.advance(EVERY_MS);
      await settled();
      expect(asked).toEqual(Array.from({ length: i }, () => [blob]));
    }
    world.state = { ...waiting, phase: { type: 'finished', since: 0 } };
    clock.advance(EVERY_MS);
    await settled();
    expect(asked).toHaveLength(3);
    world.state = waiting;
    upkeep.stop();
    expect(clock.next()).toBeUndefined();
  });

  it('that were kept are told of, and counted in the metrics', async () => {
    const { events, upkeep, world, settled } = setup();
    const metrics = createMetrics({
      status: () => ({ connections: 0, loggedIn: 0, committed: 0, attempt: 0 }),
      journalEvents: () => 0,
      upkeep: () => upkeep.status(),
    });
    expect(await metrics.text()).toContain('floe_blobs_end_epoch Nan');
    world.sustain = async () => ({ ...LEASE, extended: 1, restored: 2 });
    await upkeep.ensure(never);
    await settled();
    expect(events).toEqual([{ type: 'kept', lease: { ...LEASE, extended: 1, restored: 2 } }]);
    const text = await metrics.text();
    for (const line of [
      'floe_storage_epoch 4',
      'floe_blobs_end_epoch 7',
      'floe_blobs_paid_until_seconds 9',
      'floe_blobs_extended 1',
      'floe_blobs_restored 2',
      'floe_balance_wal 1.5',
      'floe_rounds_funded 100',
    ])
      expect(text).toContain(`${line}\n`);
  });

  it('keep an attempt from being opened when one is lost, and not when nobody can be asked', async () => {
    const { events, upkeep, world, logged } = setup();
    world.sustain = throwing('store_unavailable');
    await upkeep.ensure(never);
    expect(logged).toEqual(['store_unavailable']);
    world.sustain = throwing('blob_expired');
    await expect(upkeep.ensure(never)).rejects.toMatchObject({ code: 'blob_expired' });
    expect(events).toMatchObject([{ type: 'lost', error: { code: 'blob_expired' } }]);
  });

  it('are looked after again after a failure', async () => {
    const { clock, asked, upkeep, world, settled } = setup();
    world.sustain = throwing('store_unavailable');
    upkeep.start();
    for (let i = 0; i < 2; i += 1) {
      clock.advance(EVERY_MS);
      await settled();
    }
    expect(asked).toHaveLength(2);
  });
});

describe('the coins of a run', () => {
  it('that run low are told of before they are used up: once for each round less, and again after a gift', async () => {
    const { events, logged, upkeep, world, settled } = setup();
    const said: number[] = [];
    for (const rounds of [11, 10, 9, 9, 8, 40, 3]) {
      world.rounds = rounds;
      await upkeep.ensure(never);
      await settled();
      said.push(events.length);
    }
    expect(said).toEqual([0, 0, 1, 1, 2, 2, 3]);
    expect(events.at(-1)).toMatchObject({
      type: 'funds-low',
      roundsLeft: 50,
      funds: { rounds: 3 },
    });
    expect(new Set(logged)).toEqual(new Set(['funds_low']));
  });

  it('suffice when they last for the rounds that are left, be these few', async () => {
    const { events, upkeep, world, settled } = setup();
    world.state = { ...waiting, committed: 48 };
    world.rounds = 2;
    await upkeep.ensure(never);
    await settled();
    expect(events).toEqual([]);
    world.rounds = 1;
    await upkeep.ensure(never);
    await settled();
    expect(events).toMatchObject([{ type: 'funds-low', roundsLeft: 2 }]);
  });

  it('last for as long as the scarcer of the two', () => {
    expect(timesCovered({ sui: 100n, wal: 7n }, { sui: 10n, wal: 2n })).toBe(3);
    expect(timesCovered({ sui: 19n, wal: 70n }, { sui: 10n, wal: 2n })).toBe(1);
    expect(timesCovered({ sui: 5n, wal: 0n }, { sui: 1n, wal: 0n })).toBe(5);
  });
});
