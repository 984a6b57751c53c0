/**
 * @module The public interface of the Move interpreter: the inputs from a chain (packages, objects,
 * transaction context, limits) and the results (cells, effects, events, failures). The interpreter
 * keeps no chain state. A `MoveSession` is one transaction, reads objects through `ObjectReader`
 * and collects its writes; dropping the session is the rollback.
 */

/** `0x` and 64 lower-case hex digits. */
export type Address = string;

/**
 * A type tag in canonical text: `u64`, `vector<u8>`, `0x<64 hex>::coin::Coin<0x<64
 * hex>::sui::SUI>`.
 */
export type TypeTag = string;

/**
 * A value inside the machine. Width and type come from the bytecode, not from the value: u8, u16,
 * u32 are numbers; u64, u128, u256 bigints; address and signer are `Address` text; vectors and
 * structs are arrays; an enum value is a variant.
 */
export type Value = boolean | number | bigint | string | Value[] | VariantValue;

/** One value of an enum: `tag` is the variant's position in the declaration. */
export interface VariantValue {
  tag: number;
  fields: Value[];
}

/**
 * A typed place for a value between two calls of one transaction: an input or a result of a
 * command. The session takes values out (`value` becomes undefined when moved) and lends references
 * into the place.
 */
export interface Cell {
  readonly type: TypeTag;
  value: Value | undefined;
}

/**
 * An argument of a call. `bcs` is decoded by the parameter's type (for `&T` and `&mut T` into a
 * separate place);
 * `cell` is moved for a parameter by value (`copy: true`: copied, type must have `copy`), lent for
 * `&T` and `&mut T`.
 */
export type CallArgument =
  | { readonly type: 'bcs'; readonly bytes: Uint8Array }
  | { readonly type: 'cell'; readonly cell: Cell; readonly copy?: boolean };

/**
 * What the machine may spend. Exceeding one is a failure of the transaction, never of the process.
 */
export interface Limits {
  /**
   * Gas of a transaction: one unit an instruction, plus one for every 8 bytes (or leaf) copied,
   * compared, hashed, serialised.
   */
  readonly steps: number;
  /** Frames on the call stack. */
  readonly callDepth: number;
  /** Nesting of a value, and of a type. */
  readonly valueDepth: number;
  /** Bytes of one object or event in BCS. */
  readonly objectBytes: number;
  readonly events: number;
  /** Objects created, loaded or written. */
  readonly objects: number;
}

/**
 * What the transaction knows of itself; `digest` is the 32 bytes from which object ids are derived.
 */
export interface TransactionContext {
  readonly sender: Address;
  readonly digest: Uint8Array;
  readonly epoch: bigint;
  readonly epochTimestampMs: bigint;
  readonly sponsor?: Address;
  readonly referenceGasPrice?: bigint;
  readonly gasPrice?: bigint;
  readonly gasBudget?: bigint;
}

/** An object as the chain stores it. */
export interface StoredObject {
  readonly id: Address;
  readonly type: TypeTag;
  /** BCS of the struct. */
  readonly contents: Uint8Array;
  readonly version?: bigint;
}

/**
 * What a running transaction reads. Both see the state before the transaction; the session overlays
 * its own writes.
 */
export interface ObjectReader {
  /**
   * The object `id` owned by the object `parent` (a dynamic field or a dynamic object field's
   * value).
   */
  readonly getChild: (parent: Address, id: Address) => StoredObject | undefined;
  /** The object `id` owned by the address `parent`, for `transfer::receive`. */
  readonly getReceivable: (
    parent: Address,
    id: Address,
    version: bigint,
  ) => StoredObject | undefined;
}

export type Owner =
  | { readonly type: 'address'; readonly address: Address }
  | { readonly type: 'object'; readonly parent: Address }
  | { readonly type: 'shared' }
  | { readonly type: 'immutable' };

/** Where code stopped. `function` is undefined outside of code (arguments, results). */
export interface CodeLocation {
  readonly package: Address;
  readonly module: string;
  readonly function: string;
  /** Index of the function definition in its module. */
  readonly functionIndex: number;
  /** Index of the instruction. */
  readonly offset: number;
}

/**
 * Why a call failed. `abort`: the code's own decision. `arithmetic`: overflow, underflow, division
 * by zero, shift or cast out of range; `vector`: index out of range or pop of nothing: both are
 * MovePrimitiveRuntimeError on Sui.
 * `out_of_gas`, `limit`: the limits. `function_not_found`, `link`: code that is not there.
 * `argument`: number, type or bytes of the arguments. `visibility`: neither public nor entry.
 * `invariant`: bytecode that a verifier would refuse.
 */
