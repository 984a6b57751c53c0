/**
 * @module Matrix products in WGSL: tiles of A and B in workgroup memory, double-buffered (one is
 * filled while the other is used), and a block of the result in each invocation's registers.
 * Loaders supply the operands: convolutions are matrix products over patches that are never written
 * out. Each element is a sum in the order of k for every tile, so the choice of tile changes no
 * bit.
 */

/** `block`: rows x columns of a workgroup's tile; `thread`: of one invocation's; multiples of 4. */
export interface Tile {
  readonly blockM: number;
  readonly blockN: number;
  readonly blockK: number;
  readonly threadM: number;
  readonly threadN: number;
}

export const threadsOf = (tile: Tile): number =>
  (tile.blockM / tile.threadM) * (tile.blockN / tile.threadN);

/** Bytes of workgroup memory. */
export const memoryOf = ({ blockM, blockN, blockK }: Tile): number =>
  2 * blockK * (blockM + blockN + 8) * 4;

/**
 * Gives four numbers of an operand. `along` 'k': at (row, k..k+3); 'row': at (row..row+3, k). Rows
 * are those of A, columns of B. Code is an expression of type vec4f over the names `row`, `k` and
 * `z` (the batch), zero outside the operand.
 */
export interface Loader {
  readonly along: 'k' | 'row';
  /** A WGSL function body that returns vec4f, of (row: u32, k: u32, z: u32). */
  readonly body: string;
}

export interface Product {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly batch: number;
  /** Parts that k is split into, each with a separate result. */
  readonly splits: number;
  readonly a: Loader;
  readonly b: Loader;
}

/** How far one part of k goes: whole tiles of any depth. */
export const splitLength = (k: number, splits: number): number =>
  Math.ceil(Math.ceil(k / splits) / 32) * 32;

interface Side {
  readonly name: 'a' | 'b';
  readonly block: number;
  readonly loader: Loader;
  readonly tile: Tile;
}

/**
 * Vectors a row of the tile's k holds in workgroup memory, one of them padding against bank
 * conflicts.
 */
const pitch = ({ block, loader }: Side): number => block / 4 + (loader.along === 'k' ? 1 : 0);

/**
 * Units of work to fetch a side: 4x4 blocks when the vectors run along k, single vectors otherwise.
 */
const unitsOf = ({ block, loader, tile }: Side): number =>
  loader.along === 'k' ? (block / 4) * (tile.blockK / 4) : (block / 4) * tile.blockK;

const fetchCode = (side: Side): string => {
  const { name, loader, tile, block } = side;
  const threads = threadsOf(tile);
  const units = unitsOf(side);
  let code = '';
  for (let u = 0; u * threads < units; u++) {
    const guard = (u + 1) * threads > units;
    const id = `(li + ${u * threads}u)`;
    const open = guard ? `    if (${id} < ${units}u) {\n` : '';
    const close = guard ? '    }\n' : '';
    code += open;
    if (loader.along === 'k') {
      const across = tile.blockK / 4;
      for (let q = 0; q < 4; q++)
        code += `    p${name}${u * 4 + q} = load_${name}(${name}0 + (${id} / ${across}u) * 4u + ${q}u, kAt + (${id} % ${across}u) * 4u, z);\n`;
    } else {
      const across = block / 4;
      code += `    p${name}${u} = load_${name}(${name}0 + (${id} % ${across}u) * 4u, kAt + ${id} / ${across}u, z);\n`;
    }
    code += close;
  }
  return code;
};

const storeCode = (side: Side): string => {
  const { name, loader, tile, block } = side;
  const threads = threadsOf(tile);
  const units = unitsOf(side);
  const size = pitch(side);
  let code = '';
  for (let u = 0; u * threads < units; u++) {
    const guard = (u + 1) * threads > units;
    const id = `(li + ${u * threads}u)`;
    code += guard ? `    if (${id} < ${units}u) {\n` : '';
    if (loader.along === 'k') {
      const across = tile.blockK / 4;
      for (const [q, lane] of ['x', 'y', 'z', 'w'].entries()) {
        const parts = [0, 1, 2, 3].map((r) => `p${name}${u * 4 + r}.${lane}`).join(', ');
        code += `    t${name}[at_${name} + ((${id} % ${across}u) * 4u + ${q}u) * ${size}u + ${id} / ${across}u] = vec4f(${parts});\n`;
      }
    } else {
      const across = block / 4;
      code += `    t${name}[at_${name} + (${id} / ${across}u) * ${size}u + ${id} % ${across}u] = p${name}${u};\n`;
    }
    code += guard ? '    }\n' : '';
  }
  return code;
};

const registersOf = (side: Side): number => {
  const perThread = Math.ceil(unitsOf(side) / threadsOf(side.tile));
  return side.loader.along === 'k' ? perThread * 4 : perThread;
};

