/**
 * @module The packages of one machine: published from bytes, checked, linked, found by storage id.
 * Upgrades keep the original id in their bytecode and their types. A package that fails a check is
 * not kept.
 */
import { DevnetError } from '../errors.ts';
import { readModule, selfAddressOffset } from './binary.ts';
import type { CompiledModule } from './module.ts';
import { addressToBytes } from './bcs.ts';
import type { FunctionRef, LoadedFunction, LoadedModule } from './code.ts';
import { Fault, fault } from './fault.ts';
import { Linker, pointee } from './linker.ts';
import { hasNative, nativeName } from './natives/index.ts';
import { checkSuiRules, isTxContext, witnessOf } from './rules.ts';
import { type Datatype, type MoveType, type TypeTable, tagOf } from './typing.ts';
import type {
  Address,
  DatatypeInfo,
  FieldInfo,
  FunctionInfo,
  ModuleInfo,
  PackageInfo,
  ParameterInfo,
  PublishRequest,
} from './types.ts';

const ZERO = `0x${'0'.repeat(64)}`;
/** Packages that may declare native functions. */
const SYSTEM: ReadonlySet<Address> = new Set(['1', '2'].map((id) => `0x${id.padStart(64, '0')}`));
const MODULES = 128;
/** Bytes of all modules of a package together; Sui allows 100 KiB, its own framework is larger. */
const PACKAGE_BYTES = 1024 * 1024;

export interface LoadedPackage {
  readonly info: PackageInfo;
  readonly modules: ReadonlyMap<string, LoadedModule>;
  readonly datatypes: readonly Datatype[];
}

export class PackageStore {
  readonly #types: TypeTable;
  readonly #packages = new Map<Address, LoadedPackage>();

  constructor(types: TypeTable) {
    this.#types = types;
  }

  get(storageId: Address): LoadedPackage | undefined {
    return this.#packages.get(storageId);
  }

  remove(storageId: Address): void {
    const loaded = this.#packages.get(storageId);
    this.#packages.delete(storageId);
    for (const datatype of loaded?.datatypes ?? []) this.#types.forget(datatype);
  }

  /** A function by what code calls it and the linkage in force. */
  find(linkage: ReadonlyMap<Address, Address>, ref: FunctionRef): LoadedFunction | undefined {
    const loaded = this.#packages.get(linkage.get(ref.originalId) ?? '');
    return loaded?.modules.get(ref.module)?.functions.get(ref.name);
  }

