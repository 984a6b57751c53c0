/**
 * @module Reader of compiled Move modules (the Move binary format, versions 6 and 7 with Sui's
 * flavour byte). Strict: tables must tile the file exactly, every integer is canonical ULEB128,
 * every index is checked here, and nothing is allocated from a length that the file itself does not
 * back with bytes. The result can be indexed without further checks.
 */
import { readFunctions } from './binary-functions.ts';
import {
  malformed,
  readHeader,
  Reader,
  TABLE,
  tableReader,
  type Header,
  type TableReader,
} from './binary-tables.ts';
import type {
  Primitive,
  Token,
  ModuleHandle,
  DatatypeHandle,
  FunctionHandle,
  FieldDefinition,
  StructDefinition,
  EnumDefinition,
  GenericUse,
  CompiledModule,
} from './module.ts';
import type { Address } from './types.ts';

export { malformed, MODULE_BYTES } from './binary-tables.ts';

const TOKEN_DEPTH = 64;
const IDENTIFIER = /^(?:[A-Za-z][A-Za-z0-9_]*|_[A-Za-z0-9_]+|<SELF>)$/;

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

const readToken = (reader: Reader, datatypes: readonly DatatypeHandle[], depth = 0): Token => {
  if (depth > TOKEN_DEPTH) throw malformed('a type is nested too deep');
  const kind = reader.u8();
  const primitive = PRIMITIVES[kind];
  if (primitive !== undefined) return { kind: primitive };
  switch (kind) {
    case 6:
    case 7:
      if (depth > 0) throw malformed('a reference inside of a type');
      return {
        kind: 'reference',
        mutable: kind === 7,
        to: readToken(reader, datatypes, depth + 1),
      };
    case 8:
    case 11: {
      const handle = reader.uleb(datatypes.length, 'datatype handle');
      const arity = datatypes[handle]?.typeParameters.length ?? 0;
      const given = kind === 8 ? 0 : reader.uleb(33, 'number of type arguments');
      if (given !== arity || (kind === 11 && given === 0))
        throw malformed(`${given} type arguments, expected ${arity}`);
      const args = Array.from({ length: given }, () => readToken(reader, datatypes, depth + 1));
      return { kind: 'datatype', handle, args };
    }
    case 9:
      return { kind: 'parameter', index: reader.uleb(32, 'type parameter') };
    case 10:
      return { kind: 'vector', of: readToken(reader, datatypes, depth + 1) };
    default:
      throw malformed(`unknown type ${kind}`);
  }
};

/** Names, types and signatures, which everything else refers to; and readers of such references. */
const readHandles = (table: TableReader, { self }: Header) => {
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
  const token = (reader: Reader): Token => readToken(reader, datatypeHandles);
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
  return {
    moduleHandles,
    datatypeHandles,
    functionHandles,
    signatures,
    identifier,
    moduleHandle,
    token,
    signature,
  };
};

type Handles = ReturnType<typeof readHandles>;

const readDefinitions = (table: TableReader, handles: Handles) => {
  const { datatypeHandles, functionHandles, identifier, moduleHandle, token, signature } = handles;
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
  return {
    functionInstances,
    constants,
    structs,
    structInstances,
    fieldHandles,
    fieldInstances,
    friends,
    enums,
    enumInstances,
    variantHandles,
    variantInstances,
  };
};

/**
 * Reads and bounds-checks a module. @throws DevnetError `module_malformed` naming what was
 * expected.
 */
export const readModule = (bytes: Uint8Array): CompiledModule => {
  const header = readHeader(bytes);
  const table = tableReader(bytes, header);
  const handles = readHandles(table, header);
  const { moduleHandles, datatypeHandles, functionHandles, signatures, signature } = handles;
  const module = {
    version: header.version,
    self: header.self,
    moduleHandles,
    datatypeHandles,
    functionHandles,
    signatures,
    ...readDefinitions(table, handles),
  };
  return { ...module, functions: readFunctions(table, module, signature) };
};
