/**
 * @module What others wrote, a run's name on chain or a message of a coordinator, as it reaches a
 * terminal.
 */
import { expect, it } from 'vitest';
import { createOutput, printable } from '../../cli/output.ts';
import { FloeError } from '../../protocol/errors.ts';

const FORGED = 'a run"\neverything holds, level L1\r\u001B[2J\u001B]0;title\u0007';

it('a foreign name begins no line and steers no terminal', () => {
  let printed = '';
  const sink = { isTTY: true, write: (text: string) => (printed += text) };
  const output = createOutput({
    json: false,
    quiet: false,
    debug: true,
    stdout: sink,
    stderr: sink,
  });
  output.line(`run "${FORGED}"`);
  output.say(`run "${FORGED}"`);
  output.warn(FORGED);
  output.error(new FloeError('usage', FORGED, {}, { cause: new Error(FORGED) }));
  expect(printed).not.toMatch(/^everything holds/mu);
  // oxlint-disable-next-line no-control-regex
  expect(printed).not.toMatch(/[\r\u0007]|\u001B(?!\[\d+m)/u);
});

it("what hides or turns text around is shown, Floe's own colours stay", () => {
  const hidden = ['\u001B[8m', '\u001B[30;40m', '\u202E', '\u2066', '\u2028', '\u009B2J', '\u200B'];
  for (const text of hidden) expect(printable(`a${text}b`)).toContain('\u{FFFD}');
  const own = '\u001B[1m\u001B[31mNOT masked\u001B[39m\u001B[22m';
  expect(printable(own)).toBe(own);
});
