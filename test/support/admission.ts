/**
 * @module What participants of tests require of a run: small open cohorts, with or without masks.
 * Tests of the policy set their own.
 */
import type { AdmissionInput } from '../../client/admission.ts';

export const TEST_ADMISSION: AdmissionInput = { masked: false, minimum: 3, known: 0, steps: 1 };
