/**
 * @module Plain SGD's update inside the product that computes the gradient: W - rate x (A' B) in
 * one kernel call.
 */
import type { Node } from '../ir.ts';
import { isPlain } from '../views.ts';
import { type Heap, type Step, sizeOf } from './nodes.ts';
import { productOf } from './products.ts';

/**
 * The step that updates in place, if the node's epilogue is `target - self x rate`, where the node
 * writes to the target and the rate is one number.
 */
export const updateStep = (node: Exclude<Node, { type: 'map' }>, heap: Heap): Step | undefined => {
  const { epilogue } = node;
  const expr = epilogue?.expr;
  if (epilogue === undefined || expr?.type !== 'call' || expr.op !== 'sub') return undefined;
  const [target, product] = expr.args;
  if (target?.type !== 'view' || product?.type !== 'call' || product.op !== 'mul') return undefined;
  const [self, rate] = product.args;
  if (self?.type !== 'self' || rate?.type !== 'view') return undefined;
  const old = epilogue.views[target.index];
  const scale = epilogue.views[rate.index];
  if (old === undefined || scale === undefined) return undefined;
  const out = heap.at(node.out);
  const inPlace = isPlain(old, epilogue.shape, sizeOf(node)) && heap.at(old.value) === out;
  const single = scale.clip === undefined && scale.strides.every((stride) => stride === 0);
  if (!inPlace || !single) return undefined;
  const at = heap.at(scale.value) / 4 + scale.offset;
  const rateNow = (): number => heap.floats()[at] ?? 0;
  const { kernels } = heap;
  if (node.type === 'matMul' && node.batch === 1) {
    const [a, b] = [heap.at(node.a), heap.at(node.b)];
    const multiply = productOf(node, heap);
    return () => {
      multiply(a, b, out, -rateNow(), 1);
    };
  }
  if (node.type === 'reduce' && node.op === 'sum' && node.outer === 1) {
    const from = heap.at(node.input);
    return () => {
      kernels.addColumnSums(from, out, node.size, node.inner, -rateNow());
    };
  }
  return undefined;
};
