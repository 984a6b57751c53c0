/**
 * @module The worker of the analyst.
 */
import { setPriority } from 'node:os';
import { workerData } from 'node:worker_threads';
import { createAnalyst, type AnalystData } from './analysis.ts';
import { answerCalls } from './thread.ts';

// On Linux this is the priority of the calling thread alone: the participants go first. Elsewhere
// it would be the process's.
if (process.platform === 'linux') setPriority(10);
answerCalls(createAnalyst(workerData as AnalystData));
