/**
 * @module The requirements of a participant as flags, generated from their table, and the policy
 * that a file and flag values give. Node only.
 */
import { readInput } from '../protocol/ports/input-file.ts';
import {
  bounds,
  hash,
  kindOf,
  on,
  repeated,
  text,
  value,
  type Flag,
  type FlagTable,
} from '../protocol/spec/flag.ts';
import { readKeys } from '../protocol/spec/run-file.ts';
import { camel } from '../protocol/spec/setting-flags.ts';
import { parseAdmission } from './admission-file.ts';
import { ADMISSION_TABLE, type Requirement } from './admission-table.ts';
import type { AdmissionInput } from './admission.ts';

const flagOfRequirement = ({ help, placeholder, takes, kind }: Requirement): Flag<unknown> => {
  const read = kind === 'hash' ? hash : kindOf<unknown>(kind);
  switch (takes) {
    case 'off':
      return { help, negatable: 'hidden' };
    case 'on':
      return on(help);
    case 'value':
      return value(placeholder ?? '<n>', help, read);
    case 'bounds':
      return value('<a..b>', help, bounds(kindOf<number>(kind as Exclude<typeof kind, 'hash'>)));
    case 'list':
      return repeated(value<unknown>(placeholder ?? '<x>', help, read));
    case 'keys':
      return text('<file>', help);
  }
};

/** Each field with the name of its flag. */
const FIELDS = Object.entries<Requirement>(ADMISSION_TABLE).map(
  ([field, requirement]) =>
    [field, camel(requirement.flag.replace(/^no-/u, '')), requirement] as const,
);

/** The flags of the requirements: `requireMinimum`, `requireKnown`, ... */
export const ADMISSION_FLAGS: FlagTable = Object.fromEntries(
  FIELDS.map(([, name, requirement]) => [name, flagOfRequirement(requirement)]),
);

const MAX_POLICY_BYTES = 1 << 20;

/**
 * The requirements of a policy file with the values of flags over them.
 *
 * @param path JSON, see `parseAdmission`; undefined for no file
 * @throws FloeError `file_not_found`, `usage`
 */
export const admissionOf = async (
  path: string | undefined,
  flags: object,
): Promise<AdmissionInput> => {
  const file =
    path === undefined
      ? {}
      : parseAdmission(await readInput('--require', path, MAX_POLICY_BYTES), path);
  const values = flags as Readonly<Record<string, unknown>>;
  const given: Record<string, unknown> = {};
  for (const [field, name, { takes, flag }] of FIELDS) {
    const own = values[name];
    if (own === undefined) continue;
    given[field] = takes === 'keys' ? await readKeys(`--${flag}`, own as string) : own;
  }
  return { ...file, ...given };
};
