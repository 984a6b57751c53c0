/**
 * @module A kernel for the executor: a WGSL shader, the buffers it binds, and its number of
 * workgroups. Buffers are bound as vectors of four floats or as floats; a buffer that is read and
 * written is bound once.
 */
import type { Tile } from './gemm.ts';

/** Writes go through `out`; a buffer that is also written is read through `out` as well. */
export interface Kernel {
  readonly label: string;
  readonly code: string;
  /** In the order of their bindings. */
  readonly buffers: readonly number[];
  readonly workgroups: readonly [number, number, number];
  /** Binds the numbers of the step: where its batch starts, its learning rate. */
  readonly stepped?: boolean;
  /** Of a matrix product: its floating-point operations, sizes and tile, for tuning and reports. */
  readonly flops?: number;
  readonly product?: { readonly key: string; readonly tile: Tile };
}

/** The largest number of workgroups along one dimension that every device takes. */
export const MOST_GROUPS = 65_535;
export const GROUP = 256;

/**
 * A grid for `count` invocations in groups of `group`, two-dimensional when one dimension does not
 * hold it.
 */
export const gridFor = (count: number, group = GROUP): [number, number, number] => {
  const groups = Math.max(1, Math.ceil(count / group));
  if (groups <= MOST_GROUPS) return [groups, 1, 1];
  const rows = Math.ceil(groups / MOST_GROUPS);
  return [Math.ceil(groups / rows), rows, 1];
};

/** WGSL that declares `i`, the number of the invocation, and leaves where it is beyond `count`. */
export const invocation = (
  [columns]: readonly [number, number, number],
  count: number,
  group = GROUP,
): string => `  let i = (wid.y * ${columns}u + wid.x) * ${group}u + lid.x;
  if (i >= ${count}u) { return; }
`;

/** Collects the buffers that a shader reads, in addition to the one it writes. */
export interface Bindings {
  /** The WGSL name of a buffer; the same for the same buffer and width. */
  name(buffer: number, width: 1 | 4): string;
  declarations(): string;
  buffers(): readonly number[];
}

const typeOf = (width: 1 | 4): string => (width === 4 ? 'vec4f' : 'f32');

export const createBindings = (out: number, outWidth: 1 | 4): Bindings => {
  const entries: { buffer: number; width: 1 | 4; name: string }[] = [
    { buffer: out, width: outWidth, name: 'out' },
  ];
  return {
    name: (buffer, width) => {
      const known = entries.find(
        (entry) => entry.buffer === buffer && (buffer === out || entry.width === width),
      );
      if (known !== undefined) {
        if (known.width !== width) throw new RangeError('a buffer that is written has one width');
        return known.name;
      }
      const name = `b${entries.length}`;
      entries.push({ buffer, width, name });
      return name;
    },
    declarations: () =>
      entries
        .map(({ width, name }, i) => {
          const access = i === 0 ? 'read_write' : 'read';
          return `@group(0) @binding(${i}) var<storage, ${access}> ${name}: array<${typeOf(width)}>;`;
        })
        .join('\n'),
    buffers: () => entries.map(({ buffer }) => buffer),
  };
};

/** A shader with one entry point of `group` invocations; `helpers` are declared outside it. */
export const shader = (
  bindings: Bindings,
  body: string,
  { group = GROUP, helpers = '' }: { group?: number; helpers?: string } = {},
): string => `${bindings.declarations()}
${helpers}
@compute @workgroup_size(${group})
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(local_invocation_index) li: u32,
        @builtin(local_invocation_id) lid: vec3u) {
${body}}
`;
