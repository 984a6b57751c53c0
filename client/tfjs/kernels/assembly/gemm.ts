/**
 * @module Matrix products in 128-bit SIMD, register-tiled: C = beta C + alpha op(A) op(B), as the
 * level-3 BLAS routine SGEMM defines it, row-major. Plain SIMD, not relaxed: a fused multiply-add
 * would be faster, but then the same training would give other bytes on other processors.
 */

/** Depth of a block: 8 columns by 256 rows of B are 8 KB and stay in the first-level cache. */
export const DEPTH: i32 = 256;

// @ts-ignore: decorator
@inline
export function finish(at: usize, sum: v128, alpha: v128, keep: bool, beta: v128): void {
  let value = f32x4.mul(sum, alpha);
  if (keep) value = f32x4.add(value, f32x4.mul(v128.load(at), beta));
  v128.store(at, value);
}

/**
 * Five rows by eight columns: ten sums, two columns of B and one of A fill the sixteen registers of
 * x86.
 */
export function tile5(
  k: i32, a: usize, aRow: usize, aStep: usize, b: usize, bStep: usize, c: usize, cRow: usize,
  alpha: v128, keep: bool, beta: v128,
): void {
  const zero = f32x4.splat(0);
  let s00 = zero, s01 = zero, s10 = zero, s11 = zero, s20 = zero, s21 = zero;
  let s30 = zero, s31 = zero, s40 = zero, s41 = zero;
  let a0 = a, a1 = a + aRow, a2 = a1 + aRow, a3 = a2 + aRow, a4 = a3 + aRow;
  for (let p = 0; p < k; p++) {
    const b0 = v128.load(b), b1 = v128.load(b, 16);
    let x = v128.load32_splat(a0);
    s00 = f32x4.add(s00, f32x4.mul(x, b0));
    s01 = f32x4.add(s01, f32x4.mul(x, b1));
    x = v128.load32_splat(a1);
    s10 = f32x4.add(s10, f32x4.mul(x, b0));
    s11 = f32x4.add(s11, f32x4.mul(x, b1));
    x = v128.load32_splat(a2);
    s20 = f32x4.add(s20, f32x4.mul(x, b0));
    s21 = f32x4.add(s21, f32x4.mul(x, b1));
    x = v128.load32_splat(a3);
    s30 = f32x4.add(s30, f32x4.mul(x, b0));
    s31 = f32x4.add(s31, f32x4.mul(x, b1));
    x = v128.load32_splat(a4);
    s40 = f32x4.add(s40, f32x4.mul(x, b0));
    s41 = f32x4.add(s41, f32x4.mul(x, b1));
    a0 += aStep; a1 += aStep; a2 += aStep; a3 += aStep; a4 += aStep;
    b += bStep;
  }
  finish(c, s00, alpha, keep, beta); finish(c + 16, s01, alpha, keep, beta); c += cRow;
  finish(c, s10, alpha, keep, beta); finish(c + 16, s11, alpha, keep, beta); c += cRow;
  finish(c, s20, alpha, keep, beta); finish(c + 16, s21, alpha, keep, beta); c += cRow;
  finish(c, s30, alpha, keep, beta); finish(c + 16, s31, alpha, keep, beta); c += cRow;
  finish(c, s40, alpha, keep, beta); finish(c + 16, s41, alpha, keep, beta);
}

/** One row by eight columns, for the rows that five does not divide. */
export function tile1(
  k: i32, a: usize, aStep: usize, b: usize, bStep: usize, c: usize,
  alpha: v128, keep: bool, beta: v128,
): void {
  let s0 = f32x4.splat(0), s1 = f32x4.splat(0);
  for (let p = 0; p < k; p++) {
    const x = v128.load32_splat(a);
    s0 = f32x4.add(s0, f32x4.mul(x, v128.load(b)));
    s1 = f32x4.add(s1, f32x4.mul(x, v128.load(b, 16)));
    a += aStep;
    b += bStep;
  }
  finish(c, s0, alpha, keep, beta);
  finish(c + 16, s1, alpha, keep, beta);
}

