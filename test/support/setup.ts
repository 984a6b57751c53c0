/**
 * @module Before every test file: property tests draw from one seed, so that a run can be repeated.
 */
import fc from 'fast-check';

fc.configureGlobal({ seed: 20_261_122 });
