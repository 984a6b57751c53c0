/**
 * @module Reader of compiled Move modules (the Move binary format, versions 6 and 7 with Sui's flavour byte). Strict: tables must
 * tile the file exactly, every integer is canonical ULEB128, every index is checked here, and nothing is allocated from
 * a length that the file itself does not back with bytes. What comes out can be indexed without further checks.
 */
import { DevnetError } from '../errors.ts';
import { OPERAND, OP, type OperandKind } from './opcodes.ts';
import type {
  Primitive,
  Token,
  ModuleHandle,
  DatatypeHandle,
  FunctionHandle,
  FieldDefinition,
  StructDefinition,
  EnumDefinition,
  Instruction,
  JumpTable,
  FunctionBody,
  FunctionDefinition,
  GenericUse,
  CompiledModule,
} from './module.ts';
import type { Address } from './types.ts';

/** Largest module read, bytes. A whole Sui package may have 100 KiB. */
export const MODULE_BYTES = 256 * 1024;
const TOKEN_DEPTH = 64;
const IDENTIFIER = /^(?:[A-Za-z][A-Za-z0-9_]*|_[A-Za-z0-9_]+|<SELF>)$/;

export const malformed = (what: string): DevnetError =>
  new DevnetError('module_malformed', `not a Move module: ${what}`);

/** Cursor over bytes; every read is checked. */
class Reader {
  readonly bytes: Uint8Array;
  at: number;
  readonly end: number;

  constructor(bytes: Uint8Array, at = 0, end = bytes.length) {
    this.bytes = bytes;
    this.at = at;
    this.end = end;
  }
  get done(): boolean {
    return this.at >= this.end;
  }
  take(count: number): Uint8Array {
    if (count > this.end - this.at) throw malformed(`expected ${count} bytes at ${this.at}`);
    const from = this.at;
    this.at += count;
    return this.bytes.subarray(from, this.at);
  }
  u8(): number {
    const byte = this.bytes[this.at];
    if (byte === undefined || this.at >= this.end) throw malformed(`it ends at ${this.at}`);
    this.at += 1;
    return byte;
  }
  /** Canonical ULEB128 of at most 32 bits, checked against `limit` (exclusive). */
  uleb(limit: number, what: string): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.u8();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) {
        if (byte === 0 && shift > 0) throw malformed(`${what} is not canonical ULEB128`);
        if (value >= limit) throw malformed(`${what} is ${value}, expected less than ${limit}`);
        return value;
      }
    }
    throw malformed(`${what} is too long`);
  }
  /** A count of things that take at least one byte each. */
  count(what: string, most = 65_536): number {
    return this.uleb(Math.min(most, this.end - this.at) + 1, `number of ${what}`);
  }
  little(width: number): bigint {
    let value = 0n;
    const bytes = this.take(width);
    for (let i = width - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i] ?? 0);
    return value;
  }
}

const PRIMITIVES: Readonly<Record<number, Primitive>> = {
  1: 'bool',
  2: 'u8',
  3: 'u64',
  4: 'u128',
  5: 'address',
  12: 'signer',
  13: 'u16',
  14: 'u32',
  15: 'u256',
};

/** Table kinds of the format, in the numbering of the file. */
const TABLE = {
  moduleHandles: 0x1,
  datatypeHandles: 0x2,
  functionHandles: 0x3,
  functionInstances: 0x4,
  signatures: 0x5,
  constants: 0x6,
  identifiers: 0x7,
  addresses: 0x8,
  structs: 0xa,
  structInstances: 0xb,
  functions: 0xc,
  fieldHandles: 0xd,
  fieldInstances: 0xe,
  friends: 0xf,
  metadata: 0x10,
  enums: 0x11,
  enumInstances: 0x12,
  variantHandles: 0x13,
  variantInstances: 0x14,
} as const;
const TABLE_KINDS: ReadonlySet<number> = new Set(Object.values(TABLE));

interface Header {
  readonly version: number;
  readonly self: number;
  readonly tables: ReadonlyMap<number, { readonly start: number; readonly end: number }>;
}

