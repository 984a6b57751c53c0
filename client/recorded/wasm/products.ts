/**
 * @module The product of a node's operands. Where the first operand is the batch, the kernel is the
 * one that skips its zeros: images have margins, categories one 1 in a row. The bytes are the same.
 */
import { inputScratchBytes, type Kernels } from '../../tfjs/kernels/load.ts';
import type { Node } from '../ir.ts';

const FLOAT_BYTES = 4;

/** The memory, as far as a product needs it. */
export interface Operands {
  readonly kernels: Kernels;
  /** Byte address of a value. */
  readonly at: (value: number) => number;
  /** Byte address of the batch's features. */
  readonly inputs: number;
  /** Byte address of room for the length of a node. */
  readonly scratch: (floats: number) => number;
}

/** C[m, n] = beta C + alpha op(A) op(B), with all addresses but those of this batch fixed. */
export type Product = (a: number, b: number, c: number, alpha: number, beta: number) => void;

export const productOf = (node: Node & { readonly type: 'matMul' }, heap: Operands): Product => {
  const { m, n, k } = node;
  const { kernels } = heap;
  const [ta, tb] = [Number(node.transposeA), Number(node.transposeB)];
  if (node.batch === 1 && tb === 0 && heap.at(node.a) === heap.inputs) {
    const scratch = heap.scratch(Math.ceil(inputScratchBytes(m, k) / FLOAT_BYTES));
    return (a, b, c, alpha, beta) =>
      kernels.gemmOfInputs(m, n, k, a, ta, b, c, alpha, beta, scratch);
  }
  return (a, b, c, alpha, beta) => kernels.gemm(m, n, k, a, ta, b, tb, c, alpha, beta);
};
