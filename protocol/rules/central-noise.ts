/**
 * @module The key of central noise in a commit: see algorithm/central-noise.ts.
 */
import { isCentral } from '../algorithm/central-noise.ts';
import { requireReaders } from '../model/key-envelopes.ts';
import { finding, rulesOf, type Rule } from './rule.ts';

export const CENTRAL_NOISE_RULES: readonly Rule[] = [
  rulesOf('commit')({
    name: 'noise',
    says: 'With central noise the commit holds the key of its draws for coordinator and auditors; no other commit does.',
    code: 'reader_left_out',
    check: ({ spec }, { attempt, body: { noise } }) =>
      isCentral(spec) === (noise !== undefined)
        ? noise &&
          finding(() =>
            requireReaders(noise.envelope, {
              spec,
              purpose: { attempt, role: 'update' },
              members: [],
              cohortOf: attempt,
            }),
          )
        : `the commit comes ${noise === undefined ? 'without the' : 'with a'} key of central noise`,
  }),
];
