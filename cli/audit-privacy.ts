/**
 * @module `floe audit-privacy`: measures a lower bound of epsilon on the code that adds the noise,
 * with canary updates, and fails where it is above the claim.
 */
import { command } from './command.ts';
import { EXIT } from './exit-codes.ts';
import { kindOf, standard, text, value, whole } from './flags.ts';

const number = (help: string, above: number, max: number) =>
  value('<x>', help, kindOf<number>({ type: 'number', above, max }));

export const auditPrivacyCommand = () =>
  command({
    name: 'audit-privacy',
    about:
      'look for canary updates in noisy sums: a lower bound of epsilon, which must not exceed the claim',
    flags: {
      targetEpsilon: standard(number('epsilon that is claimed', 0, 100), 4),
      delta: standard(number('delta that is claimed', 0, 0.1), 1e-5),
      canaries: standard(whole('canaries, each in the sums or not', 8, 4096), 512),
      dimension: standard(
        whole('coordinates, a power of two above the canaries', 16, 2 ** 20),
        1024,
      ),
      rounds: standard(whole('sums that a canary is in', 1, 100), 1),
      bands: standard(
        whole('coefficients of correlated noise, at most the sums; 1: independent noise', 1, 8),
        1,
      ),
      noiseFactor: standard(
        number('part of the noise that is really added; 0.1 shows that the audit can fail', 0, 10),
        1,
      ),
      seed: standard(text('<text>', 'text that determines the audit'), '1'),
    },
    notes: `The canaries go through the encoding of a participant and the sum through the decoding of a coordinator
(Steinke, Nasr, Jagielski 2023). With 95 % confidence no mechanism of a smaller epsilon gives such scores. The
bound is far below the claim where the noise is right: one run shows little.`,
    examples: [
      'floe audit-privacy',
      'floe audit-privacy --target-epsilon 8 --rounds 5 --json',
      'floe audit-privacy --noise-factor 0.1',
      'floe audit-privacy --rounds 10 --bands 2',
    ],
    exit: 'Exit codes: 1 where the bound is above the claim; others in floe help exit-codes.',
    run: async ({ flags: { targetEpsilon, seed, ...sizes }, output }) => {
      const { auditNoise } = await import('../protocol/privacy/audit-run.ts');
      const { masterSeed } = await import('../protocol/spec/master-seed.ts');
      const found = auditNoise({ epsilon: targetEpsilon, ...sizes, seed: masterSeed(seed) });
      output.document(found);
      const { right, guesses, canaries, epsilon, claimed, delta, ok } = found;
      output.line(`guesses    ${right} of ${guesses} right, for ${canaries} canaries`);
      output.say(
        `epsilon    at least ${epsilon.toFixed(3)} with 95 % confidence; claimed ${claimed.toFixed(3)} at delta ${delta}`,
      );
      output.say(ok ? 'the claim stands' : 'audit failed: the noise is less than the claim says');
      return ok ? EXIT.ok : EXIT.failed;
    },
  });
