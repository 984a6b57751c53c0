/** @module The kernels as one module; it imports its memory and keeps no state in it. */
export { gemm } from './gemm';
export { gemmOfInputs } from './sparse';
export { conv2d, conv2dFilterGradient, conv2dInputGradient, maxPoolGradient } from './convolution';
export {
  activationGradient,
  addColumnSums,
  biasActivation,
  crossEntropyGradient,
  softmax,
  squaredErrorGradient,
} from './rows';
