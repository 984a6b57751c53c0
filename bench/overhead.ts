/**
 * @module The cost of the protocol: masked rounds of participants that do not train, over
 * WebSocket, in one process, by phase: `npx node bench/overhead.ts [dimension] [cohort...]`, by
 * default 199,210 and cohorts of 10 and 40. The times are the work of all parties in sequence on
 * one core: elapsed time, and CPU seconds of the process, which other load on the machine disturbs
 * less. Values that one process verifies or imports once for all participants (protocol/memo.ts)
 * count once. Bytes are those between participants and outside, up and down, frames and blobs, as a
 * ratio to plain float32 updates (for each participant the model down and an update up). The time
 * is a ratio to the minimum of masking, measured in the same run: the raw AES-256-CTR keystream of
 * all masks (n + 1 for each participant; the last one removes its own mask) and one copy of the
 * transferred bytes.
 */
import { createCipheriv } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { webSocketConnect } from '../client/connect/web-socket.ts';
import { webSocketGate } from '../coordinator/websocket.ts';
import { layoutOf } from '../protocol/algorithm/round.ts';
import type { BlobStore } from '../protocol/ports/blob-store.ts';
import { memoryStore } from '../protocol/ports/memory-store.ts';
import { systemClock } from '../protocol/ports/clock.ts';
import { packedLength } from '../protocol/encoding/index.ts';
import { tapped } from '../sim/network.ts';
import { BENCH_EXAMPLES, benchCoordinator, benchParticipant, benchSpec } from './run.ts';
import { report } from './table.ts';

const DIMENSION = Number(process.argv[2] ?? 199_210);
const COHORTS = process.argv.length > 3 ? process.argv.slice(3).map(Number) : [10, 40];
/**
 * The first round compiles the code; the fastest of the others counts, as others share the machine.
 */
const ROUNDS = 4;
const CHUNK = 256 << 10;

interface Cost {
  ms: number;
  /** CPU of the whole process, ms. */
  cpu: number;
  up: number;
  down: number;
}
const NOTHING: Readonly<Cost> = { ms: 0, cpu: 0, up: 0, down: 0 };
/** By phase. */
type Costs = ReadonlyMap<string, Cost>;

const PROBE = 64 << 20;
const PROBES = 9;

/** Milliseconds for one byte: the best of several runs over 64 MiB, more than caches hold. */
const msPerByte = (run: () => void): number => {
  const times = Array.from({ length: PROBES }, () => {
    const start = performance.now();
    run();
    return performance.now() - start;
  });
  return Math.min(...times) / PROBE;
};

const source = new Uint8Array(PROBE).fill(1);
const target = new Uint8Array(PROBE).fill(2);
const zeros = new Uint8Array(CHUNK);

const rawKeystream = (): void => {
  const cipher = createCipheriv('aes-256-ctr', zeros.subarray(0, 32), zeros.subarray(0, 16));
  for (let at = 0; at < PROBE; at += CHUNK) cipher.update(zeros);
};

const totalOf = (costs: Costs): Cost =>
  [...costs.values()].reduce((a, b) => ({
    ms: a.ms + b.ms,
    cpu: a.cpu + b.cpu,
    up: a.up + b.up,
    down: a.down + b.down,
  }));

/** CPU of the process so far, ms. */
const cpuNow = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};