const LANES = ['x', 'y', 'z', 'w'];

/** One step of k: a column of A times a row of B onto the block of sums. */
const innerCode = ({ threadM, threadN, blockM, blockN }: Tile, a: Side, b: Side): string => {
  const rows = threadM / 4;
  const columns = threadN / 4;
  const acrossX = blockN / threadN;
  const acrossY = blockM / threadM;
  let code = '';
  for (let i = 0; i < rows; i++)
    code += `      let a${i} = ta[atA + kk * ${pitch(a)}u + ty + ${i * acrossY}u];\n`;
  for (let j = 0; j < columns; j++)
    code += `      let b${j} = tb[atB + kk * ${pitch(b)}u + tx + ${j * acrossX}u];\n`;
  for (let i = 0; i < rows; i++)
    for (const [q, lane] of LANES.entries())
      for (let j = 0; j < columns; j++)
        code += `      s${i * 4 + q}_${j} = fma(vec4f(a${i}.${lane}), b${j}, s${i * 4 + q}_${j});\n`;
  return code;
};

const vectors = (prefix: string, count: number): string =>
  Array.from({ length: count }, (_, i) => `  var ${prefix}${i} = vec4f(0.0);\n`).join('');

/**
 * The shader's helpers and body. `finish(row, column, sum)` is WGSL that stores four sums of one
 * row, given the names of the row, the first column and the vec4f; `z` is the number of the batch
 * and `part` that of the split.
 */
export const gemmCode = (
  product: Product,
  tile: Tile,
  finish: (row: string, column: string, sum: string) => string,
): { readonly helpers: string; readonly body: string; readonly grid: [number, number, number] } => {
  const { m, n, k, splits, batch } = product;
  const { blockM, blockN, blockK, threadM, threadN } = tile;
  const a: Side = { name: 'a', block: blockM, loader: product.a, tile };
  const b: Side = { name: 'b', block: blockN, loader: product.b, tile };
  const acrossX = blockN / threadN;
  const acrossY = blockM / threadM;
  const sizeA = blockK * pitch(a);
  const sizeB = blockK * pitch(b);
  const length = splits === 1 ? k : splitLength(k, splits);
  let sums = '';
  for (let i = 0; i < threadM; i++)
    for (let j = 0; j < threadN / 4; j++) sums += `  var s${i}_${j} = vec4f(0.0);\n`;
  let stores = '';
  for (let i = 0; i < threadM; i++) {
    const row = `(a0 + (ty + ${Math.floor(i / 4) * acrossY}u) * 4u + ${i % 4}u)`;
    for (let j = 0; j < threadN / 4; j++)
      stores += `  { let row = ${row}; let column = b0 + (tx + ${j * acrossX}u) * 4u;
    if (row < ${m}u && column < ${n}u) {\n${finish('row', 'column', `s${i}_${j}`)}    } }\n`;
  }
  const helpers = `
var<workgroup> ta: array<vec4f, ${2 * sizeA}>;
var<workgroup> tb: array<vec4f, ${2 * sizeB}>;
fn load_a(row: u32, k: u32, z: u32) -> vec4f {\n${product.a.body}}
fn load_b(row: u32, k: u32, z: u32) -> vec4f {\n${product.b.body}}
`;
  const body = `  let tx = li % ${acrossX}u;
  let ty = li / ${acrossX}u;
  let a0 = wid.y * ${blockM}u;
  let b0 = wid.x * ${blockN}u;
  let z = ${splits === 1 ? 'wid.z' : '0u'};
  let part = ${splits === 1 ? '0u' : 'wid.z'};
  let kFrom = part * ${length}u;
  let kTo = min(${k}u, kFrom + ${length}u);
${vectors('pa', registersOf(a))}${vectors('pb', registersOf(b))}${sums}
  var kAt = kFrom;
  var at_a = 0u;
  var at_b = 0u;
${fetchCode(a)}${fetchCode(b)}${storeCode(a)}${storeCode(b)}
  workgroupBarrier();
  loop {
    if (kAt >= kTo) { break; }
    let atA = at_a;
    let atB = at_b;
    kAt += ${blockK}u;
    at_a = ${sizeA}u - at_a;
    at_b = ${sizeB}u - at_b;
    if (kAt < kTo) {
${fetchCode(a)}${fetchCode(b)}
    }
    for (var kk = 0u; kk < ${blockK}u; kk++) {
${innerCode(tile, a, b)}    }
    if (kAt < kTo) {
${storeCode(a)}${storeCode(b)}
    }
    workgroupBarrier();
  }
${stores}`;
  return {
    helpers,
    body,
    grid: [Math.ceil(n / blockN), Math.ceil(m / blockM), splits === 1 ? batch : splits],
  };
};