const readHeader = (bytes: Uint8Array): Header => {
  if (bytes.length > MODULE_BYTES)
    throw malformed(`${bytes.length} bytes, expected at most ${MODULE_BYTES}`);
  const reader = new Reader(bytes);
  if (reader.take(4).join() !== '161,28,235,11') throw malformed('the magic number is missing');
  const raw = Number(reader.little(4));
  const version = raw & 0xffffff;
  const flavour = raw >>> 24;
  if (version < 6 || version > 7) throw malformed(`version ${version}, expected 6 or 7`);
  if (flavour !== (version >= 7 ? 5 : 0)) throw malformed(`flavour ${flavour} is not Sui's`);
  const entries: { kind: number; offset: number; length: number }[] = [];
  const tableCount = reader.count('tables', 32);
  for (let i = 0; i < tableCount; i++) {
    const kind = reader.u8();
    if (!TABLE_KINDS.has(kind)) throw malformed(`unknown table kind ${kind}`);
    if (entries.some((entry) => entry.kind === kind)) throw malformed(`two tables of kind ${kind}`);
    const offset = reader.uleb(bytes.length + 1, 'table offset');
    const length = reader.uleb(bytes.length + 1, 'table length');
    if (length === 0) throw malformed(`table ${kind} is empty`);
    entries.push({ kind, offset, length });
  }
  const start = reader.at;
  const tables = new Map<number, { start: number; end: number }>();
  let next = 0;
  for (const { kind, offset, length } of entries.toSorted((a, b) => a.offset - b.offset)) {
    if (offset !== next) throw malformed('tables overlap or leave a gap');
    next += length;
    if (start + next > bytes.length) throw malformed('a table runs past the end');
    tables.set(kind, { start: start + offset, end: start + next });
  }
  reader.at = start + next;
  const self = reader.uleb(65_536, 'self module');
  if (!reader.done) throw malformed('bytes follow the module');
  return { version, self, tables };
};

/** Byte offset of the 32 bytes of the module's own address, for relocation. */
export const selfAddressOffset = (bytes: Uint8Array): number => {
  const { self, tables } = readHeader(bytes);
  const handles = tables.get(TABLE.moduleHandles);
  const addresses = tables.get(TABLE.addresses);
  if (handles === undefined || addresses === undefined) throw malformed('it has no module handle');
  const reader = new Reader(bytes, handles.start, handles.end);
  for (let i = 0; ; i++) {
    const index = reader.uleb(65_536, 'address');
    reader.uleb(65_536, 'identifier');
    const at = addresses.start + index * 32;
    if (i < self) continue;
    if (at + 32 > addresses.end) throw malformed('its own address is missing');
    return at;
  }
};

const toAddress = (bytes: Uint8Array): Address => `0x${Buffer.from(bytes).toString('hex')}`;

const abilities = (reader: Reader): number => reader.uleb(16, 'abilities');

