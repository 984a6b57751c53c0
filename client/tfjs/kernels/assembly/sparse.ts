/**
 * @module The matrix product of a layer's inputs, which are often zero: the margins of images,
 * columns of rare categories. Blocks of five rows of A skip the places where all five are zero.
 * What is left out adds 0 times a finite number, so the bytes of C are those of `gemm`; 0 times
 * infinity counts as 0 here.
 */
import { DEPTH, finish, narrow, tile1, tile5 } from './gemm';

/** Bytes of an entry of a list: the offset of an element in a row of A, and of a row in B. */
const ENTRY: usize = 8;
const ROWS: i32 = 5;

/** Lists where any of five rows is not zero, as offsets. @returns their number */
function list(k: i32, a: usize, aRow: usize, aStep: usize, bStep: usize, to: usize): i32 {
  const a1 = a + aRow, a2 = a1 + aRow, a3 = a2 + aRow, a4 = a3 + aRow;
  const begin = to;
  let at: usize = 0, row: usize = 0;
  for (let p = 0; p < k; p++) {
    const any =
      load<u32>(a + at) | load<u32>(a1 + at) | load<u32>(a2 + at) | load<u32>(a3 + at) |
      load<u32>(a4 + at);
    // Written in any case, and kept if it counts: a branch would be mispredicted.
    store<u32>(to, <u32>at);
    store<u32>(to, <u32>row, 4);
    // -0 counts as well.
    to += any != 0 ? ENTRY : 0;
    at += aStep;
    row += bStep;
  }
  return <i32>((to - begin) / ENTRY);
}

/** As `tile5`, over the entries of a list. */
function tileOf(
  count: i32, entries: usize, a: usize, aRow: usize, b: usize, c: usize, cRow: usize,
  alpha: v128, keep: bool, beta: v128,
): void {
  const zero = f32x4.splat(0);
  let s00 = zero, s01 = zero, s10 = zero, s11 = zero, s20 = zero, s21 = zero;
  let s30 = zero, s31 = zero, s40 = zero, s41 = zero;
  const a1 = a + aRow, a2 = a1 + aRow, a3 = a2 + aRow, a4 = a3 + aRow;
  const end = entries + <usize>count * ENTRY;
  for (; entries < end; entries += ENTRY) {
    const at = <usize>load<u32>(entries);
    const row = b + <usize>load<u32>(entries, 4);
    const b0 = v128.load(row), b1 = v128.load(row, 16);
    let x = v128.load32_splat(a + at);
    s00 = f32x4.add(s00, f32x4.mul(x, b0));
    s01 = f32x4.add(s01, f32x4.mul(x, b1));
    x = v128.load32_splat(a1 + at);
    s10 = f32x4.add(s10, f32x4.mul(x, b0));
    s11 = f32x4.add(s11, f32x4.mul(x, b1));
    x = v128.load32_splat(a2 + at);
    s20 = f32x4.add(s20, f32x4.mul(x, b0));
    s21 = f32x4.add(s21, f32x4.mul(x, b1));
    x = v128.load32_splat(a3 + at);
    s30 = f32x4.add(s30, f32x4.mul(x, b0));
    s31 = f32x4.add(s31, f32x4.mul(x, b1));
    x = v128.load32_splat(a4 + at);
    s40 = f32x4.add(s40, f32x4.mul(x, b0));
    s41 = f32x4.add(s41, f32x4.mul(x, b1));
  }
  finish(c, s00, alpha, keep, beta); finish(c + 16, s01, alpha, keep, beta); c += cRow;
  finish(c, s10, alpha, keep, beta); finish(c + 16, s11, alpha, keep, beta); c += cRow;
  finish(c, s20, alpha, keep, beta); finish(c + 16, s21, alpha, keep, beta); c += cRow;
  finish(c, s30, alpha, keep, beta); finish(c + 16, s31, alpha, keep, beta); c += cRow;
  finish(c, s40, alpha, keep, beta); finish(c + 16, s41, alpha, keep, beta);
}

/**
 * C[m, n] = beta C + alpha op(A) B. `scratch`: room for ceil(m / 5) lists of 1 + min(k, 256)
 * entries of 8 bytes, the first of each for its length.
 */
export function gemmOfInputs(
  m: i32, n: i32, k: i32, a: usize, transposeA: bool, b: usize, c: usize, alpha: f32, beta: f32,
  scratch: usize,
): void {
  const aRow = transposeA ? 4 : <usize>k << 2;
  const aStep = transposeA ? <usize>m << 2 : 4;
  const bStep = <usize>n << 2;
  const scale = f32x4.splat(alpha);
  const whole = m - (m % ROWS);
  const columns = n & ~7;
  const bytes = <usize>(1 + min(k, DEPTH)) * ENTRY;
  for (let p = 0; p < k; p += DEPTH) {
    const depth = min(DEPTH, k - p);
    const keep = p > 0 || beta != 0;
    const factor: f32 = p > 0 ? 1 : beta;
    const factors = f32x4.splat(factor);
    let at = scratch;
    for (let i = 0; i < whole; i += ROWS) {
      store<i32>(at, list(depth, a + i * aRow, aRow, aStep, bStep, at + ENTRY));
      at += bytes;
    }
    for (let j = 0; j < columns; j += 8) {
      const bAt = b + (<usize>j << 2);
      const cAt = c + (<usize>j << 2);
      at = scratch;
      for (let i = 0; i < whole; i += ROWS) {
        const count = load<i32>(at);
        const rows = a + i * aRow;
        const to = cAt + i * bStep;
        // Lists of nearly all cost more than they save; of none, C stays as it is.
        if (count > depth - (depth >> 3))
          tile5(depth, rows, aRow, aStep, bAt, bStep, to, bStep, scale, keep, factors);
        else if (count > 0 || !keep || factor != 1)
          tileOf(count, at + ENTRY, rows, aRow, bAt, to, bStep, scale, keep, factors);
        at += bytes;
      }
      for (let i = whole; i < m; i++)
        tile1(depth, a + i * aRow, aStep, bAt, bStep, cAt + i * bStep, scale, keep, factors);
    }
    narrow(columns, m, n, depth, a, aRow, aStep, b, c, alpha, keep, factor);
    a += <usize>depth * aStep;
    b += <usize>depth * bStep;
  }
}
