/**
 * @module The draw as a function: of one record it is made once, however often the record is met.
 */
import { describe, expect, it } from 'vitest';
import { compareBytes } from '../../protocol/bytes.ts';
import { deriveSeed } from '../../protocol/ports/random.ts';
import { drawnBy, type Draw } from '../../protocol/rules/selection.ts';
import { ticket } from '../../protocol/rules/tickets.ts';
import { testSpec } from '../support/run.ts';

const key = (i: number): Uint8Array => deriveSeed(new Uint8Array(32), i);
const eligible = Array.from({ length: 40 }, (_, i) => key(i)).toSorted(compareBytes);
const at = { attempt: 3, beacon: key(99) };
const draw: Draw = { eligible, late: [key(5)], out: [key(7)] };

describe('the draw', () => {
  it('gives the smallest tickets of those who are neither late nor out', async () => {
    const spec = await testSpec({ cohort: { size: 4, minimum: 3, overSelect: 1 } });
    const expected = eligible
      .filter((each) => compareBytes(each, key(5)) !== 0 && compareBytes(each, key(7)) !== 0)
      .toSorted((a, b) => compareBytes(ticket(at, a), ticket(at, b)))
      .slice(0, 4)
      .toSorted(compareBytes);
    expect(drawnBy(spec, at, draw)).toEqual({ must: expected, late: [], places: 0 });
  });

  it('is made once for one record, attempt and R', async () => {
    const spec = await testSpec({ cohort: { size: 4, minimum: 3, overSelect: 1 } });
    const drawn = drawnBy(spec, at, draw);
    expect(drawnBy(spec, { attempt: 3, beacon: key(99) }, draw)).toBe(drawn);
    expect(drawnBy(spec, { ...at, beacon: key(98) }, draw)).not.toEqual(drawn);
    expect(drawnBy(spec, { ...at, attempt: 4 }, draw)).not.toEqual(drawn);
  });
});
