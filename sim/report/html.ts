/**
 * @module The pieces of which every page is made: escaped text, numbers as people read them, cards,
 * rows and places for plots.
 */

/** Text for an HTML element or a quoted attribute. */
export const escapeHtml = (text: string): string =>
  text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;');

/**
 * JSON inside a script element: no `<`, so that neither a closing tag nor a comment can begin in
 * it.
 */
export const jsonForScript = (value: unknown): string =>
  JSON.stringify(value)
    .replaceAll('<', '\\u003c')
    .replaceAll('\u2028', '\\u2028')
    .replaceAll('\u2029', '\\u2029');

/** `1.5 MB`; decimal units. */
export const formatBytes = (bytes: number): string => {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit] as string}`;
};

export const formatPercent = (share: number | undefined): string =>
  share === undefined ? 'not measured' : `${(share * 100).toFixed(2)} %`;

export const rows = (entries: readonly (readonly [string, string])[]): string =>
  entries
    .map(
      ([name, value]) =>
        `<tr><th scope="row">${escapeHtml(name)}</th><td class="wide">${escapeHtml(value)}</td></tr>`,
    )
    .join('\n');

export const card = (value: string, label: string): string =>
  `<div class="card"><b>${escapeHtml(value)}</b><span>${escapeHtml(label)}</span></div>`;

/** A place for a plot, whose numbers are in the table of the rounds. */
export const plot = (id: string, title: string): string =>
  `<section><h2>${escapeHtml(title)}</h2><div id="${id}" role="img" aria-label="${escapeHtml(title)} over the rounds; the table below has the numbers"></div></section>`;
