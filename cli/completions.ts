/**
 * @module `floe completions`: a script for a shell that completes commands and flags, made from the
 * table of commands.
 */
import type { Command } from 'commander';
import { FloeError } from '../protocol/errors.ts';
import { command } from './command.ts';

interface Node {
  /** `floe`, `floe pass`, `floe pass buy`. */
  readonly path: string;
  readonly about: string;
  /** Commands and flags that may follow. */
  readonly words: readonly string[];
  readonly flags: readonly { readonly name: string; readonly help: string; takes: boolean }[];
  readonly under: readonly Node[];
}

const nodeOf = (made: Command, path: string): Node => {
  const help = made.createHelp();
  const under = help.visibleCommands(made).map((child) => nodeOf(child, `${path} ${child.name()}`));
  const flags = help
    .visibleOptions(made)
    .flatMap(({ long, description, required }) =>
      long === undefined || long === null
        ? []
        : [{ name: long, help: description, takes: required }],
    );
  const names = under.map((child) => child.path.slice(path.length + 1));
  const words = [...names, ...flags.map(({ name }) => name)];
  return { path, about: made.description(), words, flags, under };
};

const all = (node: Node): readonly Node[] => [node, ...node.under.flatMap(all)];

/** Steps into the command that the words before the cursor name. */
const descent = (nodes: readonly Node[], words: string): string =>
  `  for word in ${words}; do
    case "$at $word" in
      ${nodes
        .slice(1)
        .map(({ path }) => `'${path}'`)
        .join('|')}) at="$at $word" ;;
    esac
  done`;

const bash = (nodes: readonly Node[]): string => `_floe() {
  local at=floe word words=''
${descent(nodes, '"${COMP_WORDS[@]:1:COMP_CWORD-1}"')}
  case "$at" in
${nodes.map(({ path, words }) => `    '${path}') words='${words.join(' ')}' ;;`).join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _floe floe
`;

const zsh = (nodes: readonly Node[]): string => `#compdef floe
_floe() {
  local at=floe word
${descent(nodes, '${words[2,CURRENT-1]}')}
  case "$at" in
${nodes.map(({ path, words }) => `    '${path}') compadd -- ${words.join(' ')} ;;`).join('\n')}
  esac
  [[ $PREFIX == -* ]] || _files
}
compdef _floe floe
`;

/** In single quotes, where fish knows two escapes. */
const quoted = (text: string): string =>
  `'${text.replaceAll('\\', '\\\\').replaceAll("'", String.raw`\'`)}'`;

const fish = (nodes: readonly Node[]): string =>
  nodes
    .flatMap(({ path, flags, under }) => {
      const [, ...names] = path.split(' ');
      const seen = names.map((name) => `__fish_seen_subcommand_from ${name}`);
      const when = quoted(seen.length === 0 ? '__fish_use_subcommand' : seen.join('; and '));
      return [
        ...under.map(
          (child) =>
            `complete -c floe -n ${when} -a ${child.path.slice(path.length + 1)} -d ${quoted(child.about)}`,
        ),
        ...flags.map(
          ({ name, help, takes }) =>
            `complete -c floe -n ${when} -l ${name.slice(2)} -d ${quoted(help)}${takes ? ' -r' : ''}`,
        ),
      ];
    })
    .join('\n')
    .concat('\n');

const SHELLS = { bash, zsh, fish } as const;

/** The script for a shell. @throws FloeError `usage` for an unknown shell */
export const completionScript = (program: Command, shell: string): string => {
  if (!Object.hasOwn(SHELLS, shell))
    throw new FloeError('usage', `expected bash, zsh or fish, got ${JSON.stringify(shell)}`);
  return SHELLS[shell as keyof typeof SHELLS](all(nodeOf(program, 'floe')));
};

export const completionsCommand = (program: () => Command) =>
  command({
    name: 'completions',
    about: 'print a script that completes commands and flags in a shell',
    args: { '<shell>': 'bash, zsh or fish' },
    examples: [
      'source <(floe completions bash)      in ~/.bashrc',
      'source <(floe completions zsh)       in ~/.zshrc, after compinit',
      'floe completions fish | source       in ~/.config/fish/config.fish',
    ],
    run: async ({ args: [shell = ''], output }) => {
      const script = completionScript(program(), shell);
      output.document({ shell, script });
      output.say(script.trimEnd());
    },
  });
