/**
 * @module Checks the import rules in `npm run lint`: the arrows between top-level folders
 * (docs/architecture.md), no vendor SDK above protocol/net/, no production command that needs the
 * simulator, no cycles. The linter checks static imports too; this walk also follows `import()` and
 * imports of types.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';

export interface Violation {
  readonly rule: 'arrow' | 'sdk' | 'simulator' | 'cycle';
  readonly file: string;
  /** The import; for a cycle all its files in order, joined by spaces. */
  readonly target: string;
}

/** Which rooms a room may import from. */
const ARROWS: Readonly<Record<string, readonly string[]>> = {
  protocol: ['protocol'],
  coordinator: ['coordinator', 'protocol'],
  client: ['client', 'protocol'],
  sim: ['sim', 'coordinator', 'client', 'protocol', 'devnet'],
  testing: ['testing', 'coordinator', 'client', 'protocol'],
  cli: ['cli', 'sim', 'coordinator', 'client', 'protocol', 'devnet'],
  devnet: ['devnet'],
};
export const ROOMS = Object.keys(ARROWS);

/** Commands that are no simulation must not load the simulator. */
const USES_SIMULATOR = /^cli\/(sim|sweep|compare)(-[\w-]+)?\.ts$/u;
const MAY_USE_SDK = /^(?:protocol\/net|devnet)\//u;

/** Exceptions of today, to be removed one by one: rule, file (or folder), target. */
export const EXCEPTIONS: readonly (readonly [Violation['rule'], file: string, target: string])[] =
  [];

const STATIC = /^(?:import|export)\s+(?:[^'";]*?\sfrom\s*)?'(?<from>[^']+)'/gmu;
const DYNAMIC = /(?<!\* .*)\bimport\(\s*'(?<from>[^']+)'/gu;

/** Static and dynamic imports and re-exports of a module, types included. */
export const importsOf = (source: string): readonly string[] =>
  [STATIC, DYNAMIC].flatMap((form) =>
    [...source.matchAll(form)].map(({ groups }) => groups?.['from'] as string),
  );

const roomOf = (path: string): string => path.split('/', 1)[0] as string;

/** The path of a relative import from the root; a package's name as it is. */
const resolve = (file: string, specifier: string): string =>
  specifier.startsWith('.') ? posix.join(posix.dirname(file), specifier) : specifier;

/** Sets of files that import each other in a circle (Tarjan 1972), each in one order. */
export const cyclesOf = (edges: ReadonlyMap<string, readonly string[]>): readonly string[][] => {
  const index = new Map<string, number>();
  const low = new Map<string, number>();
  const stack: string[] = [];
  const found: string[][] = [];
  const visit = (file: string): void => {
    index.set(file, index.size);
    low.set(file, index.get(file) as number);
    stack.push(file);
    for (const next of edges.get(file) ?? []) {
      if (!edges.has(next)) continue;
      const isNew = !index.has(next);
      if (isNew) visit(next);
      if (isNew || stack.includes(next))
        low.set(file, Math.min(low.get(file) as number, low.get(next) as number));
    }
    if (low.get(file) !== index.get(file)) return;
    const group = stack.splice(stack.indexOf(file));
    if (group.length > 1 || (edges.get(file) ?? []).includes(file)) found.push(group.toSorted());
  };
  for (const file of edges.keys()) if (!index.has(file)) visit(file);
  return found;
};

/** @param sources text by path from the root */
export const violationsOf = (sources: ReadonlyMap<string, string>): readonly Violation[] => {
  const found: Violation[] = [];
  const edges = new Map<string, readonly string[]>();
  for (const [file, source] of sources) {
    const targets = importsOf(source).map((specifier) => resolve(file, specifier));
    edges.set(file, targets);
    const from = roomOf(file);
    for (const target of targets) {
      const to = /^floe-devnet(?:\/|$)/u.test(target) ? 'devnet' : roomOf(target);
      if (to in ARROWS && ARROWS[from]?.includes(to) === false)
        found.push({ rule: 'arrow', file, target });
      if (from === 'cli' && to === 'sim' && !USES_SIMULATOR.test(file))
        found.push({ rule: 'simulator', file, target });
      if (target.startsWith('@mysten/') && !MAY_USE_SDK.test(file))
        found.push({ rule: 'sdk', file, target });
    }
  }
  for (const cycle of cyclesOf(edges))
    found.push({ rule: 'cycle', file: cycle[0] as string, target: cycle.join(' ') });
  return found;
};

const covers = ([rule, file, target]: (typeof EXCEPTIONS)[number], violation: Violation): boolean =>
  rule === violation.rule &&
  violation.file.startsWith(file) &&
  violation.target.split(' ').every((part) => part.startsWith(target));

export const isException = (violation: Violation): boolean =>
  EXCEPTIONS.some((exception) => covers(exception, violation));

/** The modules of all rooms, by path from the root. */
export const readSources = (root: string): ReadonlyMap<string, string> => {
  const sources = new Map<string, string>();
  for (const room of ROOMS)
    for (const entry of readdirSync(join(root, room), { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name);
      const name = posix.relative(root, path);
      if (!entry.isFile() || !name.endsWith('.ts') || /node_modules|\/assembly\//u.test(name))
        continue;
      sources.set(name, readFileSync(path, 'utf8'));
    }
  return sources;
};

if (import.meta.main) {
  const violations = violationsOf(readSources(dirname(import.meta.dirname)));
  for (const exception of EXCEPTIONS)
    if (!violations.some((violation) => covers(exception, violation)))
      console.log(`no exception any more: ${exception.join(' ')}`);
  const wrong = violations.filter((violation) => !isException(violation));
  for (const { rule, file, target } of wrong) console.error(`${rule}: ${file} imports ${target}`);
  if (wrong.length > 0) process.exitCode = 1;
}
