/**
 * A web page that somebody in the coordinator's network has open: it speaks WebSocket to addresses
 * that only the browser can reach, and reads what they answer. RFC 6455, section 10.2: a server
 * checks Origin.
 */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { serve, type Coordinator, type Served } from '../../coordinator/index.ts';
import { createStage, silent, testSpec, type Stage } from '../support/run.ts';

let stage: Stage;
let coordinator: Coordinator;
const open: Served[] = [];

beforeEach(async () => {
  stage = await createStage(await testSpec());
  coordinator = stage.create();
  await coordinator.start();
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((served) => served.close()));
  await coordinator.stop();
});

const listen = async (allowOrigins?: readonly string[]): Promise<string> => {
  const served = await serve(coordinator, {
    host: '127.0.0.1',
    port: 0,
    store: stage.store,
    log: silent,
    ...(allowOrigins === undefined ? {} : { allowOrigins }),
  });
  open.push(served);
  return served.url;
};

/** What a page of this origin gets: a connection, or the status and the error's name. */
const connectFrom = async (url: string, options: object): Promise<'open' | readonly unknown[]> => {
  const socket = new WebSocket(url.replace('http', 'ws'), options);
  try {
    return await new Promise((resolve, reject) => {
      socket.on('open', () => resolve('open'));
      socket.on('unexpected-response', (_, response) =>
        resolve([response.statusCode, response.headers['x-floe-error']]),
      );
      socket.on('error', reject);
    });
  } finally {
    socket.on('error', () => undefined);
    socket.terminate();
  }
};

const REFUSED = [403, 'origin_not_allowed'];
const PAGE = 'https://hospital.example';

it('a foreign page gets no session, whatever it calls itself', async () => {
  const url = await listen();
  for (const origin of ['https://evil.example', 'null', url, '*'])
    expect([origin, await connectFrom(url, { origin })]).toEqual([origin, REFUSED]);
  // Its name resolves to this machine, so that the page and the host that it asks are of one
  // origin.
  const rebound = { origin: 'http://evil.example:7700', headers: { host: 'evil.example:7700' } };
  expect(await connectFrom(url, rebound)).toEqual(REFUSED);
  // An older version of the protocol names the origin elsewhere.
  expect(await connectFrom(url, { origin: 'https://evil.example', protocolVersion: 8 })).toEqual(
    REFUSED,
  );
  expect(await connectFrom(url, {})).toBe('open');
});

it('a page that is listed gets one, its neighbours do not', async () => {
  const url = await listen([`${PAGE}/`, 'http://localhost:5173']);
  expect(await connectFrom(url, { origin: PAGE })).toBe('open');
  expect(await connectFrom(url, { origin: 'http://localhost:5173' })).toBe('open');
  for (const origin of [
    'http://hospital.example',
    'https://hospital.example:8443',
    'https://hospital.example.evil.example',
    'https://evil-hospital.example',
    'http://localhost:5174',
  ])
    expect([origin, await connectFrom(url, { origin })]).toEqual([origin, REFUSED]);
});

it('every page gets one where that was asked for', async () => {
  const url = await listen(['*']);
  expect(await connectFrom(url, { origin: 'https://evil.example' })).toBe('open');
  expect(await connectFrom(url, { origin: 'null' })).toBe('open');
});

it('what is no origin is refused when the server starts', async () => {
  for (const wrong of ['hospital.example', `${PAGE}/train`, 'null', 'file:///', ''])
    await expect(listen([wrong])).rejects.toMatchObject({ code: 'usage' });
});

it('over HTTP a foreign page reads nothing, and one that is listed reads the run and uploads', async () => {
  const url = await listen([PAGE]);
  const readableFor = async (origin: string, path = '/run', init: RequestInit = {}) => {
    const response = await fetch(`${url}${path}`, {
      ...init,
      headers: { ...(init.headers as Record<string, string>), origin },
    });
    await response.body?.cancel();
    return response.headers;
  };
  const name = 'access-control-allow-origin';
  expect((await readableFor('https://evil.example')).get(name)).toBeNull();
  expect((await readableFor(PAGE)).get(name)).toBe(PAGE);
  const preflight = await readableFor(PAGE, `/blobs/${'0'.repeat(64)}`, {
    method: 'OPTIONS',
    headers: {
      'access-control-request-method': 'PUT',
      'access-control-request-headers': 'authorization,content-type',
    },
  });
  expect(preflight.get('access-control-allow-methods')).toContain('PUT');
  expect(preflight.get('access-control-allow-headers')).toContain('authorization');
  expect((await readableFor(PAGE, '/metrics')).get(name)).toBeNull();
});
