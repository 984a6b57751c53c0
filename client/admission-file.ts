/**
 * @module The requirements of a participant as a JSON file: the fields of `AdmissionInput`, keys
 * and hashes in hex.
 */
import * as v from 'valibot';
import { fromHex } from '../protocol/bytes.ts';
import { FloeError } from '../protocol/errors.ts';
import { admissionSchema, type AdmissionInput } from './admission.ts';
import { issueText } from '../protocol/wire/issue.ts';

const keyText = v.pipe(
  v.string(),
  v.regex(/^[0-9a-f]{64}$/u, 'expected 64 lower-case hex digits'),
  v.transform(fromHex),
);
const fileSchema = v.partial(
  v.strictObject({
    ...admissionSchema.entries,
    members: v.array(keyText),
    parents: v.array(keyText),
  }),
);

/** @param from names the file in errors @throws FloeError `usage` naming the field */
export const parseAdmission = (bytes: Uint8Array, from: string): AdmissionInput => {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new FloeError('usage', `${from}: ${(cause as Error).message}`, {}, { cause });
  }
  const result = v.safeParse(fileSchema, value, { abortEarly: true });
  if (result.success) return result.output;
  throw new FloeError('usage', `${from}: ${issueText(result.issues[0])}`);
};
