/**
 * @module The messages between the two sides of a trainer's thread. Errors travel as data: a class
 * does not cross threads, and the code of an error must.
 */
import {
  FloeError,
  toFloeError,
  type ErrorCode,
  type ErrorDetails,
} from '../../protocol/errors.ts';
import type { Dataset } from '../data/dataset.ts';
import type { EvaluateResult, Trainer, TrainRequest, TrainResult } from '../trainer.ts';

/** What a worker is started with. */
export interface ThreadStart {
  /** URL of the module whose export `createTrainer` makes the trainer. */
  readonly module: string;
  readonly argument: unknown;
}

/** What is known of a trainer before it trains. */
export type Facts = Pick<
  Trainer,
  'manifest' | 'backend' | 'examples' | 'base' | 'corrections' | 'localSteps' | 'report'
>;

export type ThreadCall =
  | {
      readonly type: 'train';
      readonly id: number;
      readonly request: Omit<TrainRequest, 'signal' | 'onProgress'>;
      readonly shared: SharedArrayBuffer;
    }
  | {
      readonly type: 'evaluate';
      readonly id: number;
      readonly weights: Float32Array;
      readonly data: Dataset | undefined;
    }
  | { readonly type: 'dispose' };

export type ThreadAnswer =
  | { readonly type: 'ready'; readonly facts: Facts }
  | { readonly type: 'unusable'; readonly error: CarriedError }
  | { readonly type: 'done'; readonly id: number; readonly value: TrainResult | EvaluateResult }
  | { readonly type: 'failed'; readonly id: number; readonly error: CarriedError };

/** An error as data. `code` is absent for errors that are not Floe's. */
export interface CarriedError {
  readonly name: string;
  readonly message: string;
  readonly code?: ErrorCode;
  readonly details?: ErrorDetails;
  readonly cause?: CarriedError;
}

/** Errors that wrap one another, at most. */
const DEEPEST_CAUSE = 8;

const carry = (thrown: unknown, depth: number): CarriedError => {
  if (!(thrown instanceof Error)) return { name: 'Error', message: String(thrown) };
  const { name, message, cause } = thrown;
  return {
    name,
    message,
    ...(thrown instanceof FloeError ? { code: thrown.code, details: thrown.details } : {}),
    ...(cause === undefined || depth === 0 ? {} : { cause: carry(cause, depth - 1) }),
  };
};

/** An error of the worker, with its code, the classes of its causes, and no stack. */
export const carryError = (thrown: unknown, fallback: ErrorCode): CarriedError =>
  carry(toFloeError(thrown, fallback), DEEPEST_CAUSE);

/** The error again, on the other side. */
export const errorOf = ({ name, message, code, details, cause }: CarriedError): Error => {
  const options = cause === undefined ? {} : { cause: errorOf(cause) };
  return code === undefined
    ? Object.assign(new Error(message, options), { name })
    : new FloeError(code, message, details, options);
};

/**
 * Memory that both threads see while a call runs: whether the caller has cancelled it, and how far
 * it is. A synchronous trainer reads and writes it without a turn of any event loop.
 */
export interface SharedCall {
  readonly memory: SharedArrayBuffer;
  readonly cancel: () => void;
  readonly isCancelled: () => boolean;
  readonly say: (done: number, total: number) => void;
  readonly heard: () => { readonly done: number; readonly total: number };
}

const CANCELLED = 0;
const DONE = 1;
const TOTAL = 2;
const CELL_BYTES = 8;

export const sharedCall = (memory = new SharedArrayBuffer(3 * CELL_BYTES)): SharedCall => {
  const cells = new BigInt64Array(memory);
  // Numbers travel as their bits: only integers are read and written as a whole.
  const bits = new DataView(new ArrayBuffer(CELL_BYTES));
  const write = (cell: number, value: number): void => {
    bits.setFloat64(0, value);
    Atomics.store(cells, cell, bits.getBigInt64(0));
  };
  const read = (cell: number): number => {
    bits.setBigInt64(0, Atomics.load(cells, cell));
    return bits.getFloat64(0);
  };
  return {
    memory,
    cancel: () => void Atomics.store(cells, CANCELLED, 1n),
    isCancelled: () => Atomics.load(cells, CANCELLED) === 1n,
    // The total is the same through a call: written first and read last, it is never too small.
    say: (done, total) => {
      write(TOTAL, total);
      write(DONE, done);
    },
    heard: () => {
      const done = read(DONE);
      return { done, total: read(TOTAL) };
    },
  };
};