/** The costs of the fastest round after the first, and of the one with the least CPU. */
const play = async (n: number): Promise<{ readonly fastest: Costs; readonly cpu: number }> => {
  const spec = await benchSpec(n, DIMENSION, ROUNDS);
  const rounds: Map<string, Cost>[] = [];
  let costs = new Map<string, Cost>();
  let cost: Cost = { ...NOTHING };
  let entered = performance.now();
  let enteredCpu = cpuNow();
  const enter = (phase: string): void => {
    const now = performance.now();
    cost.ms += now - entered;
    entered = now;
    const used = cpuNow();
    cost.cpu += used - enteredCpu;
    enteredCpu = used;
    cost = costs.get(phase) ?? { ...NOTHING };
    costs.set(phase, cost);
  };
  const store = memoryStore();
  const counted: BlobStore = {
    kind: store.kind,
    put: (bytes, options) => {
      cost.up += bytes.length;
      return store.put(bytes, options);
    },
    get: (ref, options) => {
      cost.down += ref.size;
      return store.get(ref, options);
    },
    getRange: (ref, start, end, options) => {
      cost.down += end - start;
      return store.getRange(ref, start, end, options);
    },
  };
  const coordinator = await benchCoordinator(spec, store, undefined, (progress) => {
    if (progress.type !== 'phase') return;
    if (progress.phase === 'opening') rounds.push((costs = new Map()));
    enter(progress.phase);
  });
  const gate = webSocketGate(coordinator.limits, systemClock, (connection) =>
    coordinator.accept(
      Object.assign(
        tapped(connection, () => undefined, {
          up: (frame) => (cost.up += frame.length),
          down: (frame) => (cost.down += frame.length),
        }),
        // The gate accepts only a login until `admit` is called.
        { admit: () => connection.admit?.() },
      ),
    ),
  );
  const server = createServer()
    .on('upgrade', (request, socket, head) => gate.upgrade(request, socket, head))
    .listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const connect = webSocketConnect(`ws://127.0.0.1:${port}`);
  await coordinator.start();
  const participants = await Promise.all(
    Array.from({ length: n }, (_, i) => benchParticipant(i, DIMENSION, counted, connect)),
  );
  await coordinator.finished;
  // The end of the last phase.
  enter('finished');
  costs.delete('finished');
  await Promise.all(participants.map(({ finished }) => finished));
  await coordinator.stop();
  gate.close();
  server.close();
  const later = rounds.slice(1);
  return {
    fastest: later.reduce((a, b) => (totalOf(b).ms < totalOf(a).ms ? b : a)),
    cpu: Math.min(...later.map((round) => totalOf(round).cpu)),
  };
};

const keystream = msPerByte(rawKeystream);
const copy = msPerByte(() => target.set(source));

for (const n of COHORTS) {
  console.log(`n = ${n}, d = ${DIMENSION}, masked, fastest of ${ROUNDS - 1} rounds`);
  const { fastest: costs, cpu } = await play(n);
  const total = totalOf(costs);
  const layout = layoutOf(await benchSpec(n, DIMENSION, 1), n, BENCH_EXAMPLES);
  const plain = n * 2 * 4 * DIMENSION;
  const masks = n * (n + 1) * packedLength(layout.lanes, layout.modulusBits);
  const floor = masks * keystream + (total.up + total.down) * copy;
  for (const [phase, { ms, up, down }] of costs) {
    const to = `keystream and copy (${floor.toFixed(0)} ms)`;
    report({
      what: `n = ${n}, ${phase}, time`,
      value: ms,
      unit: 'ms',
      ratio: { value: ms / floor, to },
    });
    const moved = up + down;
    if (moved === 0) continue;
    const ratio = { value: moved / plain, to: 'plain float32' };
    report({ what: `n = ${n}, ${phase}, bytes`, value: moved, unit: 'B', ratio });
  }
  const sums = [
    ['up', total.up, plain / 2],
    ['down', total.down, plain / 2],
    ['up and down', total.up + total.down, plain],
  ] as const;
  for (const [way, moved, base] of sums) {
    const ratio = { value: moved / base, to: 'plain float32' };
    report({ what: `n = ${n}, whole round, bytes ${way}`, value: moved, unit: 'B', ratio });
  }
  const to = `keystream and copy (${floor.toFixed(0)} ms)`;
  const whole = `n = ${n}, whole round`;
  report({
    what: `${whole}, time`,
    value: total.ms,
    unit: 'ms',
    ratio: { value: total.ms / floor, to },
  });
  const ratio = { value: cpu / floor, to };
  report({ what: `${whole}, CPU of everybody`, value: cpu, unit: 'ms CPU', ratio });
}
