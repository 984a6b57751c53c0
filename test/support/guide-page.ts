/**
 * @module A page of docs/guide as a list of steps. The info string of a fence says what a block is:
 *
 * - `sh`: commands, one after another, each to its end; `sh exit=2` where they fail so
 * - `sh terminal`: commands that keep running, each in a terminal of its own
 * - `sh stop`: Ctrl-C for all that run, and nothing else
 * - `sh not-run: REASON`, of other languages too: shown only
 * - `text`: lines that the commands before it print, in any order; `...` stands for any text, a
 *   number with four digits after its point for any number, a word of {@link PLACEHOLDERS} for one
 *   that later commands use
 * - `json file=NAME`, `yaml file=NAME`, `ts file=NAME`: a file that the reader writes; TypeScript
 *   is examples/guide/NAME
 */

export type GuideStep =
  | { readonly type: 'run'; readonly commands: readonly string[]; readonly exit: number }
  | { readonly type: 'terminal'; readonly commands: readonly string[] }
  | { readonly type: 'stop' }
  | { readonly type: 'not-run'; readonly reason: string; readonly text: string }
  | { readonly type: 'expect'; readonly lines: readonly string[] }
  | { readonly type: 'file'; readonly name: string; readonly text: string };

/** Values that a run prints and a later command of the page takes. */
export const PLACEHOLDERS = [
  'FINGERPRINT',
  'AUDITOR',
  'BUYER',
  'FAUCET',
  'RUN',
  'KEY',
  'VERSION',
  'OFFER',
  'MEMBER',
] as const;

const escaped = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\/]/gu, String.raw`\$&`);

/** The commands of a block: comments and empty lines left out, continued lines joined. */
const commandsOf = (text: string): readonly string[] =>
  text
    .replaceAll(/ *\\\n\s*/gu, ' ')
    .split('\n')
    .map((line) => line.replace(/\s+# .*$/u, '').trim())
    .filter((line) => line !== '' && !line.startsWith('#'));

const linesOf = (text: string): readonly string[] =>
  text.split('\n').filter((line) => line.trim() !== '' && line.trim() !== '...');

const shellStep = (words: string, text: string): GuideStep => {
  if (words.startsWith('not-run:'))
    return { type: 'not-run', reason: words.slice('not-run:'.length).trim(), text };
  if (words === 'stop') return { type: 'stop' };
  const commands = commandsOf(text);
  if (words === 'terminal') return { type: 'terminal', commands };
  const exit = /^exit=(\d+)$/u.exec(words);
  if (words !== '' && exit === null) throw new Error(`an unknown kind of sh block: ${words}`);
  return { type: 'run', commands, exit: Number(exit?.[1] ?? 0) };
};

const stepOf = (language: string, words: string, text: string): GuideStep | undefined => {
  if (language === 'sh' || words.startsWith('not-run:')) return shellStep(words, text);
  if (language === 'text') return { type: 'expect', lines: linesOf(text) };
  const [, name] = /^file=(\S+)$/u.exec(words) ?? [];
  if (name !== undefined) return { type: 'file', name, text };
  return undefined;
};

/** @throws Error for a block that says nothing about itself */
export const guideSteps = (page: string): readonly GuideStep[] =>
  [...page.matchAll(/^```(\S+)[ ]?(.*)\n([\s\S]*?)^```$/gmu)].map(
    ([, language = '', words = '', text = '']) => {
      const step = stepOf(language, words.trim(), text);
      if (step === undefined) throw new Error(`a block of ${language} ${words} is not tested`);
      return step;
    },
  );

/**
 * The expected line as a pattern.
 *
 * @param known values of placeholders
 * @returns the pattern, with a group for each placeholder that is not known, by name
 */
export const patternOf = (line: string, known: ReadonlyMap<string, string>): RegExp => {
  const names = new RegExp(
    String.raw`\.\.\.|\b\d+\.\d{4}\b|\b(?:${PLACEHOLDERS.join('|')})\b`,
    'u',
  );
  const seen = new Set<string>();
  let [rest, pattern] = [line.trim(), ''];
  for (let match = names.exec(rest); match !== null; match = names.exec(rest)) {
    const [found] = match;
    const value = known.get(found);
    pattern += escaped(rest.slice(0, match.index));
    rest = rest.slice(match.index + found.length);
    if (found === '...') pattern += '.*';
    else if (/^\d/u.test(found)) pattern += String.raw`\d+(?:\.\d+)?(?:e-?\d+)?`;
    else if (value !== undefined) pattern += escaped(value);
    else if (seen.has(found)) pattern += String.raw`\k<${found}>`;
    else pattern += `(?<${found}>[^\\s,;]+)`;
    seen.add(found);
  }
  return new RegExp(`^${pattern}${escaped(rest)}$`, 'u');
};

/** The words of a command, in quotes where they are; variables before it are apart. */
export const wordsOf = (
  command: string,
): { readonly env: Readonly<Record<string, string>>; readonly words: readonly string[] } => {
  const parts = [...command.matchAll(/(?:[^\s'"]|'[^']*'|"[^"]*")+/gu)].map(([part]) =>
    part.replaceAll(/'([^']*)'|"([^"]*)"/gu, (_, single?: string, double?: string) =>
      String(single ?? double),
    ),
  );
  const at = parts.findIndex((part) => !/^[A-Z_]+=/u.test(part));
  const env = parts.slice(0, at).map((part) => {
    const equals = part.indexOf('=');
    return [part.slice(0, equals), part.slice(equals + 1)];
  });
  return { env: Object.fromEntries(env) as Record<string, string>, words: parts.slice(at) };
};
