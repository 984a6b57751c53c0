/**
 * @module Linking of one module: handles to registered datatypes and to functions of other
 * packages, declarations checked (abilities of fields, phantom parameters, no recursion),
 * signatures resolved, bodies checked. Types carry the original package id, so versions of an
 * upgraded package share their types.
 */
import type { CompiledModule, Token } from './module.ts';
import type { HandleTarget, LinkedModule } from './check-body.ts';
import { checkBody, type Signature } from './check.ts';
import type { FunctionRef, LoadedFunction, LoadedModule } from './code.ts';
import { fault } from './fault.ts';
import {
  type Datatype,
  type DatatypeField,
  type MoveType,
  type TypeTable,
  abilitiesOf,
} from './typing.ts';
import { ABILITY, type Address } from './types.ts';

const ANYTHING = 15;
/** Deepest nesting of datatypes in datatypes. */
const LAYOUT_DEPTH = 64;

/** Finds a loaded function of another package by the linkage of the package being published. */
export type FindFunction = (ref: FunctionRef) => LoadedFunction | undefined;

export class Linker implements LinkedModule {
  readonly types: TypeTable;
  readonly binary: CompiledModule;
  readonly originalId: Address;
  readonly storageId: Address;
  readonly name: string;
  /**
   * Datatypes that this module brought; the others were there, in an earlier version of the
   * package.
   */
  readonly registered: Datatype[] = [];
  readonly #handles: (HandleTarget | undefined)[] = [];

  constructor(types: TypeTable, binary: CompiledModule, storageId: Address) {
    const self = binary.moduleHandles[binary.self];
    if (self === undefined) throw fault('link', 'a module without a name');
    this.types = types;
    this.binary = binary;
    this.storageId = storageId;
    this.originalId = self.address;
    this.name = self.name;
  }

  fail(what: string): Error {
    return fault('link', `${this.originalId}::${this.name}: ${what}`);
  }

  /** Addresses of other modules that this one mentions. */
  dependencies(): { readonly address: Address; readonly name: string }[] {
    return this.binary.moduleHandles.filter((_, i) => i !== this.binary.self);
  }

  type(token: Token): MoveType {
    if (token.kind === 'vector') return this.types.vector(this.type(token.of));
    if (token.kind === 'reference') return this.types.reference(this.type(token.to), token.mutable);
    if (token.kind === 'parameter') return this.types.parameter(token.index);
    if (token.kind !== 'datatype') return this.types.primitive(token.kind);
    return this.types.datatype(
      this.datatype(token.handle),
      token.args.map((arg) => this.type(arg)),
    );
  }

  /** Type parameters in range, constraints of datatypes met. */
  checkType(type: MoveType, scope: readonly number[]): void {
    if (type.kind === 'parameter' && type.index >= scope.length)
      throw this.fail(`no type parameter ${type.index}`);
    if (type.kind === 'vector') this.checkType(type.of, scope);
    if (type.kind === 'reference') this.checkType(type.to, scope);
    if (type.kind !== 'datatype') return;
    for (const arg of type.args) this.checkType(arg, scope);
    this.types.checkArguments(
      type.args,
      type.datatype.typeParameters.map((parameter) => parameter.constraints),
      scope,
    );
  }

  datatype(handle: number): Datatype {
    const { module, name } = this.binary.datatypeHandles[handle] ?? { module: -1, name: '' };
    const place = this.binary.moduleHandles[module];
    const found = place && this.types.find(place.address, place.name, name);
    if (found === undefined)
      throw this.fail(`type ${place?.address}::${place?.name}::${name} does not exist`);
    return found;
  }

  struct(
    definition: number,
    args: readonly MoveType[],
    scope: readonly number[],
  ): { readonly type: MoveType; readonly fields: readonly MoveType[] } {
    const datatype = this.datatype(this.binary.structs[definition]?.handle ?? -1);
    return this.#instance(datatype, datatype.fields, args, scope);
  }

  variant(
    definition: number,
    tag: number,
    args: readonly MoveType[],
    scope: readonly number[],
  ): { readonly type: MoveType; readonly fields: readonly MoveType[] } {
    const datatype = this.datatype(this.binary.enums[definition]?.handle ?? -1);
    return this.#instance(datatype, datatype.variants[tag]?.fields ?? [], args, scope);
  }

