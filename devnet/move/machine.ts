/**
 * @module The stack machine: runs checked code within limits of gas and depth. Integers never wrap:
 * overflow, division by zero, a shift or cast out of range stop the call, as in the Move VM.
 */
import type { LoadedFunction, Step } from './code.ts';
import type { FunctionRef } from './code.ts';
import { cast, narrowArithmetic, shift, wideArithmetic } from './arithmetic.ts';
import { Fault, VECTOR, fault } from './fault.ts';
import { OP } from './opcodes.ts';
import { expectTag, popRef, popValue, popVariant, position, takeValues } from './operands.ts';
import type { MoveType, TypeTable } from './typing.ts';
import type { CodeLocation, Limits } from './types.ts';
import {
  Ref,
  asArray,
  asBigint,
  asInteger,
  asNumber,
  copyValue,
  equalValues,
  sizeOf,
  type Slot,
} from './values.ts';

/**
 * A native function: its arguments in order; returns its results. Gas beyond one step it takes by
 * `machine.charge`.
 */
export type Native = (args: readonly Slot[], typeArguments: readonly MoveType[]) => readonly Slot[];

/** Finds code by the linkage of the package that the transaction called. */
export interface LinkContext {
  readonly resolve: (ref: FunctionRef) => LoadedFunction;
  readonly native: (fn: LoadedFunction) => Native;
}

interface Frame {
  readonly fn: LoadedFunction;
  readonly code: readonly Step[];
  readonly locals: Slot[];
  readonly types: readonly MoveType[];
  pc: number;
}

export class Machine {
  readonly #types: TypeTable;
  readonly #limits: Limits;
  /** Gas that is left. */
  left: number;

  constructor(types: TypeTable, limits: Limits) {
    this.#types = types;
    this.#limits = limits;
    this.left = limits.steps;
  }

  charge(steps: number): void {
    this.left -= steps;
    if (this.left < 0) {
      this.left = 0;
      throw fault('out_of_gas', `the gas limit of ${this.#limits.steps} steps is used up`);
    }
  }

  /** Runs `fn` to its end. @throws Fault with the location of the innermost function. */
  run(
    context: LinkContext,
    fn: LoadedFunction,
    typeArguments: readonly MoveType[],
    args: readonly Slot[],
  ): readonly Slot[] {
    const frames: Frame[] = [];
    const stack: Slot[] = [...args];
    try {
      this.#enter(context, frames, stack, fn, typeArguments);
      while (frames.length > 0) this.#loop(context, frames, stack);
    } catch (error) {
      const top = frames.at(-1);
      if (!(error instanceof Fault) || error.failure.location !== undefined || top === undefined)
        throw error;
      throw new Fault({ ...error.failure, location: locate(top.fn, top.pc) });
    }
    return stack;
  }

