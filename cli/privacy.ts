/**
 * @module `floe privacy`: plans differential privacy before a run starts: the noise, the ring that
 * holds it, and what it does to the updates.
 */
import type { Ring } from '../protocol/encoding/layout.ts';
import { command } from './command.ts';
import { kindOf, required, standard, value, whole } from './flags.ts';

const number = (help: string, above: number, max: number) =>
  value('<x>', help, kindOf<number>({ type: 'number', above, max }));
const ring = kindOf<Ring>({
  type: 'choice',
  choices: ['ring16', 'ring24', 'ring32'],
  default: 'ring16',
});

export const privacyCommand = () =>
  command({
    name: 'privacy',
    about:
      'plan differential privacy: the noise that an epsilon needs, and what it costs in accuracy',
    flags: {
      targetEpsilon: required(number('epsilon of each participant over the run', 0, 1000)),
      delta: standard(number('delta of each participant', 0, 0.5), 1e-6),
      participants: required(whole('participants of the run', 3, 100_000)),
      cohort: required(whole('participants of a round', 3, 4096)),
      rounds: required(whole('rounds of the run', 1, 1_000_000)),
      dimension: required(whole('parameters that travel', 1, 2 ** 28)),
      minimum: whole('fewest survivors in a sum (default: 60 % of the cohort)', 3, 4096),
      groupSize: whole(
        'members of the groups of a robust rule, at least: each is opened alone (default: one sum)',
        3,
        255,
      ),
      buffer: whole(
        'buffered rounds: ready updates that form one, as many as the cohort (default: none)',
        3,
        255,
      ),
      honest: standard(
        value(
          '<fraction>',
          'fraction of a cohort, or of all participants with a buffer, that adds its noise as agreed',
          kindOf<number>({ type: 'fraction', above: 0, max: 1 }),
        ),
        0.9,
      ),
      participations: whole(
        'rounds of one participant, at most (default: the fewest that the rounds need, in groups two more)',
        1,
        1_000_000,
      ),
      clipNorm: standard(number('clip norm of an update', 0, 1e6), 1),
      ring: value('<ring>', 'ring of the masks (default: the smallest that holds the noise)', ring),
      bands: standard(
        whole('coefficients of correlated noise, which is compared in a run without draws', 2, 8),
        2,
      ),
      bits: whole('q, bits of a coordinate before noise (default: the most that fit)', 4, 20),
    },
    notes: `The noise is inside the masked vectors: each participant adds its part, sized so that the smallest honest
set of survivors adds enough. Nobody can remove it, and it costs no trust in the coordinator. With groups that set
is one of a group, in which all members may be that add no noise.`,
    examples: [
      'floe privacy --target-epsilon 4 --delta 1e-6 --participants 1000 --cohort 100 --rounds 200 --dimension 200000',
      'floe privacy --target-epsilon 8 --participants 100 --cohort 100 --rounds 20 --dimension 7850 --json',
      'floe privacy --target-epsilon 8 --participants 100 --cohort 100 --rounds 20 --dimension 7850 --group-size 20',
    ],
    run: async ({ flags: { targetEpsilon, ...sizes }, output }) => {
      const { planPrivacy } = await import('../protocol/privacy/plan.ts');
      const { planCorrelated } = await import('../protocol/privacy/plan-correlated.ts');
      const { describePlan } = await import('../protocol/privacy/describe-plan.ts');
      const input = { epsilon: targetEpsilon, ...sizes };
      const plan = planPrivacy(input);
      const correlated = planCorrelated(input, plan);
      output.document({ ...plan, ...(correlated === undefined ? {} : { correlated }) });
      output.print(describePlan(input, plan, correlated));
    },
  });
