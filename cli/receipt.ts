/**
 * @module `floe receipt`: lists or issues the receipts of participants of a run. The chain knows
 * the survivors of an attempt, so anyone can pay for a receipt.
 */
import { FloeError } from '../protocol/errors.ts';
import { MAX_ATTEMPT } from '../protocol/spec/run-spec.ts';
import { command } from './command.ts';
import { objectId, value, whole } from './flags.ts';
import { findIdentity, KEY, NETWORK, openOwnPasses, readNetwork } from './keys.ts';
import { showChange } from './show-change.ts';

export const receiptCommand = () =>
  command({
    name: 'receipt',
    about: 'receipts of contribution: list them, or issue one',
    args: { '<run>': { help: "the run's object id", read: objectId } },
    flags: {
      ...NETWORK,
      ...KEY,
      attempt: whole(
        'issue the receipt of this attempt (default: list the receipts)',
        1,
        MAX_ATTEMPT,
      ),
      for: value('<0x...>', 'participant (default: the address of your key)', objectId),
    },
    notes: `A receipt is an object that cannot be transferred. It states that the update of its owner is part of the
model of an attempt. The caller pays for it; the receipt goes to the participant.`,
    examples: [
      'floe receipt 0x5e... --for 0xb0... --network net.json',
      'FLOE_PASSPHRASE=... floe receipt 0x5e... --network net.json --keystore ./me',
      'floe receipt 0x5e... --attempt 3 --for 0xb0... --network net.json --keystore-file sui.keystore',
    ],
    exit: 'Exit codes: 0 done, 1 the chain refused, 2 no such run, or no survivor of the attempt.',
    run: async ({ args: [run = ''], flags, output }) => {
      const { network, path } = await readNetwork(flags);
      const { attempt } = flags;
      const member = flags.for ?? (await findIdentity(flags))?.address;
      if (member === undefined) throw new FloeError('usage', 'expected --for <0x...>, or a key');
      if (attempt === undefined) {
        const { listReceipts } = await import('../client/passes.ts');
        const receipts = await listReceipts(network, run, member, { from: path });
        output.document({ run, member, receipts });
        for (const { id, attempt: of } of receipts) output.say(`attempt ${of}: receipt ${id}`);
        if (receipts.length === 0) output.say(`no receipts of ${member}`);
        return;
      }
      const issued = await (await openOwnPasses(flags, output)).issueReceipt(run, attempt, member);
      const { id: receipt } = issued;
      const words = `receipt ${receipt} of ${member} for attempt ${attempt}`;
      const executed = 'digest' in issued ? issued : undefined;
      showChange({ facts: { run, attempt, member, receipt }, words, executed }, output);
    },
  });
