/**
 * floe/client and floe/protocol in a browser. A bundler (rolldown) follows every import with the
 * conditions of a browser; the bundle must ask for nothing of Node, and must run where there is no
 * Node: in a realm with the globals of a browser only.
 */
import { fileURLToPath } from 'node:url';
import { runInNewContext } from 'node:vm';
import { rolldown } from 'rolldown';
import { describe, expect, it } from 'vitest';
import { FloeError } from '../../protocol/errors.ts';
import { identityFromSeed } from '../../protocol/ports/identity.ts';

const file = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));

interface Bundle {
  readonly code: string;
  readonly warnings: readonly string[];
  /** What it imports at run time. */
  readonly imports: readonly string[];
}

const bundle = async (entry: string, format: 'esm' | 'iife' = 'esm'): Promise<Bundle> => {
  const warnings: string[] = [];
  const build = await rolldown({
    input: file(entry),
    platform: 'browser',
    onLog: (_, { message }) => warnings.push(message),
  });
  const { output } = await build.generate({ format, name: 'floe', codeSplitting: false });
  await build.close();
  const chunks = output.filter((part) => part.type === 'chunk');
  const own = new Set(chunks.map(({ fileName }) => fileName));
  return {
    code: chunks.map(({ code }) => code).join('\n'),
    warnings,
    imports: chunks
      .flatMap(({ imports, dynamicImports }) => [...imports, ...dynamicImports])
      .filter((name) => !own.has(name)),
  };
};

describe.each(['client/browser.ts', 'protocol/index.ts'])('%s', (entry) => {
  it('bundles for the browser without anything of Node', async () => {
    const { code, imports, warnings } = await bundle(entry);
    expect(imports).toEqual([]);
    expect(warnings.filter((text) => /externaliz|resolve/iu.test(text))).toEqual([]);
    expect(code).not.toMatch(/\b(?:from|import|import\(|require\()\s*["']node:/u);
  });
});

it('a bundle of the client for Node does import Node: the check above can fail', async () => {
  const { imports } = await bundle('client/index.ts');
  expect(imports).toContain('node:fs/promises');
});

/**
 * Evaluates the bundle, then `expression` over its exports `floe`, where nothing but what browsers
 * have is in reach.
 */
const inBrowserRealm = (code: string, expression: string): Promise<string> => {
  const { TextEncoder, TextDecoder, URL, atob, btoa, crypto, fetch, performance } = globalThis;
  const { setTimeout, clearTimeout, AbortController, AbortSignal, Event, EventTarget } = globalThis;
  const globals = {
    TextEncoder,
    TextDecoder,
    URL,
    atob,
    btoa,
    crypto,
    fetch,
    performance,
    setTimeout,
    clearTimeout,
    AbortController,
    AbortSignal,
    Event,
    EventTarget,
    console,
    location: new URL('https://example.org/'),
    navigator: { userAgent: 'a test' },
  };
  return runInNewContext(`${code}\n;(async () => ${expression})()`, globals) as Promise<string>;
};

describe('where there is no Node', () => {
  it('the protocol runs and computes what it computes in Node', async () => {
    const { code } = await bundle('protocol/index.ts', 'iife');
    const address = await inBrowserRealm(
      code,
      '(await floe.identityFromSeed(new Uint8Array(32).fill(7))).address',
    );
    expect(address).toBe((await identityFromSeed(new Uint8Array(32).fill(7))).address);
  });

  it('the client loads; a folder as keystore is refused by name', async () => {
    const { code } = await bundle('client/browser.ts', 'iife');
    const attempt = await inBrowserRealm(
      code,
      `floe.join('wss://example.org', {
        trainer: floe.functionTrainer({ manifest: { tensors: [] }, train: () => undefined }),
        keystore: { path: 'me', passphrase: 'correct horse' },
      }).then(() => 'joined', ({ name, code }) => name + ' ' + code)`,
    );
    expect(attempt).toBe(`${new FloeError('usage', '').name} usage`);
  });
});
