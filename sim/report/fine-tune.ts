/**
 * @module The section of the report on fine-tuning after the run: deciles over the sites.
 */
import { writeChange, writeMeasure, type FineTuned } from '../fine-tune/distribution.ts';
import { plural } from '../../protocol/plural.ts';

/** HTML; its text is made of numbers alone. */
export const fineTuneSection = (tuned: FineTuned | undefined): string => {
  if (tuned === undefined) return '';
  const { epochs, batchSize, learningRate, sites, improved, diverged, measure } = tuned;
  const lost = diverged === 0 ? '' : `, ${diverged} diverged and are not counted`;
  const heads = tuned.before.map(
    (_, i) => `<th class="n" scope="col">${i === 5 ? 'median' : `${10 * i} %`}</th>`,
  );
  const row = (name: string, values: readonly number[], write: typeof writeMeasure): string =>
    `<tr><th scope="row">${name}</th>${values
      .map((value) => `<td class="n">${write(tuned, value)}</td>`)
      .join('')}</tr>`;
  return `<section><h2>Fine-tuning after the run</h2>
<p class="lead">Each of ${plural(sites, 'honest site')} trained the finished model further (${plural(epochs, 'epoch')}, batch ${batchSize}, learning rate ${learningRate}); ${improved} of them improved${lost}. ${measure === 'accuracy' ? 'Accuracy' : 'Loss'} on the examples that each had held out of the run, quantiles over the sites. In a real run these numbers stay at the sites.</p>
<div class="scroll" tabindex="0"><table><thead><tr><th></th>${heads.join('')}</tr></thead><tbody>
${row('before', tuned.before, writeMeasure)}
${row('after', tuned.after, writeMeasure)}
${row('change of a site', tuned.change, writeChange)}
</tbody></table></div></section>`;
};
