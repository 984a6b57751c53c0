/**
 * @module Writes small WebAssembly modules: functions without parameters over one imported memory.
 */

export type Bytes = readonly number[];

/** LEB128, unsigned. */
export const unsigned = (value: number): number[] => {
  const bytes: number[] = [];
  let rest = value;
  do {
    const low = rest % 128;
    rest = Math.floor(rest / 128);
    bytes.push(rest === 0 ? low : low + 128);
  } while (rest !== 0);
  return bytes;
};

/** LEB128, signed, of a 32-bit integer. */
export const signed = (value: number): number[] => {
  const bytes: number[] = [];
  let rest = value | 0;
  for (;;) {
    const low = rest & 127;
    rest >>= 7;
    const last = (rest === 0 && (low & 64) === 0) || (rest === -1 && (low & 64) !== 0);
    bytes.push(last ? low : low | 128);
    if (last) return bytes;
  }
};

export const I32 = 0x7f;
export const F32 = 0x7d;
export const V128 = 0x7b;

export interface WasmFunction {
  /** Types of the locals, in order. */
  readonly locals: Bytes;
  readonly code: Bytes;
}

/** Functions of JavaScript that modules may call, by their number: from float64 to float64. */
export const IMPORTS = {
  exp: Math.exp,
  log: Math.log,
  sin: Math.sin,
  cos: Math.cos,
  tanh: Math.tanh,
  pow: Math.pow,
  atan2: Math.atan2,
} as const;

export type ImportName = keyof typeof IMPORTS;
const NAMES = Object.keys(IMPORTS) as ImportName[];
export const importIndex = (name: ImportName): number => NAMES.indexOf(name);

const vector = (items: readonly Bytes[]): number[] => [...unsigned(items.length), ...items.flat()];
const text = (value: string): number[] => {
  const bytes = [...new TextEncoder().encode(value)];
  return [...unsigned(bytes.length), ...bytes];
};
const section = (id: number, content: Bytes): number[] => [
  id,
  ...unsigned(content.length),
  ...content,
];

const body = ({ locals, code }: WasmFunction): number[] => {
  const content = [...vector(locals.map((type) => [1, type])), ...code, 0x0b];
  return [...unsigned(content.length), ...content];
};

const F64 = 0x7c;

/** Compiles the functions over a memory; they are called by their position. */
export const instantiate = (
  functions: readonly WasmFunction[],
  memory: WebAssembly.Memory,
): (() => void)[] => {
  const types = [
    [0x60, 0, 0],
    [0x60, 1, F64, 1, F64],
    [0x60, 2, F64, F64, 1, F64],
  ];
  const imports = [
    [...text('env'), ...text('memory'), 2, 0, 1],
    ...NAMES.map((name) => [...text('env'), ...text(name), 0, IMPORTS[name].length]),
  ];
  const bytes: number[] = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
  const add = (id: number, content: Bytes): void => {
    for (const byte of section(id, content)) bytes.push(byte);
  };
  add(1, vector(types));
  add(2, vector(imports));
  add(3, vector(functions.map(() => [0])));
  add(7, vector(functions.map((_, i) => [...text(`f${i}`), 0, ...unsigned(NAMES.length + i)])));
  add(10, vector(functions.map(body)));
  const module = new WebAssembly.Module(Uint8Array.from(bytes));
  const { exports } = new WebAssembly.Instance(module, { env: { memory, ...IMPORTS } });
  return functions.map((_, i) => exports[`f${i}`] as () => void);
};
