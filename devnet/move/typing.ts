/**
 * @module The type layer: closed and open Move types, interned so that equality is identity, with
 * their abilities, the layouts of datatypes, substitution of type parameters, and type tags as text
 * and as BCS.
 */
import type { Primitive } from './module.ts';
import { type Fault, fault } from './fault.ts';
import { ABILITY, type Address } from './types.ts';

export interface DatatypeField {
  readonly name: string;
  readonly type: MoveType;
}

/** A struct or enum as registered; `fields` and `variants` are filled when its module is linked. */
export interface Datatype {
  readonly originalId: Address;
  readonly definingId: Address;
  readonly module: string;
  readonly name: string;
  readonly abilities: number;
  readonly typeParameters: readonly { readonly constraints: number; readonly phantom: boolean }[];
  /** Distinguishes it from a forgotten datatype of the same name. */
  readonly serial: number;
  isEnum: boolean;
  fields: readonly DatatypeField[];
  variants: readonly { readonly name: string; readonly fields: readonly DatatypeField[] }[];
}

interface Common {
  /** Unique text within one type table. */
  readonly key: string;
  /** Whether a type parameter occurs in it. */
  readonly open: boolean;
  /** Number of nodes of the type tree. */
  readonly nodes: number;
}
export type MoveType = Common &
  (
    | { readonly kind: Primitive }
    | { readonly kind: 'vector'; readonly of: MoveType }
    | {
        readonly kind: 'datatype';
        readonly datatype: Datatype;
        readonly args: readonly MoveType[];
        /** Field types with the arguments put in, by variant (a struct has one). */
        layout: readonly (readonly MoveType[])[] | undefined;
      }
    | { readonly kind: 'reference'; readonly mutable: boolean; readonly to: MoveType }
    | { readonly kind: 'parameter'; readonly index: number }
  );

export type DatatypeType = Extract<MoveType, { kind: 'datatype' }>;

/** Most nodes a type may have; generic recursion that builds ever larger types stops here. */
const TYPE_NODES = 512;
const PRIMITIVE_NAMES: readonly Primitive[] = [
  'bool',
  'u8',
  'u16',
  'u32',
  'u64',
  'u128',
  'u256',
  'address',
  'signer',
];
/** Tags of the BCS enum TypeTag. */
const TAG_NUMBER: Readonly<Record<Primitive | 'vector' | 'datatype', number>> = {
  bool: 0,
  u8: 1,
  u64: 2,
  u128: 3,
  address: 4,
  signer: 5,
  vector: 6,
  datatype: 7,
  u16: 8,
  u32: 9,
  u256: 10,
};

const WIDTHS: ReadonlyMap<string, number> = new Map([
  ['u8', 8],
  ['u16', 16],
  ['u32', 32],
  ['u64', 64],
  ['u128', 128],
  ['u256', 256],
]);

/** Bits of an integer type, 0 for any other. */
export const widthOf = (type: MoveType): number => WIDTHS.get(type.kind) ?? 0;

/** Abilities of a type; `parameters` are the constraints of the type parameters in scope. */
export const abilitiesOf = (type: MoveType, parameters: readonly number[] = []): number => {
  const plain = ABILITY.copy | ABILITY.drop | ABILITY.store;
  if (type.kind === 'signer') return ABILITY.drop;
  if (type.kind === 'reference') return ABILITY.copy | ABILITY.drop;
  if (type.kind === 'vector') return plain & abilitiesOf(type.of, parameters);
  if (type.kind === 'parameter') return parameters[type.index] ?? 0;
  if (type.kind !== 'datatype') return plain;
  let own = type.datatype.abilities;
  type.args.forEach((arg, i) => {
    if (type.datatype.typeParameters[i]?.phantom === true) return;
    const given = abilitiesOf(arg, parameters);
    for (const ability of [ABILITY.copy, ABILITY.drop, ABILITY.store])
      if ((given & ability) === 0) own &= ~ability;
    if ((given & ABILITY.store) === 0) own &= ~ABILITY.key;
  });
  return own;
};

