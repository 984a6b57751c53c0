/**
 * @module Memory of a coordinator: `npx node bench/memory.ts [dimension] [participants...]`. The
 * coordinator runs one masked round in a separate process: WebSocket, directory store, every phase.
 * The participants are in this process; their uploads are encoded and masked like any other. The
 * figures are the growth of the coordinator's resident set during the fold and at its peak, as
 * ratios to the O(d) parts: the bytes of its accumulator and of one upload.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { webSocketConnect } from '../client/connect/web-socket.ts';
import { layoutOf } from '../protocol/algorithm/round.ts';
import { directoryStore } from '../protocol/ports/directory-store.ts';
import { createLanes, packedLength } from '../protocol/encoding/index.ts';
import { BENCH_EXAMPLES, benchParticipant, benchSpec } from './run.ts';
import { report } from './table.ts';
import type { FromCoordinator } from './memory-coordinator.ts';

type Growth = Extract<FromCoordinator, { type: 'measured' }>;

const [dimension = 1_000_000, ...cohorts] = process.argv.slice(2).map(Number);

/** The first message of this type. @throws Error when the process ends first */
const heard = <Type extends FromCoordinator['type']>(
  child: ChildProcess,
  type: Type,
): Promise<Extract<FromCoordinator, { type: Type }>> =>
  new Promise((resolve, reject) => {
    child.on('message', (message: FromCoordinator) => {
      if (message.type === type) resolve(message as never);
    });
    child.once('exit', (code) => reject(new Error(`the coordinator ended with ${code}`)));
  });

/** Gives `work` a folder for as long as it lasts. */
const inFolder = async <Result>(work: (folder: string) => Promise<Result>): Promise<Result> => {
  const folder = await mkdtemp(join(tmpdir(), 'floe-bench-'));
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
};

/**
 * Bytes that the coordinator's resident set grew in one attempt of `n`, with its files in `folder`.
 */
const play = async (n: number, folder: string): Promise<Growth> => {
  const child = fork(
    new URL('memory-coordinator.ts', import.meta.url),
    [String(n), String(dimension), folder],
    { stdio: 'inherit' },
  );
  child.on('message', (message: FromCoordinator) => {
    if (message.type === 'phase') console.log(`  ${message.phase}`);
  });
  const measured = heard(child, 'measured');
  const { url } = await heard(child, 'listening');
  const store = directoryStore(folder);
  const connect = webSocketConnect(url, { heartbeatMs: 3_600_000 });
  const participants = await Promise.all(
    Array.from({ length: n }, (_, i) =>
      benchParticipant(i, dimension, store, () => connect(AbortSignal.timeout(60_000))),
    ),
  );
  const growth = await measured;
  await Promise.all(participants.map(({ finished }) => finished));
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.disconnect();
  await ended;
  return growth;
};

for (const n of cohorts.length > 0 ? cohorts : [10, 100]) {
  // One after the other: they would disturb each other.
  const { folding, peak } = await inFolder((folder) => play(n, folder));
  const layout = layoutOf(await benchSpec(n, dimension, 1), n, BENCH_EXAMPLES);
  const upload = packedLength(layout.lanes, layout.modulusBits);
  const accumulator = createLanes(layout.lanes, layout.modulusBits).byteLength;
  const plain = 4 * dimension;
  const size = `n = ${n}, d = ${dimension}`;
  report({ what: `${size}, one upload`, value: upload, unit: 'B' });
  report({ what: `${size}, the accumulator`, value: accumulator, unit: 'B' });
  const growths = [
    ['growth while folding', folding],
    ['growth at the peak of the round', peak],
  ] as const;
  for (const [name, value] of growths) {
    const bases = [
      ['accumulator + upload', accumulator + upload],
      ['float32 vector', plain],
      ['all uploads', n * upload],
    ] as const;
    for (const [to, base] of bases)
      report({ what: `${size}, ${name}`, value, unit: 'B', ratio: { value: value / base, to } });
  }
}
