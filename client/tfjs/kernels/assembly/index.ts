/** @module The kernels as one module; it brings no memory of its own and keeps nothing in it. */
export { gemm } from './gemm';
export { conv2d, conv2dFilterGradient, conv2dInputGradient, maxPoolGradient } from './convolution';
export {
  activationGradient,
  addColumnSums,
  biasActivation,
  crossEntropyGradient,
  softmax,
  squaredErrorGradient,
} from './rows';
