/**
 * floe/client in a real browser: Chromium, where one is installed, with WebGPU on its software
 * adapter. The page trains on every backend that a browser has, and takes part in a run.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join as joinPath } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { beginningOf, join, memoryKeystore } from '../../client/index.ts';
import { startCoordinator } from '../../coordinator/index.ts';
import { makeRunSpec } from '../../protocol/index.ts';
import { examples, type PageResult, trainOn } from '../support/browser-page.ts';
import { chromium, inChromium } from '../support/chromium.ts';
import { TEST_ADMISSION } from '../support/admission.ts';
import { worst } from './engines.ts';

const wasm = dirname(createRequire(import.meta.url).resolve('@tensorflow/tfjs-backend-wasm'));
const FILES = Object.fromEntries(
  ['tfjs-backend-wasm.wasm', 'tfjs-backend-wasm-simd.wasm'].map((name) => [
    name,
    joinPath(wasm, name),
  ]),
);
const PAGE = fileURLToPath(new URL('../support/browser-page.ts', import.meta.url));

/** One page, and two participants in this process, in a run of one round. */
const play = async (): Promise<PageResult & { readonly rounds: number }> => {
  const folder = await mkdtemp(joinPath(tmpdir(), 'floe-page-'));
  try {
    await using run = await startCoordinator({
      folder,
      keys: await memoryKeystore(new Uint8Array(32).fill(1)),
      allowOrigins: ['*'],
      run: {
        settings: { rounds: 1 },
        begin: () => beginningOf({ model: 'mlp:4', inputs: 36, classes: 3 }),
        spec: (fixed) => makeRunSpec({ ...fixed, rounds: 1, cohort: { size: 3, minimum: 3 } }),
      },
    });
    const page = inChromium(PAGE, FILES, { coordinator: run.joinUrl });
    const here = [0, 1].map(async () => {
      const joined = await join(run.joinUrl, {
        data: examples([36]),
        thread: false,
        require: TEST_ADMISSION,
        log: () => undefined,
      });
      return joined.finished;
    });
    const ended = async (): Promise<number> => {
      const { outcome } = await run.finished;
      await run.farewell();
      return outcome.rounds;
    };
    // What fails first ends the test: the others would wait for it.
    const [result, rounds] = await Promise.all([page, ended(), ...here]);
    return { ...(result as PageResult), rounds };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
};

describe.skipIf(chromium === undefined)(
  `in Chromium (${chromium ?? 'none is installed: set CHROMIUM, or install it'})`,
  () => {
    let result: Awaited<ReturnType<typeof play>>;
    beforeAll(async () => {
      result = await play();
    });

    it('WebGPU on a software adapter is not taken unless it is asked for, and that is said', () => {
      const { named, fastest } = result.trained;
      expect(named?.backend).toMatch(
        /^backend_unavailable: .*webgpu \(google swiftshader is a software adapter\)/u,
      );
      expect(fastest?.backend).toMatch(/^wasm: .*not webgpu \(google swiftshader is a software/u);
      expect(fastest?.backend).toMatch(/; \d[\d,]{3,9} samples\/s here/u);
    });

    it('recorded steps on WebGPU give what eager steps in Node give', async () => {
      const eager = await trainOn({ prefer: 'cpu' });
      const { software, auto, fastest } = result.trained;
      expect(software?.backend).toContain('WebGPU on google swiftshader; steps are recorded once');
      for (const engine of [software, auto, fastest]) {
        const weights = Float32Array.from(engine?.weights ?? []);
        expect(worst(Float32Array.from(eager.weights ?? []), weights)).toBeLessThan(1e-5);
        expect(engine?.lossSum).toBeCloseTo(eager.lossSum ?? NaN, 4);
        expect(engine?.evaluated).toBeCloseTo(eager.evaluated ?? NaN, 4);
      }
    });

    it('without the files of wasm it trains in plain JavaScript, and says why', () => {
      const { noWasm, again, auto } = result.trained;
      expect(noWasm?.backend).toMatch(/^cpu: plain JavaScript \(slow\); not wasm \(/u);
      // tfjs asks once: the reason stays that of the first time.
      expect(again?.backend).toMatch(/; not wasm \(.*is not tried again/u);
      expect(auto?.backend).toMatch(/^wasm: /u);
    });

    it('a page takes part in a run beside participants in Node', () => {
      const { taken, rounds } = result;
      expect(rounds).toBe(1);
      expect(taken.type).toBe('finished');
      expect(taken.lines.join('\n')).toMatch(/not webgpu \(google swiftshader is a software/u);
    });
  },
);
