/**
 * @module Fuses nodes: a map is computed inside the maps that read it, or in the epilogue of the
 * node whose output it reads. The arithmetic does not change, only its place.
 */
import { SELF, costOf, replaceLeaves, usesLeaf, view } from './expr.ts';
import { type Elementwise, type MapNode, type Node, type Value, elements, inputsOf } from './ir.ts';
import { collapse, commonRefinement, isPlain, refine, through } from './views.ts';

/** A shader binds eight buffers at least: a matrix product reads two and writes one. */
const MAP_VIEWS = 7;
const EPILOGUE_VIEWS = 5;
/** A map this cheap is computed again by each of its readers. */
const CHEAP_CALLS = 2;

/** The elementwise part of a node, if it has one. */
const partOf = (node: Node): Elementwise | undefined =>
  node.type === 'map' ? node : node.epilogue;

const withPart = (node: Node, part: Elementwise): Node =>
  node.type === 'map' ? { ...node, ...part } : { ...node, epilogue: part };

/** Views that are the same become one. */
const unique = (part: Elementwise): Elementwise => {
  const keys: string[] = [];
  const views: Elementwise['views'][number][] = [];
  const moved = part.views.map((own) => {
    const key = JSON.stringify(own);
    const known = keys.indexOf(key);
    if (known >= 0) return known;
    views.push(own);
    return keys.push(key) - 1;
  });
  const expr = replaceLeaves(part.expr, (leaf) =>
    leaf.type === 'view' ? view(moved[leaf.index] ?? 0) : leaf,
  );
  const used = [...views.keys()].filter((index) => usesView(expr, index));
  return {
    shape: part.shape,
    expr: replaceLeaves(expr, (leaf) =>
      leaf.type === 'view' ? view(used.indexOf(leaf.index)) : leaf,
    ),
    views: used.map((index) => views[index] as Elementwise['views'][number]),
  };
};

const usesView = (expr: Elementwise['expr'], index: number): boolean =>
  (expr.type === 'view' && expr.index === index) ||
  (expr.type === 'call' && expr.args.some((arg) => usesView(arg, index)));

/** `reader` with the map computed in the place of each of its views of it, or undefined. */
const inlined = (reader: Elementwise, map: MapNode): Elementwise | undefined => {
  let outer = reader;
  let inner: Elementwise = map;
  for (const own of reader.views) {
    if (own.value !== map.out || !isPlain(own, reader.shape, elements(map.shape))) continue;
    const parts = commonRefinement(outer.shape, inner.shape);
    const finerOuter = parts === undefined ? undefined : refine(outer, parts);
    const finerInner = parts === undefined ? undefined : refine(inner, parts);
    if (finerOuter === undefined || finerInner === undefined) continue;
    outer = finerOuter;
    inner = finerInner;
  }
  const views = [...outer.views];
  const replacements = new Map<number, Elementwise['expr']>();
  for (const [index, own] of outer.views.entries()) {
    if (own.value !== map.out) continue;
    const found = through(own, outer.shape, inner);
    if (found === undefined) return undefined;
    const first = views.length;
    views.push(...found.views);
    replacements.set(
      index,
      replaceLeaves(found.expr, (leaf) => (leaf.type === 'view' ? view(first + leaf.index) : leaf)),
    );
  }
  const expr = replaceLeaves(outer.expr, (leaf) =>
    leaf.type === 'view' ? (replacements.get(leaf.index) ?? leaf) : leaf,
  );
  return unique({ shape: outer.shape, expr, views });
};

/** Who reads a value: nodes by position. */
const readersOf = (nodes: readonly (Node | undefined)[]): Map<number, number[]> => {
  const readers = new Map<number, number[]>();
  for (const [at, node] of nodes.entries())
    for (const value of new Set(node === undefined ? [] : inputsOf(node)))
      readers.set(value, [...(readers.get(value) ?? []), at]);
  return readers;
};

/** Whether computing the map inside its readers is no more work than writing and reading it. */
const worthInlining = (map: MapNode, readers: readonly Node[]): boolean => {
  const { calls, costly } = costOf(map.expr);
  if (map.views.length === 0) return true;
  const size = elements(map.shape);
  const larger = readers.some((reader) => elements(partOf(reader)?.shape ?? []) > size);
  if (readers.length === 1 && !larger) return true;
  return costly === 0 && calls <= CHEAP_CALLS && map.views.length <= 2;
};