export interface MoveFailure {
  readonly type:
    | 'abort'
    | 'arithmetic'
    | 'vector'
    | 'out_of_gas'
    | 'limit'
    | 'function_not_found'
    | 'link'
    | 'argument'
    | 'visibility'
    | 'invariant';
  readonly message: string;
  /**
   * The abort code, for `abort`; for `vector` 1: index out of range, 2: pop of nothing, 3: unpacked
   * into another number.
   */
  readonly code?: bigint;
  /** Position of the offending argument, for `argument`. */
  readonly argument?: number;
  readonly location?: CodeLocation;
}

export interface CallRequest {
  /** Storage id of the package (equal to the original id until it is upgraded). */
  readonly package: Address;
  readonly module: string;
  readonly function: string;
  readonly typeArguments?: readonly TypeTag[];
  /** Without the trailing `TxContext`, which the session supplies. */
  readonly arguments?: readonly CallArgument[];
  /** Call private functions too: for `init`. Default false. */
  readonly bypassVisibility?: boolean;
}

export type CallResult =
  | {
      readonly status: 'success';
      /**
       * One cell a result; a returned reference comes as a copy with `reference` set in
       * `FunctionInfo.returns`.
       */
      readonly returns: readonly Cell[];
      /** Gas of this call. */
      readonly steps: number;
    }
  | { readonly status: 'failure'; readonly failure: MoveFailure; readonly steps: number };

export interface MoveEvent {
  /**
   * Package and module of the call (of the transaction's command) during which the event was
   * emitted.
   */
  readonly package: Address;
  readonly module: string;
  readonly type: TypeTag;
  readonly contents: Uint8Array;
}

/** An object given an owner by the transaction: created, or an input taken by value. */
export interface WrittenObject extends StoredObject {
  readonly owner: Owner;
  /** Its id was made in this transaction. */
  readonly created: boolean;
}

/** What a session did, apart from changes inside the cells that its caller holds. */
export interface SessionEffects {
  /**
   * Transferred, shared, frozen; each id once (the last word counts), in the order of first
   * mention.
   */
  readonly written: readonly WrittenObject[];
  /** Children of objects: new or changed. `owner.type` is `object`. */
  readonly children: readonly WrittenObject[];
  /**
   * Children that left their parent and are not in `children`: deleted, unwrapped or given away
   * (see `written`, `deletedIds`).
   */
  readonly removedChildren: readonly { readonly parent: Address; readonly id: Address }[];
  /** Children read and left alone, with the version read. */
  readonly loadedChildren: readonly StoredObject[];
  /** Objects taken by `transfer::receive`. */
  readonly received: readonly Address[];
  /** Every id made by this transaction, deleted ones included. */
  readonly createdIds: readonly Address[];
  /** Every id whose `UID` was deleted. */
  readonly deletedIds: readonly Address[];
  readonly events: readonly MoveEvent[];
  readonly steps: number;
}

/** A type in a signature; type parameters are `T0`, `T1`, ... */
export interface ParameterInfo {
  readonly type: TypeTag;
  readonly reference: 'none' | 'immutable' | 'mutable';
}

/** Bits of abilities as in the binary format. */
export const ABILITY = { copy: 1, drop: 2, store: 4, key: 8 } as const;

export interface FunctionInfo {
  readonly name: string;
  readonly visibility: 'private' | 'public' | 'friend';
  readonly isEntry: boolean;
  readonly isNative: boolean;
  /** Ability constraint of each type parameter, in bits of `ABILITY`. */
  readonly typeParameters: readonly number[];
  /** All parameters, a trailing `TxContext` included. */
  readonly parameters: readonly ParameterInfo[];
  readonly returns: readonly ParameterInfo[];
  /** `mutable` or `immutable` when the last parameter is the context. */
  readonly txContext: 'none' | 'immutable' | 'mutable';
}

export interface FieldInfo {
  readonly name: string;
  readonly type: TypeTag;
}

export interface DatatypeInfo {
  readonly name: string;
  readonly abilities: number;
  readonly typeParameters: readonly { readonly constraints: number; readonly phantom: boolean }[];
  readonly body:
    | { readonly type: 'struct'; readonly fields: readonly FieldInfo[] }
    | {
        readonly type: 'enum';
        readonly variants: readonly {
          readonly name: string;
          readonly fields: readonly FieldInfo[];
        }[];
      };
}

export interface ModuleInfo {
  /** The address in the module's own bytecode: the original id. */
  readonly address: Address;
  readonly name: string;
  readonly functions: readonly FunctionInfo[];
  readonly datatypes: readonly DatatypeInfo[];
  readonly hasInit: boolean;
  /** The one-time witness type that `init` takes first, if it does. */
  readonly witness?: TypeTag;
}