  /** Starts a function on the arguments that lie on the stack; a native one is run at once. */
  #enter(
    context: LinkContext,
    frames: Frame[],
    stack: Slot[],
    fn: LoadedFunction,
    types: readonly MoveType[],
  ): void {
    const args = stack.splice(stack.length - fn.parameters.length);
    if (fn.code === undefined) {
      try {
        stack.push(...context.native(fn)(args, types));
      } catch (error) {
        if (!(error instanceof Fault) || error.failure.location !== undefined) throw error;
        throw new Fault({ ...error.failure, location: locate(fn, 0) });
      }
      return;
    }
    if (frames.length >= this.#limits.callDepth)
      throw fault('limit', `calls are nested deeper than ${this.#limits.callDepth}`);
    args.length = fn.locals.length;
    frames.push({ fn, code: fn.code, locals: args, types, pc: 0 });
  }

  #copy(value: Slot): Slot {
    if (typeof value !== 'object' || value instanceof Ref) return value;
    this.charge(sizeOf(value, this.left));
    return copyValue(value);
  }

  #equal(a: Slot, b: Slot): boolean {
    const left = a instanceof Ref ? a.get() : a;
    const right = b instanceof Ref ? b.get() : b;
    if (left === undefined || right === undefined) throw fault('invariant', 'nothing to compare');
    if (typeof left === 'object') this.charge(sizeOf(left, this.left));
    return equalValues(left, right);
  }

  /** Runs the topmost frame until it calls or returns. */
  #loop(context: LinkContext, frames: Frame[], stack: Slot[]): void {
    const frame = frames[frames.length - 1];
    if (frame === undefined) return;
    const { code, locals } = frame;
    let pc = frame.pc;
    for (;;) {
      const step = code[pc];
      if (step === undefined) throw fault('invariant', 'code ran past its end');
      frame.pc = pc;
      pc += 1;
      this.left -= 1;
      if (this.left < 0) this.charge(0);
      const { op, n } = step;
      switch (op) {
        case OP.NOP:
          break;
        case OP.POP:
          stack.pop();
          break;
        case OP.LD_CONST:
          stack.push(this.#copy(step.value));
          break;
        case OP.COPY_LOC: {
          const value = locals[n];
          if (value === undefined) throw fault('invariant', `local ${n} was moved`);
          stack.push(this.#copy(value));
          break;
        }
        case OP.MOVE_LOC: {
          const value = locals[n];
          if (value === undefined) throw fault('invariant', `local ${n} was moved`);
          locals[n] = undefined;
          stack.push(value);
          break;
        }
        case OP.ST_LOC:
          if (locals[n] !== undefined && frame.fn.droppable[n] !== true)
            throw fault('invariant', `local ${n} holds a value that may not be dropped`);
          locals[n] = stack.pop();
          break;
        case OP.IMM_BORROW_LOC:
          if (locals[n] === undefined) throw fault('invariant', `local ${n} was moved`);
          stack.push(new Ref(locals, n));
          break;
        case OP.IMM_BORROW_FIELD:
          stack.push(new Ref(asArray(popRef(stack).get()), n));
          break;
        case OP.READ_REF:
          stack.push(this.#copy(popRef(stack).get()));
          break;
        case OP.WRITE_REF: {
          const ref = popRef(stack);
          ref.get();
          ref.set(popValue(stack));
          break;
        }
        case OP.FREEZE_REF:
          break;
        case OP.BRANCH:
          pc = n;
          break;
        case OP.BR_TRUE:
          if (stack.pop() === true) pc = n;
          break;
        case OP.BR_FALSE:
          if (stack.pop() !== true) pc = n;
          break;
        case OP.VARIANT_SWITCH:
          pc = step.targets[popVariant(popRef(stack).get()).tag] ?? code.length;
          break;
        case OP.ABORT: {
          const abortCode = asBigint(stack.pop());
          throw fault('abort', `abort with code ${abortCode}`, { code: abortCode });
        }
        case OP.RET:
          for (let i = 0; i < locals.length; i++)
            if (locals[i] !== undefined && frame.fn.droppable[i] !== true)
              throw fault('invariant', `local ${i} holds a value that may not be dropped`);
          frames.pop();
          return;
        case OP.CALL: {
          if (step.callee === undefined) throw fault('invariant', 'a call of nothing');
          const callee = context.resolve(step.callee);
          const types = step.types.map((type) => this.#types.substitute(type, frame.types));
          this.#enter(context, frames, stack, callee, types);
          if (callee.code === undefined) break;
          frame.pc = pc;
          return;
        }
        default:
          this.#compute(step, stack);
      }
    }
  }

  /** Arithmetic, comparison and logic. */
  #compute(step: Step, stack: Slot[]): void {
    const { op, n } = step;
    switch (op) {
      case OP.ADD:
      case OP.SUB:
      case OP.MUL:
      case OP.MOD:
      case OP.DIV:
      case OP.BIT_OR:
      case OP.BIT_AND:
      case OP.XOR: {
        const b = stack.pop();
        const a = stack.pop();
        stack.push(
          n <= 32
            ? narrowArithmetic(op, n, asNumber(a), asNumber(b))
            : wideArithmetic(op, n, asBigint(a), asBigint(b)),
        );
        break;
      }
      case OP.SHL:
      case OP.SHR: {
        const by = asNumber(stack.pop());
        stack.push(shift(op, n, stack.pop(), by));
        break;
      }
      case OP.CAST_U8:
        stack.push(cast(stack.pop(), n));
        break;
      case OP.LT: {
        const b = asInteger(stack.pop());
        stack.push(asInteger(stack.pop()) < b);
        break;
      }
      case OP.GT: {
        const b = asInteger(stack.pop());
        stack.push(asInteger(stack.pop()) > b);
        break;
      }
      case OP.LE: {
        const b = asInteger(stack.pop());
        stack.push(asInteger(stack.pop()) <= b);
        break;
      }
      case OP.GE: {
        const b = asInteger(stack.pop());
        stack.push(asInteger(stack.pop()) >= b);
        break;
      }
      case OP.EQ:
      case OP.NEQ: {
        const b = stack.pop();
        stack.push(this.#equal(stack.pop(), b) === (op === OP.EQ));
        break;
      }
      case OP.OR: {
        const b = stack.pop() === true;
        stack.push(stack.pop() === true || b);
        break;
      }
      case OP.AND: {
        const b = stack.pop() === true;
        stack.push(stack.pop() === true && b);
        break;
      }
      case OP.NOT:
        stack.push(stack.pop() !== true);
        break;
      default:
        this.#build(step, stack);
    }
  }

  /** Structs, enums and vectors. */
  #build(step: Step, stack: Slot[]): void {
    const { op, n } = step;
    switch (op) {
      case OP.PACK:
        stack.push(takeValues(stack, n));
        break;
      case OP.UNPACK:
        for (const field of asArray(popValue(stack))) stack.push(field);
        break;
      case OP.PACK_VARIANT:
        stack.push({ tag: n, fields: takeValues(stack, step.m) });
        break;
      case OP.UNPACK_VARIANT: {
        const value = popVariant(popValue(stack));
        expectTag(value, n);
        for (const field of value.fields) stack.push(field);
        break;
      }
      case OP.UNPACK_VARIANT_IMM_REF: {
        const value = popVariant(popRef(stack).get());
        expectTag(value, n);
        value.fields.forEach((_, i) => stack.push(new Ref(value.fields, i)));
        break;
      }
      case OP.VEC_PACK:
        this.charge(n);
        stack.push(takeValues(stack, n));
        break;
      case OP.VEC_UNPACK: {
        const items = asArray(popValue(stack));
        if (items.length !== n)
          throw fault('vector', `a vector of ${items.length} elements, expected ${n}`, {
            code: VECTOR.parity,
          });
        this.charge(n);
        for (const item of items) stack.push(item);
        break;
      }
      case OP.VEC_LEN:
        stack.push(BigInt(asArray(popRef(stack).get()).length));
        break;
      case OP.VEC_IMM_BORROW: {
        const index = asBigint(stack.pop());
        const items = asArray(popRef(stack).get());
        stack.push(new Ref(items, position(items, index)));
        break;
      }
      case OP.VEC_PUSH_BACK: {
        const value = popValue(stack);
        asArray(popRef(stack).get()).push(value);
        break;
      }
      case OP.VEC_POP_BACK: {
        const value = asArray(popRef(stack).get()).pop();
        if (value === undefined)
          throw fault('vector', 'pop from an empty vector', { code: VECTOR.popEmpty });
        stack.push(value);
        break;
      }
      case OP.VEC_SWAP: {
        const second = asBigint(stack.pop());
        const first = asBigint(stack.pop());
        const items = asArray(popRef(stack).get());
        const i = position(items, first);
        const k = position(items, second);
        const [a, b] = [items[i], items[k]];
        if (a === undefined || b === undefined) throw fault('invariant', 'a hole in a vector');
        items[i] = b;
        items[k] = a;
        break;
      }
      default:
        throw fault('invariant', `instruction ${op}`);
    }
  }
}

const locate = (fn: LoadedFunction, offset: number): CodeLocation => ({
  package: fn.module.originalId,
  module: fn.module.name,
  function: fn.name,
  functionIndex: fn.index,
  offset,
});