/** Reads and bounds-checks a module. @throws DevnetError `module_malformed` naming what was expected. */
export const readModule = (bytes: Uint8Array): CompiledModule => {
  const { version, self, tables } = readHeader(bytes);
  const table = <T>(kind: number, read: (reader: Reader) => T): T[] => {
    const place = tables.get(kind);
    if (place === undefined) return [];
    const reader = new Reader(bytes, place.start, place.end);
    const rows: T[] = [];
    while (!reader.done) {
      if (rows.length >= 65_535) throw malformed(`table ${kind} has too many rows`);
      rows.push(read(reader));
    }
    return rows;
  };
  const identifiers = table(TABLE.identifiers, (reader) => {
    const raw = reader.take(reader.uleb(129, 'length of an identifier'));
    const text = Buffer.from(raw).toString('latin1');
    if (!IDENTIFIER.test(text)) throw malformed('an identifier has a character that none may have');
    return text;
  });
  const addresses = table(TABLE.addresses, (reader) => toAddress(reader.take(32)));
  const identifier = (reader: Reader): string =>
    identifiers[reader.uleb(identifiers.length, 'identifier')] ?? '';
  const moduleHandle = (reader: Reader): ModuleHandle => ({
    address: addresses[reader.uleb(addresses.length, 'address')] ?? '',
    name: identifier(reader),
  });
  const moduleHandles = table(TABLE.moduleHandles, moduleHandle);
  if (self >= moduleHandles.length) throw malformed('it has no handle for itself');
  const datatypeHandles = table(TABLE.datatypeHandles, (reader): DatatypeHandle => {
    const module = reader.uleb(moduleHandles.length, 'module handle');
    const name = identifier(reader);
    const own = abilities(reader);
    const typeParameters = Array.from({ length: reader.count('type parameters', 32) }, () => ({
      constraints: abilities(reader),
      phantom: reader.uleb(2, 'phantom flag') === 1,
    }));
    return { module, name, abilities: own, typeParameters };
  });
  const token = (reader: Reader, depth = 0): Token => {
    if (depth > TOKEN_DEPTH) throw malformed('a type is nested too deep');
    const kind = reader.u8();
    const primitive = PRIMITIVES[kind];
    if (primitive !== undefined) return { kind: primitive };
    switch (kind) {
      case 6:
      case 7:
        if (depth > 0) throw malformed('a reference inside of a type');
        return { kind: 'reference', mutable: kind === 7, to: token(reader, depth + 1) };
      case 8:
      case 11: {
        const handle = reader.uleb(datatypeHandles.length, 'datatype handle');
        const arity = datatypeHandles[handle]?.typeParameters.length ?? 0;
        const given = kind === 8 ? 0 : reader.uleb(33, 'number of type arguments');
        if (given !== arity || (kind === 11 && given === 0))
          throw malformed(`${given} type arguments, expected ${arity}`);
        const args = Array.from({ length: given }, () => token(reader, depth + 1));
        return { kind: 'datatype', handle, args };
      }
      case 9:
        return { kind: 'parameter', index: reader.uleb(32, 'type parameter') };
      case 10:
        return { kind: 'vector', of: token(reader, depth + 1) };
      default:
        throw malformed(`unknown type ${kind}`);
    }
  };
  const signatures = table(TABLE.signatures, (reader) =>
    Array.from({ length: reader.count('types in a signature', 256) }, () => token(reader)),
  );
  const signature = (reader: Reader): readonly Token[] =>
    signatures[reader.uleb(signatures.length, 'signature')] ?? [];
  const functionHandles = table(TABLE.functionHandles, (reader): FunctionHandle => ({
    module: reader.uleb(moduleHandles.length, 'module handle'),
    name: identifier(reader),
    parameters: signature(reader),
    returns: signature(reader),
    typeParameters: Array.from({ length: reader.count('type parameters', 32) }, () =>
      abilities(reader),
    ),
  }));
  const generic =
    (limit: number) =>
    (reader: Reader): GenericUse => ({
      index: reader.uleb(limit, 'index of a generic'),
      args: signature(reader),
    });
  const functionInstances = table(TABLE.functionInstances, generic(functionHandles.length));
  const constants = table(TABLE.constants, (reader) => ({
    type: token(reader),
    bytes: reader.take(reader.uleb(65_536, 'length of a constant')).slice(),
  }));
  const fields = (reader: Reader): FieldDefinition[] =>
    Array.from({ length: reader.count('fields', 256) }, () => ({
      name: identifier(reader),
      type: token(reader),
    }));
  const structs = table(TABLE.structs, (reader): StructDefinition => {
    const handle = reader.uleb(datatypeHandles.length, 'datatype handle');
    if (reader.u8() !== 2) throw malformed('a native struct');
    const definition = { handle, fields: fields(reader) };
    if (definition.fields.length === 0) throw malformed('a struct without fields');
    return definition;
  });
  const enums = table(TABLE.enums, (reader): EnumDefinition => {
    const handle = reader.uleb(datatypeHandles.length, 'datatype handle');
    if (reader.u8() !== 2) throw malformed('an enum without a declaration');
    const count = reader.count('variants', 127);
    if (count === 0) throw malformed('an enum without variants');
    const variants = Array.from({ length: count }, () => ({
      name: identifier(reader),
      fields: fields(reader),
    }));
    return { handle, variants };
  });
  const structInstances = table(TABLE.structInstances, generic(structs.length));
  const fieldHandles = table(TABLE.fieldHandles, (reader) => {
    const struct = reader.uleb(structs.length, 'struct');
    return { struct, field: reader.uleb(structs[struct]?.fields.length ?? 0, 'field') };
  });
  const fieldInstances = table(TABLE.fieldInstances, generic(fieldHandles.length));
  const friends = table(TABLE.friends, moduleHandle);
  table(TABLE.metadata, (reader) => {
    reader.take(reader.uleb(1024, 'length of a metadata key'));
    reader.take(reader.uleb(65_536, 'length of metadata'));
  });
  const enumInstances = table(TABLE.enumInstances, generic(enums.length));
  const variantHandles = table(TABLE.variantHandles, (reader) => {
    const index = reader.uleb(enums.length, 'enum');
    return { enum: index, tag: reader.uleb(enums[index]?.variants.length ?? 0, 'variant') };
  });
  const variantInstances = table(TABLE.variantInstances, (reader) => {
    const instance = reader.uleb(enumInstances.length, 'enum instance');
    const variants = enums[enumInstances[instance]?.index ?? 0]?.variants.length ?? 0;
    return { instance, tag: reader.uleb(variants, 'variant') };
  });
  const sizes: Readonly<Record<Exclude<OperandKind, 'literal' | 'none'>, number>> = {
    local: 256,
    code: 65_536,
    constant: constants.length,
    field: fieldHandles.length,
    fieldInstance: fieldInstances.length,
    function: functionHandles.length,
    functionInstance: functionInstances.length,
    struct: structs.length,
    structInstance: structInstances.length,
    vector: signatures.length,
    variant: variantHandles.length,
    variantInstance: variantInstances.length,
    jumpTable: 256,
  };
  const instruction = (reader: Reader): Instruction => {
    const op = reader.u8();
    const operand = OPERAND[op];
    if (operand === undefined) throw malformed(`unknown or forbidden instruction ${op}`);
    if (operand.kind === 'none') return { op, arg: 0, count: 0 };
    if (operand.kind === 'literal') {
      const value = reader.little(operand.width);
      return { op, arg: operand.width <= 4 ? Number(value) : value, count: 0 };
    }
    const arg = reader.uleb(sizes[operand.kind], `operand of instruction ${op}`);
    const counted = op === OP.VEC_PACK || op === OP.VEC_UNPACK;
    return { op, arg, count: counted ? Number(reader.little(8)) : 0 };
  };
  const body = (reader: Reader): FunctionBody => {
    const locals = signature(reader);
    const code = Array.from({ length: reader.count('instructions') }, () => instruction(reader));
    const jumpTables =
      version < 7
        ? []
        : Array.from({ length: reader.count('jump tables', 255) }, (): JumpTable => {
            const enumDefinition = reader.uleb(enums.length, 'enum');
            const count = reader.count('branches', 127);
            if (reader.u8() !== 1) throw malformed('unknown kind of jump table');
            const targets = Array.from({ length: count }, () =>
              reader.uleb(code.length, 'branch target'),
            );
            if (count !== enums[enumDefinition]?.variants.length)
              throw malformed('a jump table does not list every variant');
            return { enumDefinition, targets };
          });
    for (const { op, arg } of code) {
      const kind = OPERAND[op]?.kind;
      if (kind === 'code' && Number(arg) >= code.length) throw malformed('a branch out of code');
      if (kind === 'jumpTable' && Number(arg) >= jumpTables.length)
        throw malformed('a jump table that does not exist');
    }
    return { locals, code, jumpTables };
  };
  const functions = table(TABLE.functions, (reader): FunctionDefinition => {
    const handle = reader.uleb(functionHandles.length, 'function handle');
    const visibility = ({ 0: 'private', 1: 'public', 3: 'friend' } as const)[reader.u8()];
    if (visibility === undefined) throw malformed('unknown visibility');
    const flags = reader.u8();
    if ((flags & ~6) !== 0) throw malformed(`unknown function flags ${flags}`);
    if (reader.count('acquired resources') > 0) throw malformed('global storage is not on Sui');
    const isNative = (flags & 2) !== 0;
    const isEntry = (flags & 4) !== 0;
    return { handle, visibility, isEntry, body: isNative ? undefined : body(reader) };
  });
  return {
    version,
    self,
    moduleHandles,
    datatypeHandles,
    functionHandles,
    functionInstances,
    signatures,
    constants,
    structs,
    structInstances,
    functions,
    fieldHandles,
    fieldInstances,
    friends,
    enums,
    enumInstances,
    variantHandles,
    variantInstances,
  };
};
