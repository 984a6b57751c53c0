/**
 * @module What is wrong with the survey of a specification.
 */
import { toFloeError } from '../errors.ts';
import { surveyViolation, type SurveyRun } from '../survey/survey-run.ts';

/** Why the run cannot be a survey; undefined where it can, and where it is none. */
export const violationOfSurvey = (spec: SurveyRun): string | undefined => {
  try {
    return surveyViolation(spec);
  } catch (thrown) {
    // A contract that no survey can be made of.
    return toFloeError(thrown).message;
  }
};
