/**
 * @module Runs a page in Chromium, where one is installed: a bundle of a module, served on this
 * machine, which posts its result. No driver is needed: the page is opened by the command line.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { rolldown } from 'rolldown';

const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** Its program: the variable CHROMIUM, or one of the usual places; undefined without. */
export const chromium = process.env['CHROMIUM'] ?? PLACES.find((path) => existsSync(path));

/** WebGPU on a program that imitates a GPU, so that it is there on every machine. */
const FLAGS = [
  '--headless=new',
  '--no-sandbox',
  '--no-first-run',
  '--disable-extensions',
  '--enable-unsafe-webgpu',
  '--use-webgpu-adapter=swiftshader',
  '--enable-features=Vulkan',
];

const bundleOf = async (entry: string): Promise<string> => {
  const build = await rolldown({ input: entry, platform: 'browser', onLog: () => undefined });
  const { output } = await build.generate({ format: 'esm', codeSplitting: false });
  await build.close();
  return output.flatMap((part) => (part.type === 'chunk' ? [part.code] : [])).join('\n');
};

const PAGE = `<!doctype html><meta charset="utf-8"><script type="module">
const post = (value) => fetch('/result', { method: 'POST', body: JSON.stringify(value) });
addEventListener('error', ({ message }) => post({ error: message }));
addEventListener('unhandledrejection', ({ reason }) => post({ error: String(reason?.stack ?? reason) }));
const { page } = await import('/bundle.js');
const value = await page(new URLSearchParams(location.search));
if (parent === window) post({ value });
else parent.postMessage(value, '*');
</script>`;

/**
 * The result of the function `page` that a module exports, as JSON carries it.
 *
 * @param files served below /files/, by name
 * @param query what the page is called with
 * @throws Error what the page throws
 */
export const inChromium = async (
  entry: string,
  files: Readonly<Record<string, string>>,
  query: Readonly<Record<string, string>> = {},
): Promise<unknown> => {
  if (chromium === undefined) throw new Error('no Chromium is installed');
  const code = await bundleOf(entry);
  const folder = await mkdtemp(join(tmpdir(), 'floe-chromium-'));
  const result = Promise.withResolvers<string>();
  const server = createServer((request, response) => {
    const { url = '' } = request;
    const file = files[url.replace('/files/', '')];
    if (url === '/bundle.js') response.setHeader('content-type', 'text/javascript').end(code);
    else if (url === '/result') {
      const parts: Buffer[] = [];
      request.on('data', (part: Buffer) => parts.push(part));
      request.on('end', () => {
        response.end();
        result.resolve(Buffer.concat(parts).toString());
      });
    } else if (file !== undefined)
      void readFile(file).then((bytes) =>
        response.setHeader('content-type', 'application/wasm').end(bytes),
      );
    else if (url.startsWith('/?')) response.setHeader('content-type', 'text/html').end(PAGE);
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  const browser = spawn(
    chromium,
    [
      ...FLAGS,
      `--user-data-dir=${folder}`,
      `http://127.0.0.1:${port}/?${new URLSearchParams(query)}`,
    ],
    { stdio: 'ignore' },
  );
  const ended = new Promise<void>((resolve) => {
    browser.once('exit', () => resolve());
  });
  browser.once('error', (error) => result.reject(error));
  void ended.then(() => result.reject(new Error('Chromium ended before the page had a result')));
  try {
    const { value, error } = JSON.parse(await result.promise) as {
      readonly value?: unknown;
      readonly error?: string;
    };
    if (error !== undefined) throw new Error(error);
    return value;
  } finally {
    browser.kill();
    await ended;
    server.closeAllConnections();
    server.close();
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
};
