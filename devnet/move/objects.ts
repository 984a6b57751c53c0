/**
 * @module The objects of one transaction as its code sees them: ids made and deleted, owners
 * assigned, children loaded and written, events. All of it stays here until the session reads its
 * effects.
 */
import { blake2b } from '@noble/hashes/blake2.js';
import { addressToBytes, bytesToAddress, decode, encode } from './bcs.ts';
import { abort, fault } from './fault.ts';
import { type MoveType, type TypeTable, tagBytes, tagOf } from './typing.ts';
import type {
  Address,
  Limits,
  MoveEvent,
  ObjectReader,
  Owner,
  SessionEffects,
  StoredObject,
  TransactionContext,
  Value,
  WrittenObject,
} from './types.ts';
import { Ref, asAddress, asArray } from './values.ts';

/** Abort codes of the natives of `0x2::dynamic_field`, `0x2::transfer`. */
const FIELD_DOES_NOT_EXIST = 1;
const FIELD_TYPE_MISMATCH = 2;
const FIELD_ALREADY_EXISTS = 0;
const SHARED_NON_NEW_OBJECT = 0;
const RECEIVING_TYPE_MISMATCH = 2;
const UNABLE_TO_RECEIVE = 3;

interface Child {
  readonly parent: Address;
  readonly id: Address;
  type: MoveType;
  /** One element, or none when the child was taken out. */
  readonly holder: Value[];
  /** As stored before the transaction. */
  readonly stored: StoredObject | undefined;
}

/** The id in the first field of an object: `T { id: UID { id: ID { bytes } }, .. }`. */
export const idOf = (object: Value): Address => {
  const [uid] = asArray(object);
  return asAddress(asArray(asArray(uid)[0])[0]);
};

/** Id of the dynamic field `key` of `parent`. */
export const dynamicFieldId = (
  parent: Address,
  keyType: MoveType,
  keyBytes: Uint8Array,
): Address => {
  const length = new Uint8Array(8);
  new DataView(length.buffer).setBigUint64(0, BigInt(keyBytes.length), true);
  const hash = blake2b.create({ dkLen: 32 });
  hash.update(Uint8Array.of(0xf0)).update(addressToBytes(parent)).update(length);
  return bytesToAddress(hash.update(keyBytes).update(tagBytes(keyType)).digest());
};

/** Id number `count` made under a transaction digest. */
export const derivedId = (digest: Uint8Array, count: bigint): Address => {
  const suffix = new Uint8Array(8);
  new DataView(suffix.buffer).setBigUint64(0, count, true);
  const hash = blake2b.create({ dkLen: 32 }).update(Uint8Array.of(0xf1));
  return bytesToAddress(hash.update(digest).update(suffix).digest());
};

const sameBytes = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && a.every((byte, i) => byte === b[i]);

export class ObjectRuntime {
  readonly #types: TypeTable;
  readonly #limits: Limits;
  readonly #reader: ObjectReader;
  readonly #inputs: ReadonlyMap<Address, Owner>;
  readonly #charge: (steps: number) => void;
  readonly #children = new Map<string, Child>();
  readonly #written = new Map<Address, { owner: Owner; type: MoveType; value: Value }>();
  readonly #created = new Set<Address>();
  readonly #deleted = new Set<Address>();
  readonly #received = new Set<Address>();
  readonly #events: MoveEvent[] = [];
  readonly context: TransactionContext;
  idsCreated = 0n;
  /** Package and module of the running command; events are attributed to it. */
  command: { readonly package: Address; readonly module: string } = { package: '', module: '' };

  constructor(
    types: TypeTable,
    limits: Limits,
    reader: ObjectReader,
    context: TransactionContext,
    inputs: ReadonlyMap<Address, Owner>,
    charge: (steps: number) => void,
  ) {
    this.#types = types;
    this.#limits = limits;
    this.#reader = reader;
    this.context = context;
    this.#inputs = inputs;
    this.#charge = charge;
  }

