/**
 * @module The locations of command arguments: pure bytes, objects, results of earlier commands, the
 * gas coin; and the allowed uses of each. Pure bytes are for primitive types only, a value is taken
 * once, and a read-only place is never written.
 */
import { GrpcTypes } from '@mysten/sui/grpc';
import { normalizeSuiAddress } from '@mysten/sui/utils';
import type { Cell, MoveSession } from '../move/types.ts';
import { argumentFailure, type ExecutionFailure } from './failure.ts';
import type { ResolvedInput } from './inputs.ts';

export const FRAMEWORK = normalizeSuiAddress('0x2');
const STD = normalizeSuiAddress('0x1');

const PURE_STRUCTS = new Set([
  `${STD}::string::String`,
  `${STD}::ascii::String`,
  `${FRAMEWORK}::object::ID`,
]);
const PRIMITIVES = new Set(['bool', 'u8', 'u16', 'u32', 'u64', 'u128', 'u256', 'address']);
const OPTION = `${STD}::option::Option<`;

/**
 * Whether raw bytes may stand for a value of this type: a struct with its own rules must come
 * from code.
 */
export const isPureType = (type: string): boolean => {
  if (PRIMITIVES.has(type) || PURE_STRUCTS.has(type)) return true;
  for (const prefix of ['vector<', OPTION])
    if (type.startsWith(prefix)) return isPureType(type.slice(prefix.length, -1));
  return false;
};

export type Place =
  | { readonly type: 'pure'; readonly bytes: Uint8Array }
  | {
      readonly type: 'cell';
      readonly cell: Cell;
      readonly from: 'gas' | 'result' | 'owned' | 'shared' | 'immutable';
      readonly mutable: boolean;
    }
  | { readonly type: 'receiving'; readonly id: string; readonly version: bigint };

const argumentKinds = GrpcTypes.Argument_ArgumentKind;

/** The places of one transaction. */
export class Places {
  readonly #session: MoveSession;
  readonly #inputs: readonly ResolvedInput[];
  readonly #inputCells = new Map<number, Cell>();
  readonly gasCell: Cell;
  /** Results of the commands so far. */
  readonly results: (readonly Cell[])[] = [];

  constructor(session: MoveSession, inputs: readonly ResolvedInput[], gasCell: Cell) {
    this.#session = session;
    this.#inputs = inputs;
    this.gasCell = gasCell;
  }

  /** The cell of an object input, if any command has used it. */
  inputCell(index: number): Cell | undefined {
    return this.#inputCells.get(index);
  }

  place(argument: GrpcTypes.Argument | undefined, position: number): Place {
    if (argument?.kind === argumentKinds.GAS)
      return { type: 'cell', cell: this.gasCell, from: 'gas', mutable: true };
    if (argument?.kind === argumentKinds.INPUT)
      return this.#inputPlace(argument.input ?? 0, position);
    if (argument?.kind === argumentKinds.RESULT) return this.#resultPlace(argument, position);
    throw argumentFailure(position, 'ARGUMENT_WITHOUT_VALUE', 'expected an argument');
  }

  #inputPlace(index: number, position: number): Place {
    const input = this.#inputs[index];
    if (!input)
      throw argumentFailure(position, 'INDEX_OUT_OF_BOUNDS', `there is no input ${index}`);
    if (input.type === 'pure') return input;
    if (input.access === 'receiving')
      return { type: 'receiving', id: input.object.id, version: input.object.version };
    const known = this.#inputCells.get(index);
    const cell = known ?? this.#session.cell(input.object.objectType, input.object.contents);
    this.#inputCells.set(index, cell);
    return { type: 'cell', cell, from: input.access, mutable: input.mutable };
  }

  #resultPlace(argument: GrpcTypes.Argument, position: number): Place {
    const cells = this.results[argument.result ?? 0];
    if (!cells)
      throw argumentFailure(
        position,
        'INDEX_OUT_OF_BOUNDS',
        `command ${argument.result} has not run`,
      );
    if (argument.subresult === undefined && cells.length !== 1)
      throw argumentFailure(
        position,
        'INVALID_RESULT_ARITY',
        `command ${argument.result} has ${cells.length} results, not one`,
      );
    const cell = cells[argument.subresult ?? 0];
    if (!cell)
      throw argumentFailure(
        position,
        'SECONDARY_INDEX_OUT_OF_BOUNDS',
        `command ${argument.result} has ${cells.length} results`,
      );
    return { type: 'cell', cell, from: 'result', mutable: true };
  }

  /** A cell whose value will be taken. The gas coin may only be given away by TransferObjects. */
  take(argument: GrpcTypes.Argument | undefined, position: number, gas = false): Cell {
    const place = this.place(argument, position);
    if (place.type !== 'cell')
      throw argumentFailure(position, 'TYPE_MISMATCH', 'expected an object or a result');
    this.checkPresent(place.cell, position);
    if (place.from === 'gas' && !gas)
      throw argumentFailure(position, 'INVALID_GAS_COIN_USAGE', 'the gas coin may not be taken');
    if (!place.mutable)
      throw argumentFailure(
        position,
        'INVALID_OBJECT_BY_VALUE',
        `a ${place.from} object that is only read may not be taken`,
      );
    return place.cell;
  }

  /** A cell that will be written in place. */
  borrow(argument: GrpcTypes.Argument | undefined, position: number): Cell {
    const place = this.place(argument, position);
    if (place.type !== 'cell')
      throw argumentFailure(position, 'TYPE_MISMATCH', 'expected an object or a result');
    this.checkPresent(place.cell, position);
    if (!place.mutable) throw this.notMutable(position, place.from);
    return place.cell;
  }

  notMutable(position: number, from: string): ExecutionFailure {
    return argumentFailure(
      position,
      'INVALID_OBJECT_BY_MUT_REF',
      `this ${from} object may only be read`,
    );
  }

  checkPresent(cell: Cell, position: number): void {
    if (cell.value === undefined)
      throw argumentFailure(position, 'INVALID_VALUE_USAGE', 'the value was already taken');
  }

  /** A value of a primitive type, from pure bytes or a result. */
  primitive(argument: GrpcTypes.Argument | undefined, position: number, type: string): Uint8Array {
    const place = this.place(argument, position);
    if (place.type === 'pure') return this.#session.bytes(this.decode(type, place.bytes, position));
    if (place.type !== 'cell' || place.cell.type !== type)
      throw argumentFailure(position, 'TYPE_MISMATCH', `expected ${type}`);
    this.checkPresent(place.cell, position);
    return this.#session.bytes(place.cell);
  }

  decode(type: string, bytes: Uint8Array, position: number): Cell {
    if (!isPureType(type))
      throw argumentFailure(
        position,
        'INVALID_USAGE_OF_PURE_ARGUMENT',
        `a value of type ${type} cannot be given as bytes`,
      );
    try {
      return this.#session.cell(type, bytes);
    } catch (error) {
      throw argumentFailure(position, 'INVALID_BCS_BYTES', String(error));
    }
  }
}
