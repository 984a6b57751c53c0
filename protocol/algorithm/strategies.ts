/**
 * @module The strategies of Floe: one line each. Everything else follows from what they say of
 * themselves.
 */
export { fedAvg } from './fedavg/index.ts';
export { fedAdam } from './fedadam/index.ts';
export { fedProx } from './fedprox/index.ts';
export { fedAvgM } from './fedavgm/index.ts';
export { fedAdagrad } from './fedadagrad/index.ts';
export { fedYogi } from './fedyogi/index.ts';
export { diLoCo } from './diloco/index.ts';
export { fedNova } from './fednova/index.ts';
export { scaffold } from './scaffold/index.ts';
export { fedDyn } from './feddyn/index.ts';
export { clientMomentum } from './client-momentum/index.ts';