const inlineMaps = (nodes: (Node | undefined)[], outputs: ReadonlySet<number>): void => {
  const readers = readersOf(nodes);
  for (const [at, node] of nodes.entries()) {
    if (node?.type !== 'map') continue;
    const positions = readers.get(node.out) ?? [];
    const all = positions.map((position) => nodes[position]).filter((n) => n !== undefined);
    if (!worthInlining(node, all)) continue;
    let left = outputs.has(node.out) ? 1 : 0;
    const parts = positions.map((position) => {
      const reader = nodes[position];
      const part = reader === undefined ? undefined : partOf(reader);
      if (reader === undefined || part === undefined) return undefined;
      const next = inlined(part, node);
      const limit = reader.type === 'map' ? MAP_VIEWS : EPILOGUE_VIEWS;
      if (next === undefined || next.views.length > limit) return undefined;
      const whole = withPart(reader, next);
      // The node's own operands are read as they are.
      return inputsOf(whole).includes(node.out) ? undefined : whole;
    });
    left += parts.filter((part) => part === undefined).length;
    // Read by someone as it is, the map runs anyway: then only constants are worth repeating.
    if (left > 0 && node.views.length > 0) continue;
    for (const [i, whole] of parts.entries()) {
      const position = positions[i];
      if (whole === undefined || position === undefined) continue;
      nodes[position] = whole;
      for (const value of inputsOf(whole)) {
        const known = readers.get(value) ?? [];
        if (!known.includes(position)) readers.set(value, [...known, position]);
      }
      readers.set(
        node.out,
        (readers.get(node.out) ?? []).filter((other) => other !== position),
      );
    }
    if (left > 0) continue;
    nodes[at] = undefined;
    for (const value of inputsOf(node))
      readers.set(
        value,
        (readers.get(value) ?? []).filter((other) => other !== at),
      );
  }
};

/**
 * A map that reads a node's output plainly, and is its only reader, becomes the node's epilogue.
 */
const attachEpilogues = (
  nodes: (Node | undefined)[],
  outputs: ReadonlySet<number>,
  values: readonly Value[],
): void => {
  const readers = readersOf(nodes);
  const producers = new Map<number, number>();
  for (const [at, node] of nodes.entries()) if (node !== undefined) producers.set(node.out, at);
  for (const [at, node] of nodes.entries()) {
    if (node === undefined || node.type === 'map' || outputs.has(node.out)) continue;
    const [position, ...others] = readers.get(node.out) ?? [];
    const map = position === undefined ? undefined : nodes[position];
    if (position === undefined || map?.type !== 'map' || others.length > 0) continue;
    const part = fused(node, map, values[node.out]?.size ?? 0);
    if (part === undefined || part.views.length > EPILOGUE_VIEWS) continue;
    const ready = part.views.every(({ value }) => (producers.get(value) ?? -1) < at);
    const whole = { ...node, out: map.out, epilogue: part };
    // Where the map reads something computed later, the node waits for it.
    nodes[at] = ready ? whole : undefined;
    nodes[position] = ready ? undefined : whole;
    producers.set(map.out, ready ? at : position);
  }
};

const fused = (
  node: Exclude<Node, MapNode>,
  map: MapNode,
  size: number,
): Elementwise | undefined => {
  const own = map.views.filter(({ value }) => value === node.out);
  if (!own.every((each) => isPlain(each, map.shape, size))) return undefined;
  let inner: Elementwise = node.epilogue ?? { shape: map.shape, expr: SELF, views: [] };
  const parts = commonRefinement(inner.shape, map.shape);
  const finer = parts === undefined ? undefined : refine(inner, parts);
  const outer = parts === undefined ? undefined : refine(map, parts);
  if (outer === undefined || finer === undefined) {
    if (usesLeaf(map.expr, 'coordinate') && node.epilogue === undefined)
      inner = { shape: map.shape, expr: SELF, views: [] };
    else return undefined;
  }
  const whole = outer ?? map;
  const before = finer ?? inner;
  const count = whole.views.length;
  const moved = replaceLeaves(before.expr, (leaf) =>
    leaf.type === 'view' ? view(count + leaf.index) : leaf,
  );
  const expr = replaceLeaves(whole.expr, (leaf) =>
    leaf.type === 'view' && whole.views[leaf.index]?.value === node.out ? moved : leaf,
  );
  return unique({ shape: whole.shape, expr, views: [...whole.views, ...before.views] });
};

/** Removes nodes whose output is never read. */
export const withoutDead = (nodes: readonly Node[], outputs: ReadonlySet<number>): Node[] => {
  const wanted = new Set(outputs);
  const kept: Node[] = [];
  for (const node of nodes.toReversed()) {
    if (!wanted.has(node.out)) continue;
    kept.push(node);
    for (const value of inputsOf(node)) wanted.add(value);
  }
  return kept.toReversed();
};

/**
 * The fused nodes, in an order in which they can run; `outputs` are values that must exist
 * afterwards.
 */
export const fuse = (
  program: readonly Node[],
  outputs: ReadonlySet<number>,
  values: readonly Value[],
): Node[] => {
  const nodes: (Node | undefined)[] = withoutDead(program, outputs);
  inlineMaps(nodes, outputs);
  attachEpilogues(nodes, outputs, values);
  inlineMaps(nodes, outputs);
  const rest = nodes.filter((node) => node !== undefined);
  return withoutDead(rest, outputs).map((node) => {
    const part = partOf(node);
    return part === undefined ? node : withPart(node, collapse(part));
  });
};
