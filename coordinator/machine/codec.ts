/**
 * @module The parts of a snapshot's schema: each converts a value of the state to plain data, and
 * strictly back. The compiler checks field names and types against the state: a schema that omits a
 * field does not compile.
 */
import * as v from 'valibot';
import { equalBytes, fromHex, toHex } from '../../protocol/bytes.ts';
import { FloeError, isErrorCode, type ErrorCode } from '../../protocol/errors.ts';
import {
  decodeRecord,
  type RecordType,
  type SignedRecord,
} from '../../protocol/records/records.ts';
import type { Hex } from './state.ts';

/** Takes note of the records that a snapshot refers to and does not carry. */
export interface Refs {
  /** @returns the reference */
  note(record: SignedRecord): number;
}

/** The data that a snapshot refers to. */
export interface Found {
  /** By reference. */
  readonly records: readonly SignedRecord[];
  /** The sealed entries of a share record. */
  entriesOf(share: SignedRecord): readonly Uint8Array[];
}

export interface Codec<Value> {
  write(value: Value, refs: Refs): unknown;
  /** @throws FloeError `journal_corrupt` */
  read(data: unknown, found: Found): Value;
}

export const damaged = (what: string): FloeError =>
  new FloeError('journal_corrupt', `the snapshot does not fit its schema: ${what}`);

const plain = <Value>(what: string, fits: (data: unknown) => data is Value): Codec<Value> => ({
  write: (value) => value,
  read: (data) => {
    if (!fits(data)) throw damaged(`expected ${what}`);
    return data;
  },
});

export const whole = plain('a whole number', (data): data is number => Number.isSafeInteger(data));
export const decimal = plain('a number', (data): data is number => Number.isFinite(data));
export const text = plain('text', (data): data is string => typeof data === 'string');
export const errorCode = plain(
  'an error code',
  (data): data is ErrorCode => typeof data === 'string' && isErrorCode(data),
);
export const flag = plain('a flag', (data): data is boolean => typeof data === 'boolean');
const isBytes = (data: unknown): data is Uint8Array => data instanceof Uint8Array;
export const bytes = plain('bytes', isBytes);
export const hash = plain(
  '32 bytes',
  (data): data is Uint8Array => isBytes(data) && data.length === 32,
);
export const oneOf = <Value extends string>(...values: readonly Value[]): Codec<Value> =>
  plain(values.join(', '), (data): data is Value => values.includes(data as Value));

/** An identity, as 32 bytes. */
export const hex: Codec<Hex> = {
  write: (key) => fromHex(key),
  read: (data, found) => toHex(hash.read(data, found)),
};

/** Plain data that a schema of the protocol describes. */
export const fitting = <Schema extends v.GenericSchema>(
  schema: Schema,
): Codec<v.InferOutput<Schema>> => ({
  write: (value) => value,
  read: (data) => {
    const result = v.safeParse(schema, data, { abortEarly: true });
    if (!result.success) throw damaged(result.issues[0].message);
    return result.output;
  },
});

/** Encodes undefined as null. */
export const optional = <Value>(codec: Codec<Value>): Codec<Value | undefined> => ({
  write: (value, refs) => (value === undefined ? null : codec.write(value, refs)),
  read: (data, found) => (data === null ? undefined : codec.read(data, found)),
});

const listOf = (data: unknown): readonly unknown[] => {
  if (!Array.isArray(data)) throw damaged('expected a list');
  return data;
};

export const list = <Value>(codec: Codec<Value>): Codec<readonly Value[]> => ({
  write: (values, refs) => values.map((value) => codec.write(value, refs)),
  read: (data, found) => listOf(data).map((each) => codec.read(each, found)),
});

export const pair = <First, Second>(
  first: Codec<First>,
  second: Codec<Second>,
): Codec<readonly [First, Second]> => ({
  write: ([one, two], refs) => [first.write(one, refs), second.write(two, refs)],
  read: (data, found) => {
    const [one, two, ...more] = listOf(data);
    if (two === undefined || more.length > 0) throw damaged('expected two values');
    return [first.read(one, found), second.read(two, found)];
  },
});

/** In the order of insertion, which the machine relies on. */
export const mapBy = <Key, Value>(
  key: Codec<Key>,
  codec: Codec<Value>,
): Codec<ReadonlyMap<Key, Value>> => {
  const entries = list(pair(key, codec));
  return {
    write: (map, refs) => entries.write([...map], refs),
    read: (data, found) => {
      const read = entries.read(data, found);
      const map = new Map(read);
      if (map.size < read.length) throw damaged('a key is there twice');
      return map;
    },
  };
};

/** By identity. */
export const mapOf = <Value>(codec: Codec<Value>): Codec<ReadonlyMap<Hex, Value>> =>
  mapBy(hex, codec);

/** Of identities, in the order of insertion. */
export const identities: Codec<ReadonlySet<Hex>> = {
  write: (set, refs) => list(hex).write([...set], refs),
  read: (data, found) => {
    const read = list(hex).read(data, found);
    const set = new Set(read);
    if (set.size < read.length) throw damaged('an identity is there twice');
    return set;
  },
};