  #instance(
    datatype: Datatype,
    fields: readonly DatatypeField[],
    args: readonly MoveType[],
    scope: readonly number[],
  ): { readonly type: MoveType; readonly fields: readonly MoveType[] } {
    const type = this.types.datatype(datatype, args);
    this.checkType(type, scope);
    return { type, fields: fields.map((field) => this.types.substitute(field.type, args)) };
  }

  functionHandle(index: number): HandleTarget {
    const known = this.#handles[index];
    if (known !== undefined) return known;
    const handle = this.binary.functionHandles[index];
    const place = this.binary.moduleHandles[handle?.module ?? -1];
    if (handle === undefined || place === undefined) throw this.fail('no such function handle');
    const target: HandleTarget = {
      ref: { originalId: place.address, module: place.name, name: handle.name },
      typeParameters: handle.typeParameters,
      parameters: handle.parameters.map((token) => this.type(token)),
      returns: handle.returns.map((token) => this.type(token)),
    };
    for (const type of [...target.parameters, ...target.returns])
      this.checkType(type, handle.typeParameters);
    this.#handles[index] = target;
    return target;
  }

  /**
   * Makes the module's datatypes known by name; fields follow once all modules of the package have
   * done this.
   */
  registerDatatypes(): void {
    const declare = (handle: number, isEnum: boolean): void => {
      const entry = this.binary.datatypeHandles[handle];
      if (entry === undefined || entry.module !== this.binary.self)
        throw this.fail('it defines a type of another module');
      if (this.registered.some((datatype) => datatype.name === entry.name))
        throw this.fail(`two types named ${entry.name}`);
      const known = this.types.find(this.originalId, this.name, entry.name);
      if (known !== undefined) {
        if (known.isEnum !== isEnum || known.abilities !== entry.abilities)
          throw this.fail(`${entry.name} is not what it was in the version before`);
        return;
      }
      this.registered.push(
        this.types.register({
          originalId: this.originalId,
          definingId: this.storageId,
          module: this.name,
          name: entry.name,
          abilities: entry.abilities,
          typeParameters: entry.typeParameters,
          isEnum,
          fields: [],
          variants: [],
        }),
      );
    };
    for (const { handle } of this.binary.structs) declare(handle, false);
    for (const { handle } of this.binary.enums) declare(handle, true);
  }

  /**
   * Fields of the module's datatypes; those known from an earlier version must not have changed.
   */
  defineDatatypes(): void {
    const resolve = (
      fields: readonly { readonly name: string; readonly type: Token }[],
    ): DatatypeField[] => fields.map(({ name, type }) => ({ name, type: this.type(type) }));
    for (const definition of this.binary.structs) {
      const datatype = this.datatype(definition.handle);
      const fields = resolve(definition.fields);
      if (this.registered.includes(datatype)) datatype.fields = fields;
      else if (!sameFields(datatype.fields, fields))
        throw this.fail(`${datatype.name} has other fields`);
    }
    for (const definition of this.binary.enums) {
      const datatype = this.datatype(definition.handle);
      const variants = definition.variants.map(({ name, fields }) => ({
        name,
        fields: resolve(fields),
      }));
      if (this.registered.includes(datatype)) datatype.variants = variants;
      else if (
        datatype.variants.length !== variants.length ||
        !datatype.variants.every(
          (variant, i) =>
            variant.name === variants[i]?.name &&
            sameFields(variant.fields, variants[i]?.fields ?? []),
        )
      )
        throw this.fail(`${datatype.name} has other variants`);
    }
  }

  /**
   * Abilities, phantom positions, recursion; handles of foreign types must describe them as they
   * are.
   */
  checkDatatypes(): void {
    this.binary.datatypeHandles.forEach((handle, i) => {
      const datatype = this.datatype(i);
      const agrees =
        (datatype.abilities & handle.abilities) === handle.abilities &&
        datatype.typeParameters.length === handle.typeParameters.length &&
        datatype.typeParameters.every((parameter, k) => {
          const seen = handle.typeParameters[k];
          return (
            seen?.constraints === parameter.constraints && (parameter.phantom || !seen.phantom)
          );
        });
      if (!agrees) throw this.fail(`${handle.name} is not declared as it says`);
    });
    const depths = new Map<Datatype, number>();
    for (const datatype of this.registered) {
      const scope = datatype.typeParameters.map((parameter) => parameter.constraints);
      const generous = scope.map(() => ANYTHING);
      let required = datatype.abilities & (ABILITY.copy | ABILITY.drop | ABILITY.store);
      if ((datatype.abilities & ABILITY.key) !== 0) required |= ABILITY.store;
      const groups = datatype.isEnum ? datatype.variants : [{ fields: datatype.fields }];
      for (const field of groups.flatMap((group) => group.fields)) {
        if (field.type.kind === 'reference') throw this.fail(`${datatype.name} holds a reference`);
        this.checkType(field.type, scope);
        if ((abilitiesOf(field.type, generous) & required) !== required)
          throw this.fail(`${datatype.name}.${field.name} lacks an ability of ${datatype.name}`);
        this.#checkPhantom(field.type, datatype, false);
      }
      this.#depth(datatype, depths);
    }
  }

  #checkPhantom(type: MoveType, owner: Datatype, phantomPlace: boolean): void {
    if (type.kind === 'parameter' && !phantomPlace && owner.typeParameters[type.index]?.phantom)
      throw this.fail(`${owner.name} uses its phantom parameter ${type.index}`);
    if (type.kind === 'vector') this.#checkPhantom(type.of, owner, false);
    if (type.kind !== 'datatype') return;
    type.args.forEach((arg, i) => {
      const place = type.datatype.typeParameters[i]?.phantom ?? false;
      this.#checkPhantom(arg, owner, place);
    });
  }

  /**
   * Levels of datatypes within a datatype of this package. @throws Fault when it contains itself or
   * is too deep.
   */
  #depth(datatype: Datatype, known: Map<Datatype, number>): number {
    const seen = known.get(datatype);
    if (seen === Number.POSITIVE_INFINITY) throw this.fail(`${datatype.name} contains itself`);
    if (seen !== undefined) return seen;
    known.set(datatype, Number.POSITIVE_INFINITY);
    let deepest = 0;
    const visit = (type: MoveType): void => {
      if (type.kind === 'vector') visit(type.of);
      if (type.kind !== 'datatype') return;
      // Only types of the same package can close a cycle, for packages link without one.
      if (type.datatype.originalId === this.originalId)
        deepest = Math.max(deepest, this.#depth(type.datatype, known));
      type.args.forEach(visit);
    };
    const groups = datatype.isEnum ? datatype.variants : [{ fields: datatype.fields }];
    for (const { fields } of groups) for (const field of fields) visit(field.type);
    if (deepest >= LAYOUT_DEPTH) throw this.fail(`${datatype.name} is nested too deep`);
    known.set(datatype, deepest + 1);
    return deepest + 1;
  }

  /**
   * Signatures and checked bodies. `find` reaches other packages, `siblings` the modules of this
   * one.
   */
  load(find: FindFunction, siblings: ReadonlyMap<string, Linker>): LoadedModule {
    const functions = new Map<string, LoadedFunction>();
    const module: LoadedModule = {
      originalId: this.originalId,
      storageId: this.storageId,
      name: this.name,
      functions,
      binary: this.binary,
    };
    this.#checkHandles(find, siblings);
    this.binary.functions.forEach((definition, index) => {
      const handle = this.binary.functionHandles[definition.handle];
      const target = this.functionHandle(definition.handle);
      if (handle?.module !== this.binary.self || functions.has(target.ref.name))
        throw this.fail(`function ${target.ref.name} is defined twice or elsewhere`);
      const signature: Signature = {
        module,
        name: target.ref.name,
        index,
        visibility: definition.visibility,
        isEntry: definition.isEntry,
        typeParameters: target.typeParameters,
        parameters: target.parameters,
        returns: target.returns,
      };
      const extra = definition.body?.locals.map((token) => this.type(token)) ?? [];
      for (const type of extra) this.checkType(type, target.typeParameters);
      const locals = [...target.parameters, ...extra];
      if (locals.length > 256) throw this.fail(`${target.ref.name} has more than 256 locals`);
      functions.set(target.ref.name, {
        ...signature,
        locals,
        droppable: locals.map(
          (type) => (abilitiesOf(type, target.typeParameters) & ABILITY.drop) !== 0,
        ),
        code: definition.body === undefined ? undefined : checkBody(this, signature, locals),
      });
    });
    return module;
  }

  #checkHandles(find: FindFunction, siblings: ReadonlyMap<string, Linker>): void {
    this.binary.functionHandles.forEach((handle, i) => {
      const wanted = this.functionHandle(i);
      if (handle.module === this.binary.self) {
        if (!this.binary.functions.some((definition) => definition.handle === i))
          throw this.fail(`function ${handle.name} is not defined`);
        return;
      }
      const { ref } = wanted;
      const text = `${ref.originalId}::${ref.module}::${ref.name}`;
      const sibling = ref.originalId === this.originalId ? siblings.get(ref.module) : undefined;
      const found = sibling === undefined ? find(ref) : sibling.#own(ref.name);
      if (found === undefined) throw this.fail(`function ${text} does not exist`);
      const same =
        found.typeParameters.join() === wanted.typeParameters.join() &&
        sameTypes(found.parameters, wanted.parameters) &&
        sameTypes(found.returns, wanted.returns);
      if (!same) throw this.fail(`function ${text} has another signature`);
      const friendly =
        sibling?.binary.friends.some(
          (friend) => friend.address === this.originalId && friend.name === this.name,
        ) ?? false;
      if (found.visibility !== 'public' && !(found.visibility === 'friend' && friendly))
        throw this.fail(`function ${text} may not be called from here`);
    });
  }

  #own(name: string): (HandleTarget & { readonly visibility: string }) | undefined {
    const definition = this.binary.functions.find(
      (each) => this.binary.functionHandles[each.handle]?.name === name,
    );
    if (definition === undefined) return undefined;
    return { ...this.functionHandle(definition.handle), visibility: definition.visibility };
  }
}

const sameFields = (a: readonly DatatypeField[], b: readonly DatatypeField[]): boolean =>
  a.length === b.length && a.every((f, i) => f.name === b[i]?.name && f.type === b[i]?.type);

const sameTypes = (a: readonly MoveType[], b: readonly MoveType[]): boolean =>
  a.length === b.length && a.every((type, i) => type === b[i]);

/** Whether `type` is `0x<id>::module::name`, by the short form of the original id. */
export const isDatatype = (type: MoveType, id: string, module: string, name: string): boolean =>
  type.kind === 'datatype' &&
  type.datatype.name === name &&
  type.datatype.module === module &&
  type.datatype.originalId === `0x${id.replace('0x', '').padStart(64, '0')}`;

/** Reference's target, or the type itself. */
export const pointee = (type: MoveType): MoveType => (type.kind === 'reference' ? type.to : type);