export interface PackageInfo {
  readonly storageId: Address;
  readonly originalId: Address;
  readonly version: bigint;
  /** As published, self address in place, in dependency order. */
  readonly modules: readonly {
    readonly name: string;
    readonly bytes: Uint8Array;
    readonly info: ModuleInfo;
  }[];
  /** Original id -> storage id of every package this one links to, transitively. */
  readonly linkage: ReadonlyMap<Address, Address>;
  /** Package that first defined each datatype: `module::Name` -> storage id. */
  readonly typeOrigins: ReadonlyMap<string, Address>;
}

export interface PublishRequest {
  /** Id the package is stored under. */
  readonly storageId: Address;
  readonly modules: readonly Uint8Array[];
  /** Storage ids of the direct and transitive dependencies. */
  readonly dependencies: readonly Address[];
  /** Storage id of the package that this one upgrades; checked for compatibility. */
  readonly upgrades?: Address;
}

export type PublishResult =
  | { readonly status: 'success'; readonly package: PackageInfo }
  | { readonly status: 'failure'; readonly failure: MoveFailure };

/** One transaction. Not usable after a failed call: throw it away. */
export interface MoveSession {
  readonly callFunction: (request: CallRequest) => CallResult;
  /** Decodes BCS (a whole input object, a pure value) into a cell. */
  readonly cell: (type: TypeTag, bytes: Uint8Array) => Cell;
  /**
   * Makes a vector of the arguments (the MakeMoveVec command). @throws DevnetError when one does
   * not fit the element type.
   */
  readonly vector: (elementType: TypeTag, elements: readonly CallArgument[]) => Cell;
  /** BCS of what the cell holds. Throws `DevnetError` if it was moved. */
  readonly bytes: (cell: Cell) => Uint8Array;
  /** Abilities of the cell's type, bits of `ABILITY`. */
  readonly abilities: (type: TypeTag) => number;
  /**
   * Records a transfer by the TransferObjects command; the type must have `store` (the caller
   * checks, by `abilities`).
   */
  readonly give: (cell: Cell, owner: Owner) => void;
  /** A fresh object id, by the chain's rule from the digest and the number of ids so far. */
  readonly freshId: () => Address;
  /**
   * Spends gas from outside (bytes of inputs, other commands); returns false when there is not
   * enough.
   */
  readonly charge: (steps: number) => boolean;
  readonly effects: () => SessionEffects;
}

export interface MoveVm {
  /**
   * Checks, links and registers a package. Modules compiled at 0x0 get `storageId` (or the upgraded
   * package's original id) as address.
   */
  readonly publish: (request: PublishRequest) => PublishResult;
  /** Forgets a package: the rollback of a transaction that published and then failed. */
  readonly unpublish: (storageId: Address) => void;
  readonly getPackage: (storageId: Address) => PackageInfo | undefined;
  readonly getFunction: (
    storageId: Address,
    module: string,
    name: string,
  ) => FunctionInfo | undefined;
  /** Abilities of a type given by tag, undefined when the type is not known. */
  readonly abilitiesOf: (type: TypeTag) => number | undefined;
  /**
   * Canonical text of a type tag (addresses at full length), or undefined when it does not parse or
   * is not known.
   */
  readonly normaliseTag: (type: string) => TypeTag | undefined;
  /** BCS of a type tag, as in dynamic-field ids. */
  readonly typeTagBytes: (type: TypeTag) => Uint8Array;
  /**
   * Value of `contents` as JSON-ready data by the type's layout, for explorers and events' `json`;
   * undefined when the type is not known.
   */
  readonly toJson: (type: TypeTag, contents: Uint8Array) => unknown;
  /** BCS of each field of a struct; undefined when the type is not a known struct. */
  readonly fieldBytes: (type: TypeTag, contents: Uint8Array) => readonly Uint8Array[] | undefined;
  readonly begin: (options: {
    readonly objects: ObjectReader;
    readonly context: TransactionContext;
    readonly limits?: Partial<Limits>;
    /**
     * Objects that are inputs of the transaction and where they stand, so that sharing an owned
     * input and the like is judged as on chain.
     */
    readonly inputs?: ReadonlyMap<Address, Owner>;
  }) => MoveSession;
}

export const DEFAULT_LIMITS: Limits = {
  steps: 20_000_000,
  callDepth: 1024,
  valueDepth: 128,
  objectBytes: 256_000,
  events: 1024,
  objects: 2048,
};
