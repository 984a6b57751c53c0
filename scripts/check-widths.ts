/**
 * @module Checks line widths in `npm run lint`, where the formatter does not: comments of sources
 * within 100 columns, lines of README.md within 160.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, extname, join, posix } from 'node:path';

export interface WideLine {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** In UTF-16 units. */
  readonly width: number;
  readonly limit: number;
}

const COMMENTS = 100;
const README = 160;

/** A whole line of comment, or a comment behind code, by the ending of the file's name. */
const SLASHES = /^\s*(?:\/\/|\/?\*)|\s\/\/ [^'"`]*$/u;
const HASHES = /^\s*#|\s# [^'"`]*$/u;
const COMMENT: Readonly<Record<string, RegExp>> = {
  '.ts': SLASHES,
  '.js': SLASHES,
  '.mjs': SLASHES,
  '.move': SLASHES,
  '.sh': HASHES,
  '.py': HASHES,
};

/** @returns the lines of the file that are wider than the rules allow */
export const wideLines = (file: string, text: string): readonly WideLine[] => {
  const comment = COMMENT[extname(file)];
  const limit = file === 'README.md' ? README : COMMENTS;
  const counts = (line: string): boolean => file === 'README.md' || comment?.test(line) === true;
  return text.split('\n').flatMap((line, index) => {
    const width = line.length;
    return width > limit && counts(line) ? [{ file, line: index + 1, width, limit }] : [];
  });
};

const SKIPPED = new Set(['node_modules', 'dist', 'runs', 'coverage']);

/** README.md and the sources below the root, by path from it. */
export const readTexts = (root: string): ReadonlyMap<string, string> => {
  const texts = new Map<string, string>([
    ['README.md', readFileSync(join(root, 'README.md'), 'utf8')],
  ]);
  const walk = (folder: string): void => {
    for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
      const path = posix.join(folder, entry.name);
      if (entry.isDirectory() && !SKIPPED.has(entry.name) && !entry.name.startsWith('.'))
        walk(path);
      if (entry.isFile() && extname(path) in COMMENT)
        texts.set(path, readFileSync(join(root, path), 'utf8'));
    }
  };
  walk('');
  return texts;
};

if (import.meta.main) {
  const texts = readTexts(dirname(import.meta.dirname));
  const wide = [...texts].flatMap(([file, text]) => wideLines(file, text));
  for (const { file, line, width, limit } of wide)
    console.error(`width: ${file}:${line} has ${width} columns, at most ${limit}`);
  if (wide.length > 0) process.exitCode = 1;
}