/** Text of a type: package addresses by defining id (tags of objects and events) or original id. */
export const tagOf = (type: MoveType, ids: 'defining' | 'original' = 'defining'): string => {
  if (type.kind === 'vector') return `vector<${tagOf(type.of, ids)}>`;
  if (type.kind === 'reference') return `&${type.mutable ? 'mut ' : ''}${tagOf(type.to, ids)}`;
  if (type.kind === 'parameter') return `T${type.index}`;
  if (type.kind !== 'datatype') return type.kind;
  const { datatype, args } = type;
  const id = ids === 'defining' ? datatype.definingId : datatype.originalId;
  const inner = args.length === 0 ? '' : `<${args.map((arg) => tagOf(arg, ids)).join(', ')}>`;
  return `${id}::${datatype.module}::${datatype.name}${inner}`;
};

const hexBytes = (address: Address): Uint8Array => Buffer.from(address.slice(2), 'hex');

/** BCS of a type tag, by defining ids. */
export const tagBytes = (type: MoveType): Uint8Array => {
  const out: number[] = [];
  const text = (value: string): void => {
    out.push(value.length, ...Buffer.from(value, 'latin1'));
  };
  const write = (each: MoveType): void => {
    if (each.kind === 'reference' || each.kind === 'parameter')
      throw fault('invariant', `${each.kind} has no type tag`);
    out.push(TAG_NUMBER[each.kind]);
    if (each.kind === 'vector') write(each.of);
    if (each.kind !== 'datatype') return;
    out.push(...hexBytes(each.datatype.definingId));
    text(each.datatype.module);
    text(each.datatype.name);
    out.push(each.args.length);
    each.args.forEach(write);
  };
  write(type);
  return Uint8Array.from(out);
};

/** `0x2` -> 64 digits; undefined when it is not an address. */
export const normaliseAddress = (text: string): Address | undefined =>
  /^(?:0x)?[0-9a-fA-F]{1,64}$/.test(text)
    ? `0x${text.replace(/^0x/, '').toLowerCase().padStart(64, '0')}`
    : undefined;

/** The interned types of one machine and its registered datatypes. */
export class TypeTable {
  readonly #types = new Map<string, MoveType>();
  readonly #byOriginal = new Map<string, Datatype>();
  readonly #byDefining = new Map<string, Datatype>();
  #serial = 0;

  readonly bool = this.primitive('bool');
  readonly u8 = this.primitive('u8');
  readonly u64 = this.primitive('u64');
  readonly address = this.primitive('address');
  readonly bytes = this.vector(this.primitive('u8'));