  encode(type: MoveType, value: Value | undefined): Uint8Array {
    const { valueDepth, objectBytes } = this.#limits;
    const bytes = encode(this.#types, type, value, { valueDepth, bytes: objectBytes });
    this.#charge(1 + (bytes.length >> 3));
    return bytes;
  }
  decode(type: MoveType, bytes: Uint8Array): Value {
    const { valueDepth, objectBytes } = this.#limits;
    this.#charge(1 + (bytes.length >> 3));
    return decode(this.#types, type, bytes, { valueDepth, bytes: objectBytes });
  }

  freshId(): Address {
    const id = derivedId(this.context.digest, this.idsCreated);
    this.idsCreated += 1n;
    this.recordId(id);
    return id;
  }
  recordId(id: Address): void {
    this.#created.add(id);
    this.#bound(this.#created.size);
  }
  deleteId(id: Address): void {
    this.#deleted.add(id);
    this.#bound(this.#deleted.size);
  }

  /**
   * Gives an object an owner. Sharing is for objects made in this transaction, and for shared
   * inputs.
   */
  give(type: MoveType, object: Value, owner: Owner): void {
    const id = idOf(object);
    if (owner.type === 'shared') {
      const before = this.#inputs.get(id)?.type;
      if (!this.#created.has(id) && before !== 'shared')
        throw abort(SHARED_NON_NEW_OBJECT, 'only an object made in this transaction can be shared');
    }
    this.#written.set(id, { owner, type, value: object });
    this.#bound(this.#written.size);
  }

  emit(type: MoveType, event: Value): void {
    if (this.#events.length >= this.#limits.events)
      throw fault('limit', `more than ${this.#limits.events} events`);
    const contents = this.encode(type, event);
    this.#events.push({ ...this.command, type: tagOf(type), contents });
  }

  /** Takes an object that was sent to the object `parent`. */
  receive(type: MoveType, parent: Address, id: Address, version: bigint): Value {
    const stored = this.#reader.getReceivable(parent, id, version);
    if (stored === undefined || this.#received.has(id))
      throw abort(UNABLE_TO_RECEIVE, 'nothing to receive');
    if (stored.type !== tagOf(type)) throw abort(RECEIVING_TYPE_MISMATCH, 'of another type');
    this.#received.add(id);
    return this.decode(type, stored.contents);
  }

  #child(parent: Address, id: Address): Child | undefined {
    const key = `${parent}|${id}`;
    const known = this.#children.get(key);
    if (known !== undefined) return known;
    const stored = this.#reader.getChild(parent, id);
    if (stored === undefined) return undefined;
    const type = this.#types.parse(stored.type);
    const child = { parent, id, type, stored, holder: [this.decode(type, stored.contents)] };
    this.#children.set(key, child);
    this.#bound(this.#children.size);
    return child;
  }
  hasChild(parent: Address, id: Address, type?: MoveType): boolean {
    const child = this.#child(parent, id);
    return child?.holder.length === 1 && (type === undefined || child.type === type);
  }
  #present(type: MoveType, parent: Address, id: Address): Child {
    const child = this.#child(parent, id);
    if (child?.holder.length !== 1) throw abort(FIELD_DOES_NOT_EXIST, 'the field does not exist');
    if (child.type !== type) throw abort(FIELD_TYPE_MISMATCH, 'the field has another type');
    return child;
  }
  borrowChild(type: MoveType, parent: Address, id: Address): Ref {
    return new Ref(this.#present(type, parent, id).holder, 0);
  }
  removeChild(type: MoveType, parent: Address, id: Address): Value {
    const value = this.#present(type, parent, id).holder.pop();
    if (value === undefined) throw fault('invariant', 'a child without a value');
    return value;
  }
  addChild(type: MoveType, parent: Address, value: Value): void {
    const id = idOf(value);
    const known = this.#child(parent, id);
    if (known === undefined) {
      const child = { parent, id, type, stored: undefined, holder: [value] };
      this.#children.set(`${parent}|${id}`, child);
      this.#bound(this.#children.size);
      return;
    }
    if (known.holder.length > 0) throw abort(FIELD_ALREADY_EXISTS, 'the field exists');
    known.type = type;
    known.holder.push(value);
  }

  effects(steps: number): SessionEffects {
    const children: WrittenObject[] = [];
    const removedChildren: { parent: Address; id: Address }[] = [];
    const loadedChildren: StoredObject[] = [];
    for (const { parent, id, type, stored, holder } of this.#children.values()) {
      const [value] = holder;
      if (value === undefined) {
        if (stored !== undefined) removedChildren.push({ parent, id });
        continue;
      }
      const contents = this.encode(type, value);
      const tag = tagOf(type);
      if (stored !== undefined && stored.type === tag && sameBytes(stored.contents, contents)) {
        loadedChildren.push(stored);
        continue;
      }
      const owner: Owner = { type: 'object', parent };
      children.push({ id, type: tag, contents, owner, created: this.#created.has(id) });
    }
    const written = [...this.#written].map(([id, { owner, type, value }]): WrittenObject => ({
      id,
      type: tagOf(type),
      contents: this.encode(type, value),
      owner,
      created: this.#created.has(id),
    }));
    return {
      written,
      children,
      removedChildren,
      loadedChildren,
      received: [...this.#received],
      createdIds: [...this.#created],
      deletedIds: [...this.#deleted],
      events: this.#events,
      steps,
    };
  }

  #bound(count: number): void {
    if (count > this.#limits.objects)
      throw fault('limit', `more than ${this.#limits.objects} objects`);
  }
}
