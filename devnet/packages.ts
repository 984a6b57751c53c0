/**
 * @module Compiled Move packages as files: the JSON that the Sui CLI (`sui move build
 * --dump-bytecode-as-base64`) and
 * `floe-devnet/compile` give.
 */
import * as v from 'valibot';
import type { PublishablePackage } from './config.ts';
import { DevnetError } from './errors.ts';

const Package = v.object({
  modules: v.pipe(v.array(v.pipe(v.string(), v.base64())), v.minLength(1)),
  dependencies: v.array(v.pipe(v.string(), v.regex(/^0x[0-9a-f]{1,64}$/u))),
});

/** @throws {DevnetError} module_malformed, naming the file */
export const parsePackage = (text: string, path: string): PublishablePackage => {
  let data: unknown;
  try {
    data = JSON.parse(text);
  } catch (cause) {
    throw new DevnetError('module_malformed', `${path}: expected JSON`, { cause });
  }
  const parsed = v.safeParse(Package, data);
  if (!parsed.success)
    throw new DevnetError('module_malformed', `${path}: ${v.summarize(parsed.issues)}`);
  return parsed.output;
};
