/**
 * @module The error for a flag that a command does not have: other commands that have it, or the
 * nearest flag of the command.
 */
import type { Command } from 'commander';
import { nearest } from '../protocol/spec/nearest-name.ts';
import { commandOf } from './describe-command.ts';

const flagsOf = (command: Command): readonly string[] =>
  command
    .createHelp()
    .visibleOptions(command)
    .flatMap(({ long }) => (long === null || long === undefined ? [] : [long]));

const SETTERS = ['coordinator', 'sim', 'fork'];

/** @param message of commander @param args of the program */
export const unknownFlag = (message: string, program: Command, args: readonly string[]): string => {
  const [, flag = ''] = /unknown option '([^']*)'/u.exec(message) ?? [];
  const name = flag.replace(/=.*$/u, '');
  const having = program.commands.flatMap((command) =>
    [command, ...command.commands]
      .filter((each) => flagsOf(each).includes(name))
      .map((each) => (each === command ? each.name() : `${command.name()} ${each.name()}`)),
  );
  if (having.length === 0)
    return `unknown option ${flag}; the nearest known option is ${nearest(name, flagsOf(commandOf(program, args)))}`;
  // A participant takes the settings of a run from its coordinator.
  const isSetting = having.includes('coordinator') && having.includes('fork');
  const what = isSetting ? 'a setting of the run, which the coordinator makes: ' : '';
  const shown = isSetting ? having.filter((command) => SETTERS.includes(command)) : having;
  return `unknown option ${flag}; it is ${what}an option of floe ${shown.join(', floe ')}`;
};
