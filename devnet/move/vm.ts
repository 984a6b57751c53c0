/**
 * @module The Move virtual machine as the devnet uses it: packages, types, and sessions that run
 * transactions. `types.ts` has the contract.
 */
import { DevnetError } from '../errors.ts';
import { decode, encode } from './bcs.ts';
import { Fault } from './fault.ts';
import { isDatatype } from './linker.ts';
import { PackageStore, describeFunction } from './packages.ts';
import { Session, type SessionOptions, outside } from './session.ts';
import { asArray, asBytes, isVariant } from './values.ts';
import { type MoveType, TypeTable, abilitiesOf, tagBytes, tagOf } from './typing.ts';
import type {
  Address,
  FunctionInfo,
  MoveSession,
  MoveVm,
  PackageInfo,
  PublishRequest,
  PublishResult,
  TypeTag,
  Value,
} from './types.ts';

const JSON_LIMITS = { valueDepth: 128, bytes: 1_000_000 };

class Vm implements MoveVm {
  readonly #types = new TypeTable();
  readonly #packages = new PackageStore(this.#types);

  publish(request: PublishRequest): PublishResult {
    try {
      return { status: 'success', package: this.#packages.publish(request) };
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      return { status: 'failure', failure: error.failure };
    }
  }

  unpublish(storageId: Address): void {
    this.#packages.remove(storageId);
  }

  getPackage(storageId: Address): PackageInfo | undefined {
    return this.#packages.get(storageId)?.info;
  }

  getFunction(storageId: Address, module: string, name: string): FunctionInfo | undefined {
    const fn = this.#packages.get(storageId)?.modules.get(module)?.functions.get(name);
    return fn && describeFunction(fn);
  }

  #known(text: string): MoveType | undefined {
    try {
      return this.#types.parse(text);
    } catch (error) {
      if (error instanceof Fault) return undefined;
      throw error;
    }
  }

  abilitiesOf(type: TypeTag): number | undefined {
    const known = this.#known(type);
    return known && abilitiesOf(known);
  }

  normaliseTag(type: string): TypeTag | undefined {
    const known = this.#known(type);
    return known && tagOf(known);
  }

  typeTagBytes(type: TypeTag): Uint8Array {
    return outside(() => tagBytes(this.#types.parse(type)));
  }

  toJson(type: TypeTag, contents: Uint8Array): unknown {
    const known = this.#known(type);
    if (known === undefined) return undefined;
    return outside(() =>
      toJson(this.#types, known, decode(this.#types, known, contents, JSON_LIMITS)),
    );
  }

  fieldBytes(type: TypeTag, contents: Uint8Array): readonly Uint8Array[] | undefined {
    const known = this.#known(type);
    if (known?.kind !== 'datatype') return undefined;
    return outside(() => {
      const values = asArray(decode(this.#types, known, contents, JSON_LIMITS));
      const [layout = []] = this.#types.layout(known);
      return layout.map((field, i) => encode(this.#types, field, values[i], JSON_LIMITS));
    });
  }

  begin(options: SessionOptions): MoveSession {
    return new Session(this.#types, this.#packages, options);
  }
}

/**
 * As Sui's RPC shows contents: wide integers as text, bytes as base64, ids and strings plain,
 * options as value or null.
 */
const toJson = (types: TypeTable, type: MoveType, value: Value | undefined): unknown => {
  if (value === undefined) throw new DevnetError('internal', 'a value lacks a field of its type');
  if (typeof value === 'bigint') return value.toString();
  if (type.kind === 'vector') {
    if (type.of.kind === 'u8') return Buffer.from(asBytes(value)).toString('base64');
    const items = asArray(value);
    return items.map((item) => toJson(types, type.of, item));
  }
  if (type.kind !== 'datatype') return value;
  const layout = types.layout(type);
  const { datatype } = type;
  const object = (
    fields: readonly { readonly name: string }[],
    each: readonly MoveType[],
    values: readonly Value[],
  ): Record<string, unknown> =>
    Object.fromEntries(
      fields.map(({ name }, i) => [name, toJson(types, each[i] ?? types.u8, values[i])]),
    );
  if (isVariant(value)) {
    const variant = datatype.variants[value.tag];
    const fields = object(variant?.fields ?? [], layout[value.tag] ?? [], value.fields);
    return { '@variant': variant?.name, ...fields };
  }
  const values = asArray(value);
  if (isDatatype(type, '0x1', 'string', 'String') || isDatatype(type, '0x1', 'ascii', 'String'))
    return Buffer.from(asBytes(values[0])).toString('utf8');
  if (isDatatype(type, '0x2', 'object', 'UID') || isDatatype(type, '0x2', 'object', 'ID'))
    return values.flat(2)[0];
  if (isDatatype(type, '0x1', 'option', 'Option')) {
    const [item] = asArray(values[0]);
    const inner = type.args[0];
    return item === undefined || inner === undefined ? null : toJson(types, inner, item);
  }
  return object(datatype.fields, layout[0] ?? [], values);
};

/** A machine without packages; publish the framework first (`framework.ts`). */
export const createVm = (): MoveVm => new Vm();
