/**
 * @module The rule that a site applies before anything of a survey leaves: cells are coarse. A sum
 * is opened as it is, and nobody can hide a cell of it afterwards from those who open it. So a
 * column may have no more bins or values than leave enough rows for each on average, over as many
 * sites of this size as are opened together at least.
 */
import { FloeError } from '../../protocol/errors.ts';
import { LEAST_CELL } from '../../protocol/survey/facts.ts';
import type { SurveyPlan } from '../../protocol/survey/plan.ts';

/**
 * @param rows of this site @param sites the minimum cohort
 * @throws FloeError `survey_too_fine` naming the column
 */
export const requireCoarse = ({ columns, bins }: SurveyPlan, rows: number, sites: number): void => {
  const most = Math.floor((rows * sites) / LEAST_CELL);
  for (const column of columns) {
    const isNumber = column.type === 'number';
    const cells = isNumber ? bins : column.values.length;
    if (cells <= most) continue;
    throw new FloeError(
      'survey_too_fine',
      `column ${column.name}: ${cells} ${isNumber ? 'bins' : 'values'} for ${rows} rows at each of ${sites} sites leave fewer than ${LEAST_CELL} rows for each; at most ${most} would`,
      { column: column.name, cells, most },
    );
  }
};
