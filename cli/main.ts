#!/usr/bin/env node
/**
 * @module `floe`: the command line. Each command is one file that calls the library; no command
 * contains logic of the protocol.
 */
import { createRequire } from 'node:module';
import { Command, CommanderError } from 'commander';
import * as v from 'valibot';
import { FloeError, toFloeError } from '../protocol/errors.ts';
import { nearest } from '../protocol/spec/nearest-name.ts';
import { outputOf } from './command.ts';
import { contractCommand } from './contract.ts';
import { coordinatorCommand, forkCommand } from './coordinator.ts';
import { costCommand } from './cost.ts';
import { devnetCommand } from './devnet.ts';
import { doctorCommand } from './doctor.ts';
import { exitCodeHelp, exitCodeOf } from './exit-codes.ts';
import { grantCommand, revokeCommand } from './grant.ts';
import { joinCommand } from './join.ts';
import { modelsCommand } from './models.ts';
import { passCommand } from './pass.ts';
import { publishCommand } from './publish.ts';
import { evaluateCommand, predictCommand } from './evaluate.ts';
import { pullCommand } from './pull.ts';
import { receiptCommand } from './receipt.ts';
import { takeSecretVariables } from './secret-variables.ts';
import { simCommand } from './sim.ts';
import { strategiesCommand } from './strategies.ts';
import { verifyCommand } from './verify.ts';

/** package.json lies one level up in the sources, two in `dist`. */
const readVersion = (): string => {
  const here = createRequire(import.meta.url);
  const path = import.meta.url.endsWith('.ts') ? '../package.json' : '../../package.json';
  return v.parse(v.object({ version: v.string() }), here(path)).version;
};

/** Help and errors of a command, and of those under it, are the program's. */
const adopt = (command: Command, program: Command): void => {
  command.helpOption('--help', 'print this help').copyInheritedSettings(program);
  command.helpCommand(false);
  for (const under of command.commands) adopt(under, program);
};

export const createProgram = (): Command => {
  const program = new Command('floe')
    .description('Federated learning over encrypted exchange.')
    .version(readVersion(), '-V, --version', 'print the version')
    .helpOption('--help', 'print this help')
    .addHelpText(
      'after',
      `
Examples:
  floe sim                                  simulate 100 participants on MNIST, every update masked
  floe coordinator --rounds 20 --cohort 5   start a coordinator that others join
  floe join ws://host:7700                  take part from another terminal
  floe contract infer patients.csv          draft the columns and classes that all sites map to
  floe fork 0x77... --network net.json      start a new run from a published model
  floe verify runs/latest                   recompute every round of a run
  floe devnet --config-out net.json         run Sui, Walrus and Seal on this machine
  floe models 0x5e... --network net.json    list the models that a run has published
  floe cost --cohort 100 --rounds 60        estimate what a run will cost
  floe help exit-codes                      list the exit codes`,
    )
    .exitOverride()
    // The handler below prints usage errors once, in Floe's form.
    .configureOutput({ outputError: () => undefined })
    .helpCommand(false);
  const commands = [
    simCommand(),
    coordinatorCommand(),
    joinCommand(),
    contractCommand(),
    forkCommand(),
    pullCommand(),
    evaluateCommand(),
    predictCommand(),
    verifyCommand(),
    devnetCommand(),
    doctorCommand(),
    publishCommand(),
    grantCommand(),
    revokeCommand(),
    passCommand(),
    receiptCommand(),
    modelsCommand(),
    costCommand(),
    strategiesCommand(),
  ];
  for (const command of commands) {
    adopt(command, program);
    program.addCommand(command);
  }
  program
    .command('help [topic]')
    .description('help for a command, or `exit-codes`')
    .action((topic?: string) => {
      if (topic === 'exit-codes') {
        process.stdout.write(exitCodeHelp());
        return;
      }
      const command = commands.find((known) => known.name() === topic);
      if (topic !== undefined && command === undefined)
        throw new FloeError(
          'usage',
          `expected ${commands.map((known) => known.name()).join(', ')} or exit-codes, got ${JSON.stringify(topic)}`,
        );
      process.stdout.write((command ?? program).helpInformation());
    });
  return program;
};

/** The flags of the command that the arguments name, or of the program. */
const flagsOf = (program: Command, args: readonly string[]): readonly string[] => {
  let command = program;
  for (const arg of args) {
    const under = command.commands.find((known) => known.name() === arg);
    if (under === undefined) break;
    command = under;
  }
  return command
    .createHelp()
    .visibleOptions(command)
    .flatMap(({ long }) => (long === null || long === undefined ? [] : [long]));
};

/** An unknown flag with the nearest flag of the command. */
const unknownFlag = (message: string, program: Command, args: readonly string[]): string => {
  const [, flag = ''] = /unknown option '([^']*)'/u.exec(message) ?? [];
  const name = flag.replace(/=.*$/u, '');
  return `unknown option ${flag}; the nearest known option is ${nearest(name, flagsOf(program, args))}`;
};

/** commander's complaint in Floe's words; `undefined` when help or the version was printed. */
const usageError = (
  thrown: unknown,
  program: Command,
  args: readonly string[],
): FloeError | undefined => {
  if (!(thrown instanceof CommanderError)) return toFloeError(thrown);
  if (thrown.exitCode === 0) return undefined;
  // Without a command commander prints the help and fails with `(outputHelp)`.
  const message =
    thrown.code === 'commander.help'
      ? 'expected a command, see above'
      : thrown.code === 'commander.unknownOption'
        ? unknownFlag(thrown.message, program, args)
        : thrown.message.replace(/^error: /u, '');
  return new FloeError('usage', message, {}, { cause: thrown });
};

/** @param args without the program's own name */
export const main = async (args: readonly string[]): Promise<void> => {
  takeSecretVariables();
  const program = createProgram();
  try {
    await program.parseAsync([...args], { from: 'user' });
  } catch (thrown) {
    const error = usageError(thrown, program, args);
    if (error === undefined) return;
    outputOf({ json: args.includes('--json'), debug: args.includes('--debug') }).error(error);
    process.exitCode = exitCodeOf(error.code);
  }
};

if (import.meta.main) {
  // The reader of a pipe may stop early: `floe models ... | head`.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit();
  });
  await main(process.argv.slice(2));
}
