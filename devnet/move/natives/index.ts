/**
 * @module The table of native functions, by `0x<short id>::module::function`. A package that
 * declares a native function missing from this table cannot be published.
 */
import { fault } from '../fault.ts';
import type { Native } from '../machine.ts';
import { cryptoNatives } from './crypto.ts';
import { NativeArguments, type NativeHost, type NativeTable } from './native.ts';
import { objectNatives } from './object.ts';
import { stdNatives } from './std.ts';

const ALL: NativeTable = { ...stdNatives, ...objectNatives, ...cryptoNatives };

/** Name of a native in the table. */
export const nativeName = (address: string, module: string, name: string): string =>
  `${address.replace(/^0x0*/, '0x')}::${module}::${name}`;

export const hasNative = (name: string): boolean => Object.hasOwn(ALL, name);

/** Binds a native to a running transaction. */
export const bindNative = (name: string, host: NativeHost): Native => {
  const native = ALL[name];
  if (native === undefined) throw fault('link', `native function ${name} is not known here`);
  return (args, types) => {
    const result = native(host, new NativeArguments(args), types);
    return result === undefined ? [] : [result];
  };
};
