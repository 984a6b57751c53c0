/**
 * @module `floe grant` and `floe revoke`: who may open the models of a run, changed by the run's
 * owner.
 */
import { Command } from 'commander';
import { FloeError } from '../protocol/errors.ts';
import type { AccessChange } from '../protocol/net/sui/registry.ts';
import { instant, roundRange } from './amounts.ts';
import { oneOf } from './flags.ts';
import { changeDocument, showTransaction } from './change.ts';
import { address, openPasses, withNetwork, withSender, type SenderFlags } from './network.ts';
import { runCommand, withCommonOptions, type CommonOptions } from './run-command.ts';

interface Options extends SenderFlags, CommonOptions {
  readonly rounds?: { readonly first: number; readonly last: number };
  readonly until?: number;
}

const KINDS = ['member', 'auditor', 'compute'] as const;
type Kind = (typeof KINDS)[number];

const base = (name: 'grant' | 'revoke'): Command =>
  withCommonOptions(withSender(withNetwork(new Command(name))))
    .argument('<run>', "the run's object id", address('run'))
    .argument('<kind>', KINDS.join(', '), oneOf('kind', KINDS))
    .argument('<who>', 'Sui address; an Ed25519 identity of Floe has the same', address('who'));

const change = async (options: Options, run: string, wanted: AccessChange): Promise<void> => {
  await runCommand(options, async ({ output }) => {
    const executed = await (await openPasses(options, output)).change(run, wanted);
    const { type: kind, address: who, admitted } = wanted;
    output.document({ run, kind, address: who, admitted, ...changeDocument(executed) });
    const state = `${kind} ${who} ${admitted ? 'admitted' : 'turned away'}`;
    output.say(
      executed === undefined
        ? `${state} already; nothing to do`
        : `${state}; ${showTransaction(executed)}`,
    );
  });
};

const grantOf = (kind: Kind, who: string, { rounds, until }: Options): AccessChange => {
  if (kind !== 'compute') {
    if (rounds !== undefined || until !== undefined)
      throw new FloeError('usage', `--rounds and --until: expected with compute, not with ${kind}`);
    return { type: kind, address: who, admitted: true };
  }
  if (rounds === undefined || until === undefined)
    throw new FloeError('usage', 'compute: expected --rounds and --until');
  return { type: kind, address: who, admitted: true, ...rounds, expiresMs: until };
};

export const grantCommand = (): Command =>
  base('grant')
    .description("admit an auditor, a revoked member or a compute node to a run's models")
    .option('--rounds <a-b>', 'compute: rounds whose models it may open', roundRange('--rounds'))
    .option('--until <time>', 'compute: when the grant ends', instant('--until'))
    .addHelpText(
      'after',
      `
A cohort is frozen with its round and nobody joins it later: "member" takes a revocation back.
A compute node opens the models of a run whose specification has compute among its --access; a
second grant replaces the first. Auditors may also be named later than in the specification, and
one that was revoked stays so when the coordinator starts again; those of the specification stay.
What holds already costs nothing.

Examples:
  FLOE_PASSPHRASE=... floe grant 0x5e... auditor 0xa1... --network net.json --keystore run/keystore
  floe grant 0x5e... compute 0xc0... --rounds 3-9 --until 2027-01-31T12:00:00Z --network net.json
  floe grant 0x5e... member 0xb0... --network net.json --json

Exit codes: 0 admitted, 2 no such run or a wrong flag, 4 this key does not own the run.`,
    )
    .action(async (run: string, kind: Kind, who: string, options: Options) => {
      await change(options, run, grantOf(kind, who, options));
    });

export const revokeCommand = (): Command =>
  base('revoke')
    .description('turn an auditor, a member or a compute node away from a run')
    .addHelpText(
      'after',
      `
Key servers ask the chain at every request: from now on they hand out nothing. Who has opened a
model before has seen it. A revoked member is turned away from all rounds.

Examples:
  floe revoke 0x5e... member 0xb0... --network net.json --keystore-file sui.keystore
  floe revoke 0x5e... compute 0xc0... --network net.json --json

Exit codes: 0 turned away, 2 no such run or a wrong flag, 4 this key does not own the run.`,
    )
    .action(async (run: string, kind: Kind, who: string, options: Options) => {
      await change(options, run, { type: kind, address: who, admitted: false });
    });
