/**
 * @module `floe join`: takes part in a run from this machine, with its own data.
 */
import { admissionOf } from '../client/admission-flags.ts';
import { FloeError } from '../protocol/errors.ts';
import { command } from './command.ts';
import { JOIN_FLAGS } from './join-flags.ts';

export const joinCommand = () =>
  command({
    name: 'join',
    about: 'take part in a run with the data of this machine',
    args: { '[url]': "the coordinator's address, such as ws://host:7700 or wss://host" },
    flags: JOIN_FLAGS,
    notes: `This participant requires masks, sums of at least 5 updates, members that the specification lists, a first
model that a seed gives, and bounds on clip norm, batch and weight. A run that offers less is refused by
name (admission_refused) right after the login. The --require flags, or --require FILE with
{"minimum": 3, "known": 0, "clipNorm": {"min": 0.1, "max": 8}}, change the requirements; the first lines
of output name each one that was lowered.

On a network the participant reads models from Walrus, requests their keys from Seal with its identity, and
compares cohorts and survivor sets with Sui. It needs no coins: the coordinator pays. --network is its own
configuration, from a source it trusts; a coordinator on another network is refused (network_mismatch), and
so is a run on a network where none is given.

An update is used once: on one model this participant answers again for the same survivor set only
(--answers strict), or also if a public ledger shows that every part of all sets has the minimum cohort
(ledger), or if each member has signed that a joint sum may become known (consent). Otherwise it
waits until the model changes (update_already_spent).

The data contract of the run defines the columns and classes of an example. Columns of equal names are taken
in any order; other names, and other names of classes, are mapped by a file (--map), see floe contract check
--help. The preflight report is printed before training. Data that does not fit is refused (data_unmapped,
data_unfit) before anything except the login is sent.

The identity is kept, so that a participant that is killed finishes its round when it is started again.
Without --keystore it is kept in floe-participant/NAME, where NAME comes from the data; its passphrase is the one
that --passphrase-file, --passphrase-fd or FLOE_PASSPHRASE gives, else a new one in the same folder. Whoever can
read that folder then has the identity; a passphrase in the folder counts before FLOE_PASSPHRASE. --forget keeps
nothing.`,
    examples: [
      'floe join wss://host --data patienten.csv --map map.json',
      'floe join wss://host --data patients.csv --out model',
      'floe join wss://host --data patients.csv --require-minimum 10',
      'floe join ws://host:7700 --data mnist --shard 3/10 --require-minimum 3 --require-known 0',
      'FLOE_PASSPHRASE=... floe join wss://host --keystore ./me --data patients.csv --expect-run 9c...07',
      'FLOE_PASSPHRASE=... floe join --keystore ./me --show-key',
      'floe join ws://host:7700 --network net.json --data mnist --shard 3/10',
    ],
    run: async (context) => {
      const [url] = context.args;
      const { flags } = context;
      if (url === undefined && flags.showKey !== true)
        throw new FloeError(
          'usage',
          'expected the address of a coordinator, such as ws://host:7700',
        );
      const { runJoin } = await import('./run-join.ts');
      const require = await admissionOf(flags.require, flags);
      await runJoin(url ?? '', require, context);
    },
  });