/**
 * One codec for each field. A field that may be absent is left out where its codec reads undefined.
 */
export type Fields<Value> = { readonly [Key in keyof Value]-?: Codec<Required<Value>[Key]> };

const fieldsOf = (data: unknown): Readonly<Record<string, unknown>> => {
  if (typeof data !== 'object' || data === null || Array.isArray(data) || isBytes(data))
    throw damaged('expected fields');
  return data as Readonly<Record<string, unknown>>;
};

export const struct = <Value extends object>(fields: Fields<Value>): Codec<Value> => {
  const codecs = Object.entries(fields) as [keyof Value & string, Codec<unknown>][];
  return {
    write: (value, refs) =>
      Object.fromEntries(
        codecs
          .filter(([name]) => Object.hasOwn(value, name))
          .map(([name, codec]) => [name, codec.write(value[name], refs)]),
      ),
    read: (data, found) => {
      const given = fieldsOf(data);
      for (const name of Object.keys(given))
        if (!Object.hasOwn(fields, name)) throw damaged(`unknown field ${name}`);
      return Object.fromEntries(
        codecs.flatMap(([name, codec]) => {
          if (Object.hasOwn(given, name)) return [[name, codec.read(given[name], found)]];
          if (!absentCodecs.has(codec)) throw damaged(`field ${name} is missing`);
          return [];
        }),
      ) as Value;
    },
  };
};

const absentCodecs = new WeakSet<Codec<unknown>>();

/** For a property that need not be there (`name?:`). */
export const absent = <Value>(codec: Codec<Value>): Codec<Value> => {
  const own = { ...codec };
  absentCodecs.add(own);
  return own;
};

/** One of several forms, told apart by `type`. */
export const variant = <Value extends { readonly type: string }>(forms: {
  readonly [Type in Value['type']]: Codec<Extract<Value, { readonly type: Type }>>;
}): Codec<Value> => ({
  write: (value, refs) => (forms[value.type as Value['type']] as Codec<Value>).write(value, refs),
  read: (data, found) => {
    const { type } = fieldsOf(data);
    if (typeof type !== 'string' || !Object.hasOwn(forms, type))
      throw damaged(`unknown type ${String(type)}`);
    return (forms[type as Value['type']] as Codec<Value>).read(data, found);
  },
});

const ofType = <Type extends RecordType>(type: Type, record: SignedRecord): SignedRecord<Type> => {
  if (record.type !== type) throw damaged(`expected a ${type} record, got ${record.type}`);
  return record as SignedRecord<Type>;
};

const noted = (data: unknown, { records }: Found): SignedRecord => {
  const record = typeof data === 'number' ? records[data] : undefined;
  if (record === undefined) throw damaged('expected the number of a record');
  return record;
};

/** A record of the transcript: referred to, not carried. */
export const kept = <Type extends RecordType>(type: Type): Codec<SignedRecord<Type>> => ({
  write: (record, refs) => refs.note(record as SignedRecord),
  read: (data, found) => ofType(type, noted(data, found)),
});

/** One of two types of the transcript. */
export const keptEither = <One extends RecordType, Other extends RecordType>(
  one: One,
  other: Other,
): Codec<SignedRecord<One | Other>> => ({
  write: (record, refs) => refs.note(record as SignedRecord),
  read: (data, found) => {
    const record = noted(data, found);
    return (record.type === one ? ofType(one, record) : ofType(other, record)) as SignedRecord<
      One | Other
    >;
  },
});

/** The bytes of a record of the transcript. */
export const keptBytes: Codec<Uint8Array> = {
  write: (record, refs) => refs.note(decodeRecord(record)),
  read: (data, found) => noted(data, found).bytes,
};

/** A record that is not in the transcript, or not yet: carried. */
export const carried = <Type extends RecordType>(type: Type): Codec<SignedRecord<Type>> => ({
  write: (record) => record.bytes,
  read: (data, found) => ofType(type, decodeRecord(bytes.read(data, found))),
});

/** Records by number, each once. */
export const collectRefs = (): Refs & { readonly hashes: readonly Uint8Array[] } => {
  const numbers = new Map<string, number>();
  const hashes: Uint8Array[] = [];
  return {
    hashes,
    note: (record) => {
      const name = toHex(record.hash);
      const known = numbers.get(name) ?? hashes.push(record.hash) - 1;
      numbers.set(name, known);
      return known;
    },
  };
};

/**
 * Decodes the records that a snapshot refers to.
 * @throws FloeError `journal_corrupt` for a record that does not match its reference
 */
export const openRefs = (
  hashes: readonly Uint8Array[],
  found: readonly Uint8Array[],
): SignedRecord[] =>
  hashes.map((name, i) => {
    const record = decodeRecord(found[i] ?? new Uint8Array());
    if (!equalBytes(record.hash, name)) throw damaged(`record ${toHex(name)} is another`);
    return record;
  });
