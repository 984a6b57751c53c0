/**
 * @module The same task from a program of one's own: `npx node examples/simulation/run.ts`.
 * Functions work in this thread; `simulate({ module: new URL('task.ts', import.meta.url) })`
 * spreads them over workers.
 */
import { simulate } from '../../sim/index.ts';
import { data, name, trainer } from './task.ts';

const { summary, folder } = await simulate({
  data,
  name,
  trainer,
  participants: 10,
  cohort: 5,
  rounds: 10,
  learningRate: 0.5,
  substrate: 'local',
  onEvent: (event) => {
    if (event.type === 'scored')
      console.log(`round ${event.version}: test accuracy ${(event.testAccuracy ?? 0).toFixed(3)}`);
  },
});
console.log(`model ${summary.modelHash} in ${folder}`);