  /** @throws Fault saying which check the package fails. */
  publish(request: PublishRequest): PackageInfo {
    const { storageId } = request;
    if (this.#packages.has(storageId)) throw fault('link', `package ${storageId} exists`);
    const previous = request.upgrades === undefined ? undefined : this.#previous(request.upgrades);
    const originalId = previous?.info.originalId ?? storageId;
    const modules = readAll(request.modules, originalId);
    const linkage = this.#linkage(request, originalId);
    const linkers = new Map(
      modules.map(({ binary }) => {
        const linker = new Linker(this.#types, binary, storageId);
        return [linker.name, linker] as const;
      }),
    );
    if (linkers.size !== modules.length) throw fault('link', 'two modules of one name');
    const ordered = inOrder(linkers, originalId);
    try {
      for (const linker of ordered) linker.registerDatatypes();
      for (const linker of ordered) linker.defineDatatypes();
      for (const linker of ordered) linker.checkDatatypes();
      const loaded = new Map<string, LoadedModule>();
      for (const linker of ordered) {
        for (const { address, name } of linker.dependencies())
          if (address !== originalId && !linkage.has(address))
            throw linker.fail(`it uses ${address}::${name}, which is not among the dependencies`);
        const module = linker.load((ref) => this.find(linkage, ref), linkers);
        checkSuiRules(linker, module);
        checkNatives(linker, module);
        loaded.set(module.name, module);
      }
      if (previous !== undefined) checkUpgrade(previous, loaded, this.#types);
      return this.#store(request, originalId, previous, ordered, loaded, modules, linkage);
    } catch (error) {
      for (const linker of ordered)
        for (const datatype of linker.registered) this.#types.forget(datatype);
      throw error;
    }
  }

  #store(
    { storageId }: PublishRequest,
    originalId: Address,
    previous: LoadedPackage | undefined,
    ordered: readonly Linker[],
    loaded: ReadonlyMap<string, LoadedModule>,
    modules: readonly { readonly name: string; readonly bytes: Uint8Array }[],
    linkage: ReadonlyMap<Address, Address>,
  ): PackageInfo {
    const typeOrigins = new Map(previous?.info.typeOrigins);
    for (const linker of ordered)
      for (const { module, name } of linker.registered)
        typeOrigins.set(`${module}::${name}`, storageId);
    const info: PackageInfo = {
      storageId,
      originalId,
      version: (previous?.info.version ?? 0n) + 1n,
      linkage,
      typeOrigins,
      modules: ordered.flatMap((linker) => {
        const module = loaded.get(linker.name);
        const bytes = modules.find(({ name }) => name === linker.name)?.bytes;
        if (module === undefined || bytes === undefined) return [];
        return [{ name: linker.name, bytes, info: describeModule(linker, module) }];
      }),
    };
    const datatypes = ordered.flatMap((linker) => linker.registered);
    this.#packages.set(storageId, { info, modules: loaded, datatypes });
    return info;
  }

  #previous(storageId: Address): LoadedPackage {
    const previous = this.#packages.get(storageId);
    if (previous === undefined) throw fault('link', `package ${storageId} does not exist`);
    return previous;
  }

  /**
   * Original id -> storage id of everything the package links to, itself included; dependencies
   * must bring their own along.
   */
  #linkage(request: PublishRequest, originalId: Address): Map<Address, Address> {
    const linkage = new Map<Address, Address>([[originalId, request.storageId]]);
    const chosen = request.dependencies.map((id) => this.#previous(id));
    for (const { info } of chosen) {
      if (linkage.has(info.originalId))
        throw fault('link', `two versions of ${info.originalId} among the dependencies`);
      linkage.set(info.originalId, info.storageId);
    }
    for (const { info } of chosen)
      for (const [original, storage] of info.linkage) {
        const used = this.#packages.get(linkage.get(original) ?? '');
        const asked = this.#packages.get(storage);
        if (used === undefined || asked === undefined || used.info.version < asked.info.version)
          throw fault('link', `dependency ${original} of ${info.storageId} is missing or too old`);
      }
    return linkage;
  }
}

const readAll = (
  all: readonly Uint8Array[],
  originalId: Address,
): { readonly name: string; readonly bytes: Uint8Array; readonly binary: CompiledModule }[] => {
  if (all.length === 0 || all.length > MODULES)
    throw fault('link', `${all.length} modules, expected 1 to ${MODULES}`);
  const size = all.reduce((sum, bytes) => sum + bytes.length, 0);
  if (size > PACKAGE_BYTES)
    throw fault('limit', `${size} bytes of code, expected at most ${PACKAGE_BYTES}`);
  return all.map((given) => {
    try {
      const bytes = relocate(given, originalId);
      const binary = readModule(bytes);
      return { name: binary.moduleHandles[binary.self]?.name ?? '', bytes, binary };
    } catch (error) {
      if (!(error instanceof DevnetError)) throw error;
      throw new Fault({ type: 'link', message: error.message });
    }
  });
};

/**
 * Puts the package's id where a module compiled at 0x0 has its own address; any other address must
 * be the package's.
 */
const relocate = (given: Uint8Array, originalId: Address): Uint8Array => {
  const at = selfAddressOffset(given);
  const own = `0x${Buffer.from(given.subarray(at, at + 32)).toString('hex')}`;
  if (own === originalId) return given.slice();
  if (own !== ZERO) throw fault('link', `a module at ${own}, expected 0x0 or ${originalId}`);
  const bytes = given.slice();
  bytes.set(addressToBytes(originalId), at);
  return bytes;
};

/** Modules so that each comes after those of the same package that it uses. */
const inOrder = (linkers: ReadonlyMap<string, Linker>, originalId: Address): Linker[] => {
  const ordered: Linker[] = [];
  const state = new Map<Linker, 'open' | 'done'>();
  const visit = (linker: Linker): void => {
    if (state.get(linker) === 'done') return;
    if (state.get(linker) === 'open') throw linker.fail('modules use each other in a cycle');
    state.set(linker, 'open');
    for (const { address, name } of linker.dependencies()) {
      if (address !== originalId) continue;
      const other = linkers.get(name);
      if (other === undefined) throw linker.fail(`module ${name} is not in the package`);
      visit(other);
    }
    state.set(linker, 'done');
    ordered.push(linker);
  };
  for (const linker of linkers.values()) visit(linker);
  return ordered;
};

const checkNatives = (linker: Linker, module: LoadedModule): void => {
  for (const fn of module.functions.values()) {
    if (fn.code !== undefined) continue;
    const name = nativeName(module.originalId, module.name, fn.name);
    if (!SYSTEM.has(module.originalId) || !hasNative(name))
      throw linker.fail(`native function ${name} is not known here`);
  }
};

/**
 * Public functions stay as they were; types were compared when they were declared, here that none
 * is gone.
 */
const checkUpgrade = (
  previous: LoadedPackage,
  next: ReadonlyMap<string, LoadedModule>,
  types: TypeTable,
): void => {
  const original = previous.info.originalId;
  const missing = (what: string): Error =>
    fault('link', `the upgrade of ${original} lacks ${what}`);
  for (const module of previous.modules.values()) {
    const successor = next.get(module.name);
    if (successor === undefined) throw missing(`module ${module.name}`);
    const declared = [...successor.binary.structs, ...successor.binary.enums].map(
      ({ handle }) => successor.binary.datatypeHandles[handle]?.name,
    );
    for (const { handle } of [...module.binary.structs, ...module.binary.enums]) {
      const name = module.binary.datatypeHandles[handle]?.name ?? '';
      if (!declared.includes(name) || types.find(original, module.name, name) === undefined)
        throw missing(`type ${module.name}::${name}`);
    }
    for (const fn of module.functions.values()) {
      if (fn.visibility !== 'public') continue;
      const now = successor.functions.get(fn.name);
      const same =
        now?.visibility === 'public' &&
        now.typeParameters.join() === fn.typeParameters.join() &&
        keys(now.parameters) === keys(fn.parameters) &&
        keys(now.returns) === keys(fn.returns);
      if (!same) throw missing(`public function ${module.name}::${fn.name} as it was`);
    }
  }
};

const keys = (types: readonly MoveType[]): string => types.map((type) => type.key).join();

const parameterInfo = (type: MoveType): ParameterInfo => ({
  type: tagOf(pointee(type)),
  reference: type.kind !== 'reference' ? 'none' : type.mutable ? 'mutable' : 'immutable',
});

export const describeFunction = (fn: LoadedFunction): FunctionInfo => {
  const last = fn.parameters.at(-1);
  return {
    name: fn.name,
    visibility: fn.visibility,
    isEntry: fn.isEntry,
    isNative: fn.code === undefined,
    typeParameters: fn.typeParameters,
    parameters: fn.parameters.map(parameterInfo),
    returns: fn.returns.map(parameterInfo),
    txContext: last !== undefined && isTxContext(last) ? parameterInfo(last).reference : 'none',
  };
};

const list = (fields: Datatype['fields']): FieldInfo[] =>
  fields.map(({ name, type }) => ({ name, type: tagOf(type) }));

const describeModule = (linker: Linker, module: LoadedModule): ModuleInfo => {
  const { binary } = linker;
  const datatypes = [...binary.structs, ...binary.enums].map(({ handle }): DatatypeInfo => {
    const datatype = linker.datatype(handle);
    return {
      name: datatype.name,
      abilities: datatype.abilities,
      typeParameters: datatype.typeParameters,
      body: datatype.isEnum
        ? {
            type: 'enum',
            variants: datatype.variants.map(({ name, fields }) => ({ name, fields: list(fields) })),
          }
        : { type: 'struct', fields: list(datatype.fields) },
    };
  });
  const init = module.functions.get('init');
  const witness = witnessOf(linker, module);
  const takesWitness = witness !== undefined && init?.parameters[0] === witness;
  return {
    address: module.originalId,
    name: module.name,
    functions: [...module.functions.values()].map(describeFunction),
    datatypes,
    hasInit: init !== undefined,
    ...(takesWitness ? { witness: tagOf(witness) } : {}),
  };
};
