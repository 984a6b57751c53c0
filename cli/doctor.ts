/**
 * @module `floe doctor`: checks the abilities of this machine, and whether a network answers.
 */
import { command } from './command.ts';
import { EXIT } from './exit-codes.ts';
import { standard, text, whole } from './flags.ts';
import { findSuiKey, namedNetwork, NETWORK, readNetwork, SUI_KEY } from './keys.ts';

export const doctorCommand = () =>
  command({
    name: 'doctor',
    about: 'check this machine, and with --network whether Sui, Walrus and Seal can be reached',
    flags: {
      ...NETWORK,
      ...SUI_KEY,
      dir: standard(text('<folder>', 'folder whose disk is tested'), '.'),
      port: standard(whole('port to bind; 0 for any', 0, 65_535), 0),
      coordinator: text('<url>', 'coordinator to compare the clock with'),
    },
    notes: `One working backend is sufficient, and a quorum of storage nodes and key servers: others may be down.
With a key, the command also checks its balances.`,
    examples: [
      'floe doctor',
      'floe doctor --port 7700 --json',
      'floe doctor --coordinator http://localhost:7700',
      'floe doctor --network net.json --keystore-file ~/.sui/sui_config/sui.keystore',
    ],
    exit: 'Exit codes: 0 everything Floe needs works, 1 something does not (see the lines marked "no").',
    run: async ({ flags, output, signal }) => {
      const { describeExamination, examine } = await import('../client/doctor/index.ts');
      const named = namedNetwork(flags) !== undefined;
      const report = await examine({
        folder: flags.dir,
        port: flags.port,
        network: named ? (await readNetwork(flags)).network : undefined,
        address: named ? (await findSuiKey(flags))?.address : undefined,
        coordinator: flags.coordinator,
        signal,
      });
      output.document(report);
      output.print(describeExamination(report));
      return report.ok ? EXIT.ok : EXIT.failed;
    },
  });