/** One element, for the columns that eight does not divide and for both operands transposed. */
// @ts-ignore: decorator
@inline
function single(
  k: i32, a: usize, aStep: usize, b: usize, bStep: usize, c: usize, alpha: f32, keep: bool, beta: f32,
): void {
  let sum: f32 = 0;
  for (let p = 0; p < k; p++) {
    sum += load<f32>(a) * load<f32>(b);
    a += aStep;
    b += bStep;
  }
  sum *= alpha;
  if (keep) sum += load<f32>(c) * beta;
  store<f32>(c, sum);
}

/** The columns from `j` on, which eight does not divide, over one block. */
export function narrow(
  j: i32, m: i32, n: i32, depth: i32, a: usize, aRow: usize, aStep: usize, b: usize, c: usize,
  alpha: f32, keep: bool, beta: f32,
): void {
  const bStep = <usize>n << 2;
  for (; j < n; j++)
    for (let i = 0; i < m; i++)
      single(
        depth, a + i * aRow, aStep, b + (<usize>j << 2), bStep, c + i * bStep + (<usize>j << 2),
        alpha, keep, beta,
      );
}

/** B row-major, A in either order: element (i, p) of A is at a + i aRow + p aStep. */
function wide(
  m: i32, n: i32, k: i32, a: usize, aRow: usize, aStep: usize, b: usize, c: usize, alpha: f32, beta: f32,
): void {
  const bStep = <usize>n << 2;
  const scale = f32x4.splat(alpha);
  for (let p = 0; p < k; p += DEPTH) {
    const depth = min(DEPTH, k - p);
    const keep = p > 0 || beta != 0;
    const factor: f32 = p > 0 ? 1 : beta;
    const factors = f32x4.splat(factor);
    let j = 0;
    for (; j + 8 <= n; j += 8) {
      const bAt = b + (<usize>j << 2);
      const cAt = c + (<usize>j << 2);
      let i = 0;
      for (; i + 5 <= m; i += 5)
        tile5(depth, a + i * aRow, aRow, aStep, bAt, bStep, cAt + i * bStep, bStep, scale, keep, factors);
      for (; i < m; i++)
        tile1(depth, a + i * aRow, aStep, bAt, bStep, cAt + i * bStep, scale, keep, factors);
    }
    narrow(j, m, n, depth, a, aRow, aStep, b, c, alpha, keep, factor);
    a += <usize>depth * aStep;
    b += <usize>depth * bStep;
  }
}

// @ts-ignore: decorator
@inline
function across(v: v128): f32 {
  return (
    f32x4.extract_lane(v, 0) + f32x4.extract_lane(v, 1) +
    (f32x4.extract_lane(v, 2) + f32x4.extract_lane(v, 3))
  );
}

// @ts-ignore: decorator
@inline
function put(at: usize, value: f32, alpha: f32, beta: f32): void {
  value *= alpha;
  if (beta != 0) value += load<f32>(at) * beta;
  store<f32>(at, value);
}

/**
 * A row-major, B transposed: both run along p, so the lanes hold four partial sums of one element.
 */
