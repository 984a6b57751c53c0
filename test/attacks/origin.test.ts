/**
 * A web page that somebody in the coordinator's network has open: it speaks WebSocket to addresses that only the browser can
 * reach, and reads what they answer. RFC 6455, section 10.2: a server checks Origin.
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

const listen = async (): Promise<string> => {
  const served = await serve(coordinator, {
    host: '127.0.0.1',
    port: 0,
    store: stage.store,
    log: silent,
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

it('a foreign page gets a session with a coordinator in the local network', async () => {
  expect(await connectFrom(await listen(), { origin: 'https://evil.example' })).toBe('open');
});
