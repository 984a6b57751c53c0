/**
 * @module The worker thread that hosts participants.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { FloeError } from '../protocol/errors.ts';
import { shareCurve } from './curves/register.ts';
import { createCrowd, crowdCalls, type CrowdData, type HostMessage } from './participant-host.ts';
import { answerCalls } from './thread.ts';

const port = parentPort;
if (port === null) throw new FloeError('internal', 'expected to run in a worker thread');
shareCurve();
const crowd = createCrowd(workerData as CrowdData, (message) => port.postMessage(message));
port.on('message', (message: HostMessage | { readonly type: 'call' }) => {
  if (message.type !== 'call') crowd.take(message);
});
answerCalls(crowdCalls(crowd));
