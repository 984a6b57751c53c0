/**
 * @module `floe grant` and `floe revoke`: the owner of a run changes who may open its models.
 */
import { FloeError } from '../protocol/errors.ts';
import type { AccessChange } from '../protocol/net/sui/registry.ts';
import { command, type Context } from './command.ts';
import { instant, kindOf, objectId, attempts, value, type Read } from './flags.ts';
import { KEY, NETWORK, openOwnPasses } from './keys.ts';
import { showChange } from './show-change.ts';

const KINDS = ['member', 'auditor', 'compute'] as const;
type Kind = (typeof KINDS)[number];

const ARGUMENTS = {
  '<run>': { help: "the run's object id", read: objectId },
  '<kind>': {
    help: KINDS.join(', '),
    read: kindOf({ type: 'choice', choices: KINDS }) as Read<string>,
  },
  '<who>': { help: 'Sui address; an Ed25519 identity of Floe has the same', read: objectId },
};
const FLAGS = { ...NETWORK, ...KEY };

const change = async (
  { args: [run = ''], flags, output }: Context<Parameters<typeof openOwnPasses>[0]>,
  wanted: AccessChange,
): Promise<void> => {
  const executed = await (await openOwnPasses(flags, output)).change(run, wanted);
  const { type: kind, address, admitted } = wanted;
  const state = `${kind} ${address} ${admitted ? 'admitted' : 'revoked'}`;
  const words = executed === undefined ? `${state} already; nothing to do` : state;
  showChange({ facts: { run, kind, address, admitted }, words, executed }, output);
};

export const grantCommand = () =>
  command({
    name: 'grant',
    about: "admit an auditor, a revoked member or a compute node to a run's models (owner only)",
    args: ARGUMENTS,
    flags: {
      ...FLAGS,
      attempts: value('<a-b>', 'compute: attempts whose models it may open', attempts),
      until: value('<time>', 'compute: when the grant ends', instant),
    },
    notes: `A cohort is frozen with its attempt and nobody joins it later: granting "member" reverses a revocation.
A compute node opens the models of a run whose specification has compute among its --access; a
second grant replaces the first. Auditors can be added after the run began; one that was revoked stays
revoked when the coordinator starts again. Auditors of the specification cannot be revoked.
A grant that exists already costs nothing.`,
    examples: [
      'FLOE_PASSPHRASE=... floe grant 0x5e... auditor 0xa1... --network net.json --keystore run/keystore',
      'floe grant 0x5e... compute 0xc0... --attempts 3-9 --until 2027-01-31T12:00:00Z --network net.json',
      'floe grant 0x5e... member 0xb0... --network net.json --json',
    ],
    exit: 'Exit codes: 0 admitted, 2 no such run or a wrong flag, 4 this key does not own the run.',
    run: async (context) => {
      const [, kind, address] = context.args as readonly [string, Kind, string];
      const { attempts: range, until: expiresMs } = context.flags;
      if (kind !== 'compute') {
        if (range !== undefined || expiresMs !== undefined)
          throw new FloeError('usage', `--attempts and --until require compute, not ${kind}`);
        return change(context, { type: kind, address, admitted: true });
      }
      if (range === undefined || expiresMs === undefined)
        throw new FloeError('usage', 'compute: expected --attempts and --until');
      return change(context, { type: kind, address, admitted: true, ...range, expiresMs });
    },
  });

export const revokeCommand = () =>
  command({
    name: 'revoke',
    about: 'revoke the access of an auditor, a member or a compute node to a run (owner only)',
    args: ARGUMENTS,
    flags: FLAGS,
    notes: `Key servers ask the chain at every request and refuse from now on. A reader that has opened a model
before keeps it. A revoked member is refused for all attempts.`,
    examples: [
      'floe revoke 0x5e... member 0xb0... --network net.json --keystore-file sui.keystore',
      'floe revoke 0x5e... compute 0xc0... --network net.json --json',
    ],
    exit: 'Exit codes: 0 revoked, 2 no such run or a wrong flag, 4 this key does not own the run.',
    run: async (context) => {
      const [, type, address] = context.args as readonly [string, Kind, string];
      return change(context, { type, address, admitted: false });
    },
  });
