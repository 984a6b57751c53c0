/**
 * @module Where the time of a round goes, in words and as a table.
 */
import type { Summary } from '../summary.ts';
import { escapeHtml, formatPercent } from './html.ts';

/** What each kind of work is called in the report. */
const ACTIVITY_NAMES: Readonly<Record<string, string>> = {
  training: 'local training',
  aggregation: 'secure aggregation: the phases share, consistency, unmask',
  storage: 'storage: blobs written and read',
  keys: 'keys: sealed and opened',
  ledger: 'ledger: freezes and versions',
  scoring: 'scoring of the models',
  baseline: 'centralised baseline',
};

const wholePercent = (value: number): string => `${Math.round(value * 100)} %`;

/** `storage 21 % (64 % of it during training)`, one for each kind of work. */
export const describeActivities = ({ activities }: Pick<Summary, 'activities'>): string[] =>
  Object.entries(activities)
    .filter(([, { seconds }]) => seconds > 0)
    .map(([name, { share, besideTraining }]) => {
      const beside =
        name === 'training' ? '' : ` (${wholePercent(besideTraining)} of it during training)`;
      return `${name} ${wholePercent(share)}${beside}`;
    });

export const activityTable = ({ activities, rounds }: Summary): string => {
  const body = Object.entries(activities)
    .filter(([, { seconds }]) => seconds > 0)
    .map(
      ([name, { seconds, share, besideTraining }]) =>
        `<tr><th scope="row">${escapeHtml(ACTIVITY_NAMES[name] ?? name)}</th>${[
          (seconds / Math.max(1, rounds)).toFixed(2),
          formatPercent(share),
          name === 'training' ? '–' : formatPercent(besideTraining),
        ]
          .map((cell) => `<td class="n">${escapeHtml(cell)}</td>`)
          .join('')}</tr>`,
    )
    .join('\n');
  return `<section><h2>Where a round's time goes</h2>
<p class="lead">For how much of the rounds' time something of the kind was under way. They overlap: the shares add up to more than 100 %.</p>
<div class="scroll"><table><thead><tr><th></th><th class="n" scope="col">seconds a round</th><th class="n" scope="col">share</th><th class="n" scope="col">of it during training</th></tr></thead><tbody>${body}</tbody></table></div></section>`;
};