  primitive(kind: Primitive): MoveType {
    return this.#intern({ kind, key: kind, open: false, nodes: 1 });
  }
  vector(of: MoveType): MoveType {
    return this.#intern({
      kind: 'vector',
      of,
      key: `v<${of.key}>`,
      open: of.open,
      nodes: of.nodes + 1,
    });
  }
  reference(to: MoveType, mutable: boolean): MoveType {
    const key = `${mutable ? '&m' : '&'}${to.key}`;
    return this.#intern({
      kind: 'reference',
      to,
      mutable,
      key,
      open: to.open,
      nodes: to.nodes + 1,
    });
  }
  parameter(index: number): MoveType {
    return this.#intern({ kind: 'parameter', index, key: `T${index}`, open: true, nodes: 1 });
  }
  datatype(datatype: Datatype, args: readonly MoveType[]): MoveType {
    return this.#intern({
      kind: 'datatype',
      datatype,
      args,
      key: `#${datatype.serial}${args.length === 0 ? '' : `<${args.map((arg) => arg.key).join()}>`}`,
      open: args.some((arg) => arg.open),
      nodes: args.reduce((sum, arg) => sum + arg.nodes, 1),
      layout: undefined,
    });
  }

  register(datatype: Omit<Datatype, 'serial'>): Datatype {
    const entry = { ...datatype, serial: this.#serial++ };
    this.#byOriginal.set(`${entry.originalId}::${entry.module}::${entry.name}`, entry);
    this.#byDefining.set(`${entry.definingId}::${entry.module}::${entry.name}`, entry);
    return entry;
  }
  forget(datatype: Datatype): void {
    this.#byOriginal.delete(`${datatype.originalId}::${datatype.module}::${datatype.name}`);
    this.#byDefining.delete(`${datatype.definingId}::${datatype.module}::${datatype.name}`);
  }
  find(originalId: Address, module: string, name: string): Datatype | undefined {
    return this.#byOriginal.get(`${originalId}::${module}::${name}`);
  }

  /** Field types of a closed datatype, by variant. */
  layout(type: DatatypeType): readonly (readonly MoveType[])[] {
    if (type.layout !== undefined) return type.layout;
    const { datatype, args } = type;
    const groups = datatype.isEnum ? datatype.variants : [{ fields: datatype.fields }];
    type.layout = groups.map(({ fields }) =>
      fields.map((field) => this.substitute(field.type, args)),
    );
    return type.layout;
  }

  substitute(type: MoveType, args: readonly MoveType[]): MoveType {
    if (!type.open) return type;
    if (type.kind === 'vector') return this.vector(this.substitute(type.of, args));
    if (type.kind === 'reference')
      return this.reference(this.substitute(type.to, args), type.mutable);
    if (type.kind === 'datatype')
      return this.datatype(
        type.datatype,
        type.args.map((arg) => this.substitute(arg, args)),
      );
    const arg = type.kind === 'parameter' ? args[type.index] : type;
    if (arg === undefined) throw fault('invariant', 'a type argument is missing');
    return arg;
  }

  /**
   * Reads a type tag: addresses of any length, defining ids. @throws Fault `argument` when it is
   * malformed or not known.
   */
  parse(text: string): MoveType {
    let at = 0;
    const fail = (): Fault =>
      fault('argument', `expected a type that is known here, got ${text.slice(0, 200)}`);
    const skip = (): void => {
      while (text[at] === ' ') at += 1;
    };
    const word = (): string => {
      skip();
      const from = at;
      while (at < text.length && /[A-Za-z0-9_]/.test(text[at] ?? '')) at += 1;
      return text.slice(from, at);
    };
    const expect = (symbol: string): void => {
      skip();
      if (!text.startsWith(symbol, at)) throw fail();
      at += symbol.length;
    };
    const read = (depth: number): MoveType => {
      if (depth > 32) throw fail();
      const first = word();
      const primitive = PRIMITIVE_NAMES.find((name) => name === first);
      if (primitive !== undefined) return this.primitive(primitive);
      if (first === 'vector') {
        expect('<');
        const of = read(depth + 1);
        expect('>');
        return this.vector(of);
      }
      const address = normaliseAddress(first);
      expect('::');
      const module = word();
      expect('::');
      const datatype = this.#byDefining.get(`${address}::${module}::${word()}`);
      if (datatype === undefined) throw fail();
      const args: MoveType[] = [];
      skip();
      if (text[at] === '<') {
        do {
          at += 1;
          args.push(read(depth + 1));
          skip();
        } while (text[at] === ',');
        expect('>');
      }
      this.checkArguments(
        args,
        datatype.typeParameters.map((parameter) => parameter.constraints),
      );
      return this.datatype(datatype, args);
    };
    if (text.length > 16_384) throw fail();
    const type = read(0);
    skip();
    if (at !== text.length) throw fail();
    return type;
  }

  /** Number and abilities of type arguments. */
  checkArguments(
    args: readonly MoveType[],
    constraints: readonly number[],
    parameters: readonly number[] = [],
  ): void {
    if (args.length !== constraints.length)
      throw fault('argument', `expected ${constraints.length} type arguments, got ${args.length}`);
    args.forEach((arg, i) => {
      const wanted = constraints[i] ?? 0;
      if (arg.kind === 'reference' || (abilitiesOf(arg, parameters) & wanted) !== wanted)
        throw fault('argument', `type argument ${tagOf(arg)} lacks an ability it must have`);
    });
  }

  #intern(type: MoveType): MoveType {
    const known = this.#types.get(type.key);
    if (known !== undefined) return known;
    if (type.nodes > TYPE_NODES) throw fault('limit', `a type has more than ${TYPE_NODES} nodes`);
    this.#types.set(type.key, type);
    return type;
  }
}
