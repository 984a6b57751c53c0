#!/usr/bin/env node
/**
 * @module `floe`: the command line. Each command is one file that calls the library; no command
 * contains logic of the protocol.
 */
import { createRequire } from 'node:module';
import { Command, CommanderError } from 'commander';
import * as v from 'valibot';
import { FloeError, toFloeError } from '../protocol/errors.ts';
import { auditPrivacyCommand } from './audit-privacy.ts';
import { outputOf } from './command.ts';
import { keepCompiledCode } from './compile-cache.ts';
import { compareCommand } from './compare.ts';
import { completionsCommand } from './completions.ts';
import { contractCommand } from './contract.ts';
import { coordinatorCommand, forkCommand } from './coordinator.ts';
import { costCommand } from './cost.ts';
import { commandOf, describeCommand } from './describe-command.ts';
import { devnetCommand } from './devnet.ts';
import { doctorCommand } from './doctor.ts';
import { exitCodeHelp, exitCodeOf } from './exit-codes.ts';
import { faucetCommand } from './faucet.ts';
import { grantCommand, revokeCommand } from './grant.ts';
import { initCommand } from './init.ts';
import { joinCommand } from './join.ts';
import { modelsCommand } from './models.ts';
import { passCommand } from './pass.ts';
import { privacyCommand } from './privacy.ts';
import { publishCommand } from './publish.ts';
import { evaluateCommand, predictCommand } from './evaluate.ts';
import { fineTuneCommand } from './fine-tune.ts';
import { pullCommand } from './pull.ts';
import { receiptCommand } from './receipt.ts';
import { takeSecretVariables } from './secret-variables.ts';
import { setupCommand } from './setup.ts';
import { simCommand } from './sim.ts';
import { statusCommand } from './status.ts';
import { strategiesCommand } from './strategies.ts';
import { surveyCommand } from './survey.ts';
import { sweepCommand } from './sweep.ts';
import { unknownFlag } from './unknown-flag.ts';
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

const GROUPS: Readonly<Record<string, readonly string[]>> = {
  'Run:': ['sim', 'sweep', 'compare', 'coordinator', 'status', 'join', 'fork', 'init'],
  'Data and models:': [
    'contract',
    'survey',
    'pull',
    'verify',
    'evaluate',
    'predict',
    'strategies',
    'privacy',
    'audit-privacy',
  ],
  'On Sui, Walrus and Seal:': [
    'devnet',
    'faucet',
    'publish',
    'grant',
    'revoke',
    'pass',
    'receipt',
    'models',
    'cost',
  ],
};

/** Heading of a command in the program's help. */
const groupOf = (name: string): string =>
  Object.entries(GROUPS).find(([, names]) => names.includes(name))?.[0] ?? 'This machine:';

export const createProgram = (): Command => {
  const program = new Command('floe')
    .description('Federated learning over encrypted exchange.')
    .version(readVersion(), '-V, --version', 'print the version')
    .helpOption('--help', 'print this help')
    .addHelpText(
      'after',
      `
In a clone of the repository, floe <command> is: npm run floe -- <command>

Examples:
  floe sim                                  simulate 100 participants on MNIST, every update masked
  floe sweep run.yaml --over seed=1..5      simulate it five times and print one table
  floe coordinator --rounds 20 --cohort 5   start a coordinator that others join
  floe join ws://host:7700                  take part from another terminal
  floe status ws://host:7700                ask a coordinator how its run is doing
  floe contract infer patients.csv          draft the columns and classes that all sites map to
  floe fork 0x77... --network net.json      start a new run from a published model
  floe verify runs/latest                   recompute every round of a run
  floe devnet --config-out net.json         run Sui, Walrus and Seal on this machine
  floe models 0x5e... --network net.json    list the models that a run has published
  floe cost --cohort 100 --rounds 60        estimate what a run will cost
  floe init                                 write a commented run file to begin with
  floe help exit-codes                      list the exit codes`,
    )
    .exitOverride()
    // The handler below prints usage errors once, in Floe's form.
    .configureOutput({ outputError: () => undefined })
    .helpCommand(false);
  const commands = [
    simCommand(),
    sweepCommand(),
    compareCommand(),
    coordinatorCommand(),
    statusCommand(),
    joinCommand(),
    contractCommand(),
    forkCommand(),
    pullCommand(),
    evaluateCommand(),
    predictCommand(),
    fineTuneCommand(),
    verifyCommand(),
    devnetCommand(),
    faucetCommand(),
    doctorCommand(),
    publishCommand(),
    grantCommand(),
    revokeCommand(),
    passCommand(),
    receiptCommand(),
    modelsCommand(),
    costCommand(),
    strategiesCommand(),
    privacyCommand(),
    auditPrivacyCommand(),
    surveyCommand(),
    initCommand(),
    setupCommand(),
    completionsCommand(() => program),
  ];
  for (const command of commands) {
    adopt(command, program);
    command.helpGroup(groupOf(command.name()));
    program.addCommand(command);
  }
  program
    .command('help [topic]')
    .description('help for a command, or `exit-codes`')
    .helpGroup(groupOf('help'))
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

/** Help and version as JSON, where `--json` asks for them. @returns whether it printed them */
const printedAsJson = (program: Command, args: readonly string[]): boolean => {
  if (!args.includes('--json')) return false;
  const [first] = args.filter((arg) => arg !== '--json');
  const output = outputOf({ json: true });
  if (first === '--version' || first === '-V') output.document({ version: program.version() });
  else if (args.includes('--help')) output.document(describeCommand(commandOf(program, args)));
  else return false;
  return true;
};

/** @param args without the program's own name */
export const main = async (args: readonly string[]): Promise<void> => {
  takeSecretVariables();
  const program = createProgram();
  if (printedAsJson(program, args)) return;
  try {
    await program.parseAsync([...args], { from: 'user' });
  } catch (thrown) {
    const error = usageError(thrown, program, args);
    if (error === undefined) return;
    const flags = { json: args.includes('--json'), debug: args.includes('--debug') };
    outputOf(flags, commandOf(program, args)).error(error);
    process.exitCode = exitCodeOf(error.code);
  }
};

/** This process as the command. */
export const runFloe = async (): Promise<void> => {
  // The reader of a pipe may stop early: `floe models ... | head`.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit();
  });
  await main(process.argv.slice(2));
};

if (import.meta.main) {
  keepCompiledCode();
  await runFloe();
}
