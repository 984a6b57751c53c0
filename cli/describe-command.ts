/**
 * @module The help of a command as data, for `--help --json`.
 */
import type { Command } from 'commander';
import { examplesOf } from './command.ts';

/** The command that the arguments name: the program, a command, or one under it. */
export const commandOf = (program: Command, args: readonly string[]): Command => {
  let command = program;
  for (const arg of args) {
    const under = command.commands.find((known) => known.name() === arg);
    if (under === undefined) break;
    command = under;
  }
  return command;
};

/** Its arguments, flags, examples and commands. */
export const describeCommand = (command: Command): Readonly<Record<string, unknown>> => {
  const help = command.createHelp();
  return {
    command: command.name(),
    about: command.description(),
    arguments: command.registeredArguments.map((argument) => ({
      name: argument.name(),
      required: argument.required,
      help: argument.description,
    })),
    flags: help.visibleOptions(command).map((option) => ({
      flag: option.long ?? option.short,
      takesValue: option.required || option.optional,
      help: option.description,
      default: option.defaultValue as unknown,
    })),
    examples: examplesOf(command),
    commands: help.visibleCommands(command).map((under) => ({
      command: under.name(),
      about: under.description(),
    })),
  };
};