function dots(m: i32, n: i32, k: i32, a: usize, b: usize, c: usize, alpha: f32, beta: f32): void {
  const row = <usize>k << 2;
  const cRow = <usize>n << 2;
  const whole = k & ~3;
  let j = 0;
  for (; j + 2 <= n; j += 2) {
    const b0 = b + j * row, b1 = b0 + row;
    let i = 0;
    for (; i + 5 <= m; i += 5) {
      const a0 = a + i * row, a1 = a0 + row, a2 = a1 + row, a3 = a2 + row, a4 = a3 + row;
      const zero = f32x4.splat(0);
      let s00 = zero, s01 = zero, s10 = zero, s11 = zero, s20 = zero, s21 = zero;
      let s30 = zero, s31 = zero, s40 = zero, s41 = zero;
      let at: usize = 0;
      for (let p = 0; p < whole; p += 4) {
        const y0 = v128.load(b0 + at), y1 = v128.load(b1 + at);
        let x = v128.load(a0 + at);
        s00 = f32x4.add(s00, f32x4.mul(x, y0));
        s01 = f32x4.add(s01, f32x4.mul(x, y1));
        x = v128.load(a1 + at);
        s10 = f32x4.add(s10, f32x4.mul(x, y0));
        s11 = f32x4.add(s11, f32x4.mul(x, y1));
        x = v128.load(a2 + at);
        s20 = f32x4.add(s20, f32x4.mul(x, y0));
        s21 = f32x4.add(s21, f32x4.mul(x, y1));
        x = v128.load(a3 + at);
        s30 = f32x4.add(s30, f32x4.mul(x, y0));
        s31 = f32x4.add(s31, f32x4.mul(x, y1));
        x = v128.load(a4 + at);
        s40 = f32x4.add(s40, f32x4.mul(x, y0));
        s41 = f32x4.add(s41, f32x4.mul(x, y1));
        at += 16;
      }
      let d00 = across(s00), d01 = across(s01), d10 = across(s10), d11 = across(s11);
      let d20 = across(s20), d21 = across(s21), d30 = across(s30), d31 = across(s31);
      let d40 = across(s40), d41 = across(s41);
      for (; at < row; at += 4) {
        const y0 = load<f32>(b0 + at), y1 = load<f32>(b1 + at);
        d00 += load<f32>(a0 + at) * y0; d01 += load<f32>(a0 + at) * y1;
        d10 += load<f32>(a1 + at) * y0; d11 += load<f32>(a1 + at) * y1;
        d20 += load<f32>(a2 + at) * y0; d21 += load<f32>(a2 + at) * y1;
        d30 += load<f32>(a3 + at) * y0; d31 += load<f32>(a3 + at) * y1;
        d40 += load<f32>(a4 + at) * y0; d41 += load<f32>(a4 + at) * y1;
      }
      let out = c + i * cRow + (<usize>j << 2);
      put(out, d00, alpha, beta); put(out + 4, d01, alpha, beta); out += cRow;
      put(out, d10, alpha, beta); put(out + 4, d11, alpha, beta); out += cRow;
      put(out, d20, alpha, beta); put(out + 4, d21, alpha, beta); out += cRow;
      put(out, d30, alpha, beta); put(out + 4, d31, alpha, beta); out += cRow;
      put(out, d40, alpha, beta); put(out + 4, d41, alpha, beta);
    }
    for (; i < m; i++) {
      const at = c + i * cRow + (<usize>j << 2);
      put(at, dot(a + i * row, b0, k), alpha, beta);
      put(at + 4, dot(a + i * row, b1, k), alpha, beta);
    }
  }
  if (j < n)
    for (let i = 0; i < m; i++)
      put(c + i * cRow + (<usize>j << 2), dot(a + i * row, b + j * row, k), alpha, beta);
}

function dot(a: usize, b: usize, k: i32): f32 {
  let sum = f32x4.splat(0);
  let p = 0;
  for (; p + 4 <= k; p += 4) {
    sum = f32x4.add(sum, f32x4.mul(v128.load(a), v128.load(b)));
    a += 16;
    b += 16;
  }
  let total = across(sum);
  for (; p < k; p++) {
    total += load<f32>(a) * load<f32>(b);
    a += 4;
    b += 4;
  }
  return total;
}

/**
 * C[m, n] = beta C + alpha op(A) op(B); a, b, c are byte addresses; with beta = 0, C may hold
 * anything.
 */
export function gemm(
  m: i32, n: i32, k: i32, a: usize, transposeA: bool, b: usize, transposeB: bool, c: usize,
  alpha: f32, beta: f32,
): void {
  if (k <= 0) {
    for (let i = 0; i < m * n; i++) put(c + (<usize>i << 2), 0, 0, beta);
    return;
  }
  const aRow = transposeA ? 4 : <usize>k << 2;
  const aStep = transposeA ? <usize>m << 2 : 4;
  if (!transposeB) {
    wide(m, n, k, a, aRow, aStep, b, c, alpha, beta);
  } else if (!transposeA) {
    dots(m, n, k, a, b, c, alpha, beta);
  } else {
    const row = <usize>k << 2;
    for (let i = 0; i < m; i++)
      for (let j = 0; j < n; j++)
        single(
          k, a + i * aRow, aStep, b + j * row, 4, c + (<usize>(i * n + j) << 2), alpha, beta != 0, beta,
        );
  }
}
