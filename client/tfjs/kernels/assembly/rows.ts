/**
 * @module Operations on the rows of an activation matrix between two matrix products: bias,
 * activation, softmax with cross-entropy, and their gradients. No tables: a data segment would
 * overwrite the host's memory.
 */

/**
 * e^x within 2 units in the last place: Cody and Waite's reduction, the minimax polynomial of the
 * Cephes library.
 */
function exp(x: f32): f32 {
  x = max<f32>(min<f32>(x, 88), -87);
  const n = nearest(x * 1.44269504088896341);
  x -= n * 0.693359375;
  x += n * 2.1219444e-4;
  let p: f32 = 1.98756915e-4;
  p = p * x + 1.3981999507e-3;
  p = p * x + 8.3334519073e-3;
  p = p * x + 4.1665795894e-2;
  p = p * x + 1.6666665459e-1;
  p = p * x + 5.0000001201e-1;
  p = p * x * x + x + 1;
  return p * reinterpret<f32>((<i32>n + 127) << 23);
}

/** y[rows, columns] += bias, then the activation: 0 linear, 1 relu, 2 sigmoid, 3 tanh. */
export function biasActivation(
  y: usize,
  bias: usize,
  rows: i32,
  columns: i32,
  activation: i32,
): void {
  const zero = f32x4.splat(0);
  for (let i = 0; i < rows; i++) {
    let j = 0;
    if (activation < 2)
      for (; j + 4 <= columns; j += 4) {
        let v = v128.load(y);
        if (bias) v = f32x4.add(v, v128.load(bias + ((<usize>j) << 2)));
        if (activation == 1) v = f32x4.max(v, zero);
        v128.store(y, v);
        y += 16;
      }
    for (; j < columns; j++) {
      let v = load<f32>(y);
      if (bias) v += load<f32>(bias + ((<usize>j) << 2));
      if (activation == 1) v = max<f32>(v, 0);
      else if (activation == 2) v = 1 / (1 + exp(-v));
      else if (activation == 3) v = tanh(v);
      store<f32>(y, v);
      y += 4;
    }
  }
}

/** Near zero the quotient cancels, so the odd Taylor polynomial takes over. */
function tanh(x: f32): f32 {
  if (abs(x) < 0.1) {
    const s = x * x;
    return x * (1 + s * (-0.333333333 + s * (0.133333333 - s * 0.053968254)));
  }
  return 1 - 2 / (exp(2 * x) + 1);
}

/** dy *= activation'(.), written in terms of the activation's output y. */
export function activationGradient(dy: usize, y: usize, count: i32, activation: i32): void {
  let i = 0;
  if (activation == 1) {
    const zero = f32x4.splat(0);
    for (; i + 4 <= count; i += 4) {
      v128.store(dy, v128.and(v128.load(dy), f32x4.gt(v128.load(y), zero)));
      dy += 16;
      y += 16;
    }
  }
  for (; i < count; i++) {
    const v = load<f32>(y);
    let d: f32 = 1;
    if (activation == 1) d = v > 0 ? 1 : 0;
    else if (activation == 2) d = v * (1 - v);
    else if (activation == 3) d = 1 - v * v;
    store<f32>(dy, load<f32>(dy) * d);
    dy += 4;
    y += 4;
  }
}

/**
 * to[columns] += scale * (sum of the rows of x): a bias's gradient, or its update with scale =
 * -learning rate.
 */
export function addColumnSums(x: usize, to: usize, rows: i32, columns: i32, scale: f32): void {
  for (let j = 0; j < columns; j++) {
    let sum: f32 = 0;
    for (let i = 0; i < rows; i++) sum += load<f32>(x + ((<usize>(i * columns + j)) << 2));
    const at = to + ((<usize>j) << 2);
    store<f32>(at, load<f32>(at) + scale * sum);
  }
}

/** x[rows, columns] becomes its softmax by rows; the largest element is subtracted first. */
export function softmax(x: usize, rows: i32, columns: i32): void {
  for (let i = 0; i < rows; i++) {
    let best: f32 = -Infinity;
    for (let j = 0; j < columns; j++) best = max<f32>(best, load<f32>(x + ((<usize>j) << 2)));
    let sum: f32 = 0;
    for (let j = 0; j < columns; j++) {
      const e = exp(load<f32>(x + ((<usize>j) << 2)) - best);
      store<f32>(x + ((<usize>j) << 2), e);
      sum += e;
    }
    for (let j = 0; j < columns; j++) {
      const at = x + ((<usize>j) << 2);
      store<f32>(at, load<f32>(at) / sum);
    }
    x += (<usize>columns) << 2;
  }
}

/**
 * Probabilities become the gradient of the mean cross-entropy by the logits: (p - onehot(label)) /
 * rows.
 */
export function crossEntropyGradient(p: usize, labels: usize, rows: i32, columns: i32): void {
  const scale: f32 = 1 / <f32>rows;
  for (let i = 0; i < rows; i++) {
    const label = load<i32>(labels + ((<usize>i) << 2));
    for (let j = 0; j < columns; j++) {
      const at = p + ((<usize>j) << 2);
      store<f32>(at, (load<f32>(at) - (j == label ? <f32>1 : <f32>0)) * scale);
    }
    p += (<usize>columns) << 2;
  }
}

/** y becomes the gradient of the mean squared error: 2 (y - target) / count. */
export function squaredErrorGradient(y: usize, target: usize, count: i32): void {
  const scale: f32 = 2 / <f32>count;
  for (let i = 0; i < count; i++) {
    const at = (<usize>i) << 2;
    store<f32>(y + at, (load<f32>(y + at) - load<f32>(target + at)) * scale);
  }
}
