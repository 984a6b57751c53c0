/**
 * @module What leaves a site of an error of its trainer: a class of a list and 16 bits.
 */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { faultName } from '../../client/participant/machine/trainer-fault.ts';
import { FloeError } from '../../protocol/errors.ts';

const nameOf = (thrown: Error): string => faultName(thrown, thrown.message);

it('no word of a message or of a class of the user leaves the site', () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (message, name) => {
      const thrown = Object.assign(new Error(message), { name });
      expect(nameOf(thrown)).toMatch(/^[A-Z]\w*Error [0-9a-f]{4}$|^Error [0-9a-f]{4}$/u);
    }),
  );
});

it('members that meet the same error say the same, whatever rows and paths it names', () => {
  const of = (row: number, path: string) =>
    new TypeError(`row ${row} of "${path}" in /home/${path}`);
  expect(nameOf(of(1, 'anna'))).toBe(nameOf(of(52, 'berta')));
  expect(nameOf(of(1, 'anna'))).toMatch(/^TypeError /u);
  expect(nameOf(new TypeError('another'))).not.toBe(nameOf(of(1, 'anna')));
  expect(nameOf(new FloeError('tensor_mismatch', 'x'))).toMatch(/^tensor_mismatch /u);
});
