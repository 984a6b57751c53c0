/**
 * @module Bugs to inject into the interpreter, each one line, and a runner that copies the sources,
 * puts one in, and runs the programs and sequences on the copy in a process of its own.
 */
import { execFile } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Outcome } from './programs-run.ts';
import { shaped } from './shape.ts';

export interface Mutant {
  readonly name: string;
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

const mutant = (name: string, file: string, from: string, to: string): Mutant => ({
  name,
  file,
  from,
  to,
});

export const MUTANTS: readonly Mutant[] = [
  mutant('shift by the width allowed', 'arithmetic.ts', 'if (by >= bits)', 'if (by > bits)'),
  mutant(
    'narrow overflow unseen',
    'arithmetic.ts',
    'result < 0 || result > largest(bits)',
    'result < 0',
  ),
  mutant('narrow underflow unseen', 'arithmetic.ts', 'result < 0 || result >', 'result >'),
  mutant(
    'wide overflow unseen',
    'arithmetic.ts',
    'result < 0n || result > widest(bits)',
    'result < 0n',
  ),
  mutant('wide underflow unseen', 'arithmetic.ts', 'result < 0n || result >', 'result >'),
  mutant('wide left shift keeps bits', 'arithmetic.ts', '& widest(bits) : value >>', ': value >>'),
  mutant('narrow left shift keeps bits', 'arithmetic.ts', '& largest(bits)) >>> 0', ') >>> 0'),
  mutant('division rounds', 'arithmetic.ts', 'Math.floor(a / b)', 'Math.round(a / b)'),
  mutant('xor is or', 'arithmetic.ts', 'return a ^ b;', 'return a | b;'),
  mutant(
    'casts up to one less',
    'arithmetic.ts',
    'integer > (bits > 32 ?',
    'integer >= (bits > 32 ?',
  ),
  mutant(
    'casts never fail',
    'arithmetic.ts',
    'if (integer > (bits > 32 ?',
    'if (bits < 0 && integer > (bits > 32 ?',
  ),
  mutant('<= is <', 'machine.ts', 'asInteger(stack.pop()) <= b', 'asInteger(stack.pop()) < b'),
  mutant('> is >=', 'machine.ts', 'asInteger(stack.pop()) > b', 'asInteger(stack.pop()) >= b'),
  mutant('copies share', 'machine.ts', 'return copyValue(value);', 'return value;'),
  mutant('index at the end', 'operands.ts', 'index >= BigInt(items', 'index > BigInt(items'),
  mutant('variants lose their tag', 'machine.ts', '{ tag: n, fields', '{ tag: 0, fields'),
  mutant(
    'fields unpack backwards',
    'machine.ts',
    'of asArray(popValue(stack))) stack',
    'of asArray(popValue(stack)).toReversed()) stack',
  ),
  mutant('writes are lost', 'machine.ts', 'ref.set(popValue(stack));', 'popValue(stack);'),
  mutant(
    'switch takes the next branch',
    'machine.ts',
    'step.targets[popVariant(popRef(stack).get()).tag]',
    'step.targets[(popVariant(popRef(stack).get()).tag + 1) % step.targets.length]',
  ),
  mutant('prefix is equal', 'values.ts', 'a.length === b.length &&', ''),
  mutant('tags not compared', 'values.ts', 'a.tag === b.tag &&', ''),
  mutant(
    'u16 in four bytes',
    'bcs.ts',
    'writer.number(asNumber(item), 2)',
    'writer.number(asNumber(item), 4)',
  ),
  mutant(
    'u128 in eight bytes',
    'bcs.ts',
    'writer.bigint(asBigint(item), 16)',
    'writer.bigint(asBigint(item), 8)',
  ),
  mutant('no variant tag in BCS', 'bcs.ts', 'writer.uleb(item.tag);', ''),
  mutant('ids skip a number', 'objects.ts', 'this.idsCreated += 1n;', 'this.idsCreated += 2n;'),
  mutant('ids with another prefix', 'objects.ts', 'Uint8Array.of(0xf1)', 'Uint8Array.of(0xf2)'),
  mutant(
    'fields are always there',
    'objects.ts',
    'child?.holder.length === 1 && (',
    'child !== null && (',
  ),
  mutant(
    'children are never loaded',
    'objects.ts',
    'if (stored === undefined) return undefined;\n    const type',
    'if (stored === undefined || key) return undefined;\n    const type',
  ),
  mutant(
    'sharing gives it away',
    'natives/object.ts',
    "give(() => ({ type: 'shared' }))",
    "give(() => ({ type: 'immutable' }))",
  ),
  mutant(
    'sender is nobody',
    'natives/object.ts',
    'objects.context.sender,',
    "'0x' + '0'.repeat(64),",
  ),
  mutant(
    'sha3 is sha2',
    'natives/std.ts',
    'Array.from(sha3_256(bytes))',
    'Array.from(sha256(bytes))',
  ),
  mutant(
    'parameters in wrong order',
    'typing.ts',
    'args[type.index] : type;',
    'args[args.length - 1 - type.index] : type;',
  ),
];

export interface MutantReport {
  readonly right: { readonly outcomes: readonly Outcome[]; readonly traces: readonly string[] };
  readonly seen: readonly boolean[];
}

const ROOT = join(import.meta.dirname, '../../../..');

/**
 * What the unchanged interpreter makes of the job, and whether each mutant makes something else of
 * it.
 */
export const runMutants = async (input: {
  readonly programs: readonly string[];
  readonly programCount: number;
  readonly floe: readonly string[];
  readonly sequences: readonly number[];
  readonly length: number;
}): Promise<MutantReport> => {
  const folder = await mkdtemp(join(tmpdir(), 'floe-mutants-'));
  try {
    const prepare = async (change: Mutant | undefined, index: number): Promise<string> => {
      const home = join(folder, `m${index}`);
      await cp(join(ROOT, 'devnet'), join(home, 'devnet'), { recursive: true });
      await symlink(join(ROOT, 'node_modules'), join(home, 'node_modules'));
      if (change !== undefined) {
        const path = join(home, 'devnet/move', change.file);
        const source = await readFile(path, 'utf8');
        if (!source.includes(change.from))
          throw new Error(`mutant «${change.name}»: its line is not in ${change.file}`);
        await writeFile(path, source.replace(change.from, change.to));
      }
      return home;
    };
    const homes = await Promise.all([undefined, ...MUTANTS].map(prepare));
    const job = join(folder, 'job.json');
    await writeFile(job, JSON.stringify({ ...input, homes }));
    const runner = join(import.meta.dirname, 'mutant-runner.ts');
    const { stdout } = await promisify(execFile)(process.execPath, [runner, job], {
      maxBuffer: 256 * 1024 * 1024,
    });
    return shaped<MutantReport>()(JSON.parse(stdout));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
};
