/**
 * @module Type checker of function bodies. As in Move's own verifier the operand stack is empty between basic blocks and
 * locals have declared types, so one pass in code order decides the type of every operand: it refuses ill-typed code,
 * checks abilities, and writes the integer widths into the instructions that the machine runs. Not here: the
 * analysis of borrows and of moved locals (the machine checks the latter while it runs).
 */
import type { Token } from './module.ts';
import type { LoadedFunction, Step } from './code.ts';
import { decode } from './bcs.ts';
import { fault } from './fault.ts';
import type { Linker } from './linker.ts';
import { OP, opName } from './opcodes.ts';
import { type MoveType, abilitiesOf, tagOf, widthOf } from './typing.ts';
import { ABILITY, type Value } from './types.ts';

const BINARY_INTEGER: ReadonlySet<number> = new Set([
  OP.ADD,
  OP.SUB,
  OP.MUL,
  OP.MOD,
  OP.DIV,
  OP.BIT_OR,
  OP.BIT_AND,
  OP.XOR,
]);
const COMPARE: ReadonlySet<number> = new Set([OP.LT, OP.GT, OP.LE, OP.GE]);
const CASTS: ReadonlyMap<number, 'u8' | 'u16' | 'u32' | 'u64' | 'u128' | 'u256'> = new Map([
  [OP.CAST_U8, 'u8'],
  [OP.CAST_U16, 'u16'],
  [OP.CAST_U32, 'u32'],
  [OP.CAST_U64, 'u64'],
  [OP.CAST_U128, 'u128'],
  [OP.CAST_U256, 'u256'],
]);
const LITERALS: ReadonlyMap<number, 'u8' | 'u16' | 'u32' | 'u64' | 'u128' | 'u256'> = new Map([
  [OP.LD_U8, 'u8'],
  [OP.LD_U16, 'u16'],
  [OP.LD_U32, 'u32'],
  [OP.LD_U64, 'u64'],
  [OP.LD_U128, 'u128'],
  [OP.LD_U256, 'u256'],
]);
/** Most elements of VecPack and VecUnpack. */
const VECTOR_LITERAL = 65_536;

/** A function's signature, known before its body is checked. */
export type Signature = Omit<LoadedFunction, 'code' | 'droppable' | 'locals'>;

/** Checks one body and returns its instructions. @throws Fault `invariant` naming function and instruction. */
export const checkBody = (
  linker: Linker,
  fn: Signature,
  locals: readonly MoveType[],
): readonly Step[] => {
  const { types, binary } = linker;
  const body = binary.functions[fn.index]?.body;
  if (body === undefined) throw fault('invariant', 'a native function has no body');
  const scope = fn.typeParameters;
  const stack: MoveType[] = [];
  let at = 0;
  const fail = (what: string): Error =>
    fault(
      'invariant',
      `${fn.module.name}::${fn.name}, instruction ${at} (${opName(body.code[at]?.op ?? 0)}): ${what}`,
    );
  const pop = (): MoveType => {
    const type = stack.pop();
    if (type === undefined) throw fail('the stack is empty');
    return type;
  };
  const popExact = (type: MoveType): void => {
    const got = pop();
    if (got !== type) throw fail(`expected ${tagOf(type)}, got ${tagOf(got)}`);
  };
  const popAll = (wanted: readonly MoveType[]): void => {
    for (let i = wanted.length - 1; i >= 0; i--) {
      const type = wanted[i];
      if (type !== undefined) popExact(type);
    }
  };
  const popInteger = (): number => {
    const type = pop();
    const bits = widthOf(type);
    if (bits === 0) throw fail(`expected an integer, got ${tagOf(type)}`);
    stack.push(type);
    return bits;
  };
  const popReference = (mutable: boolean): MoveType => {
    const type = pop();
    if (type.kind !== 'reference' || (mutable && !type.mutable))
      throw fail(`expected a ${mutable ? 'mutable ' : ''}reference, got ${tagOf(type)}`);
    return type.to;
  };
  const need = (type: MoveType, ability: number, what: string): void => {
    if ((abilitiesOf(type, scope) & ability) === 0) throw fail(`${tagOf(type)} lacks ${what}`);
  };
  const resolve = (tokens: readonly Token[]): MoveType[] => {
    const resolved = tokens.map((token) => linker.type(token));
    for (const type of resolved) linker.checkType(type, scope);
    return resolved;
  };
  const local = (index: number): MoveType => {
    const type = locals[index];
    if (type === undefined) throw fail(`no local ${index}`);
    return type;
  };
  const vectorElement = (signature: number): MoveType => {
    const [element, ...rest] = resolve(binary.signatures[signature] ?? []);
    if (element === undefined || rest.length > 0 || element.kind === 'reference')
      throw fail('a vector of one element type is expected');
    return element;
  };
  const popVectorReference = (element: MoveType, mutable: boolean): void => {
    if (popReference(mutable) !== types.vector(element))
      throw fail(`expected a reference to vector<${tagOf(element)}>`);
  };

  /** Where a block starts the stack must be empty. */
  const starts = new Set<number>();
  for (const { op, arg } of body.code) {
    if (op === OP.BRANCH || op === OP.BR_TRUE || op === OP.BR_FALSE) starts.add(Number(arg));
    if (op === OP.VARIANT_SWITCH)
      body.jumpTables[Number(arg)]?.targets.forEach((target) => starts.add(target));
  }
  const last = body.code.at(-1)?.op;
  if (last !== OP.RET && last !== OP.ABORT && last !== OP.BRANCH && last !== OP.VARIANT_SWITCH) {
    at = body.code.length - 1;
    throw fail('code runs past its end');
  }

  const steps: Step[] = [];
  for (; at < body.code.length; at++) {
    const instruction = body.code[at];
    if (instruction === undefined) break;
    const { op, count } = instruction;
    const arg = Number(instruction.arg);
    if (starts.has(at) && stack.length > 0) throw fail('the stack is not empty between blocks');
    const step = { op, n: arg, m: 0, value: false as Value, types: [] as MoveType[] };
    let callee: Step['callee'];
    let targets: readonly number[] = [];
    const literal = LITERALS.get(op);
    const cast = CASTS.get(op);
    if (literal !== undefined) {
      step.value = instruction.arg;
      step.op = OP.LD_CONST;
      stack.push(types.primitive(literal));
    } else if (cast !== undefined) {
      step.m = popInteger();
      pop();
      const type = types.primitive(cast);
      step.n = widthOf(type);
      step.op = OP.CAST_U8;
      stack.push(type);
    } else if (BINARY_INTEGER.has(op) || COMPARE.has(op)) {
      step.n = popInteger();
      const type = pop();
      popExact(type);
      stack.push(COMPARE.has(op) ? types.bool : type);
    } else {
      switch (op) {
        case OP.NOP:
          break;
        case OP.POP:
          need(pop(), ABILITY.drop, 'drop');
          break;
        case OP.RET:
          popAll(fn.returns);
          if (stack.length > 0) throw fail('values are left on the stack');
          break;
        case OP.ABORT:
          popExact(types.u64);
          if (stack.length > 0) throw fail('values are left on the stack');
          break;
        case OP.BR_TRUE:
        case OP.BR_FALSE:
          popExact(types.bool);
          if (stack.length > 0) throw fail('values are left on the stack');
          break;
        case OP.BRANCH:
          if (stack.length > 0) throw fail('values are left on the stack');
          break;
        case OP.VARIANT_SWITCH: {
          const table = body.jumpTables[arg];
          const type = popReference(false);
          const handle = binary.enums[table?.enumDefinition ?? 0]?.handle ?? -1;
          if (type.kind !== 'datatype' || type.datatype !== linker.datatype(handle))
            throw fail('the jump table is of another enum');
          if (stack.length > 0) throw fail('values are left on the stack');
          targets = table?.targets ?? [];
          break;
        }
        case OP.LD_TRUE:
        case OP.LD_FALSE:
          step.value = op === OP.LD_TRUE;
          step.op = OP.LD_CONST;
          stack.push(types.bool);
          break;
        case OP.LD_CONST: {
          const constant = binary.constants[arg];
          if (constant === undefined) throw fail('no such constant');
          const [type] = resolve([constant.type]);
          if (type === undefined || type.open) throw fail('a constant has an open type');
          step.value = decode(types, type, constant.bytes, { valueDepth: 64, bytes: 65_536 });
          stack.push(type);
          break;
        }
        case OP.COPY_LOC:
          need(local(arg), ABILITY.copy, 'copy');
          stack.push(local(arg));
          break;
        case OP.MOVE_LOC:
          stack.push(local(arg));
          break;
        case OP.ST_LOC:
          popExact(local(arg));
          break;
        case OP.MUT_BORROW_LOC:
        case OP.IMM_BORROW_LOC:
          if (local(arg).kind === 'reference') throw fail('a reference to a reference');
          stack.push(types.reference(local(arg), op === OP.MUT_BORROW_LOC));
          step.op = OP.IMM_BORROW_LOC;
          break;
        case OP.MUT_BORROW_FIELD:
        case OP.IMM_BORROW_FIELD:
        case OP.MUT_BORROW_FIELD_GENERIC:
        case OP.IMM_BORROW_FIELD_GENERIC: {
          const generic = op === OP.MUT_BORROW_FIELD_GENERIC || op === OP.IMM_BORROW_FIELD_GENERIC;
          const mutable = op === OP.MUT_BORROW_FIELD || op === OP.MUT_BORROW_FIELD_GENERIC;
          const use = generic ? binary.fieldInstances[arg] : { index: arg, args: [] };
          const handle = binary.fieldHandles[use?.index ?? -1];
          const args = resolve(use?.args ?? []);
          const { type, fields } = linker.struct(handle?.struct ?? -1, args, scope);
          const field = fields[handle?.field ?? -1];
          if (popReference(mutable) !== type || field === undefined)
            throw fail(`expected a reference to ${tagOf(type)}`);
          stack.push(types.reference(field, mutable));
          step.op = OP.IMM_BORROW_FIELD;
          step.n = handle?.field ?? 0;
          break;
        }
        case OP.CALL:
        case OP.CALL_GENERIC: {
          const use = op === OP.CALL ? { index: arg, args: [] } : binary.functionInstances[arg];
          const handle = use?.index ?? -1;
          const target = linker.functionHandle(handle);
          step.types = resolve(use?.args ?? []);
          types.checkArguments(step.types, target.typeParameters, scope);
          popAll(target.parameters.map((type) => types.substitute(type, step.types)));
          for (const type of target.returns) stack.push(types.substitute(type, step.types));
          callee = target.ref;
          step.op = OP.CALL;
          break;
        }
        case OP.PACK:
        case OP.UNPACK:
        case OP.PACK_GENERIC:
        case OP.UNPACK_GENERIC: {
          const generic = op === OP.PACK_GENERIC || op === OP.UNPACK_GENERIC;
          const use = generic ? binary.structInstances[arg] : { index: arg, args: [] };
          const { type, fields } = linker.struct(use?.index ?? -1, resolve(use?.args ?? []), scope);
          if (op === OP.PACK || op === OP.PACK_GENERIC) {
            popAll(fields);
            stack.push(type);
            step.op = OP.PACK;
          } else {
            popExact(type);
            stack.push(...fields);
            step.op = OP.UNPACK;
          }
          step.n = fields.length;
          break;
        }
        case OP.PACK_VARIANT:
        case OP.UNPACK_VARIANT:
        case OP.UNPACK_VARIANT_IMM_REF:
        case OP.UNPACK_VARIANT_MUT_REF:
        case OP.PACK_VARIANT_GENERIC:
        case OP.UNPACK_VARIANT_GENERIC:
        case OP.UNPACK_VARIANT_GENERIC_IMM_REF:
        case OP.UNPACK_VARIANT_GENERIC_MUT_REF: {
          const generic = op >= OP.UNPACK_VARIANT_GENERIC || op === OP.PACK_VARIANT_GENERIC;
          const instance = generic ? binary.variantInstances[arg] : undefined;
          const use = binary.enumInstances[instance?.instance ?? -1];
          const handle = binary.variantHandles[arg];
          const definition = (generic ? use?.index : handle?.enum) ?? -1;
          const tag = (generic ? instance?.tag : handle?.tag) ?? -1;
          const args = generic ? resolve(use?.args ?? []) : [];
          const { type, fields } = linker.variant(definition, tag, args, scope);
          if (op === OP.PACK_VARIANT || op === OP.PACK_VARIANT_GENERIC) {
            popAll(fields);
            stack.push(type);
            step.op = OP.PACK_VARIANT;
          } else if (op === OP.UNPACK_VARIANT || op === OP.UNPACK_VARIANT_GENERIC) {
            popExact(type);
            stack.push(...fields);
            step.op = OP.UNPACK_VARIANT;
          } else {
            const mutable =
              op === OP.UNPACK_VARIANT_MUT_REF || op === OP.UNPACK_VARIANT_GENERIC_MUT_REF;
            if (popReference(mutable) !== type)
              throw fail(`expected a reference to ${tagOf(type)}`);
            for (const field of fields) stack.push(types.reference(field, mutable));
            step.op = OP.UNPACK_VARIANT_IMM_REF;
          }
          step.n = tag;
          step.m = fields.length;
          break;
        }
        case OP.READ_REF: {
          const type = popReference(false);
          need(type, ABILITY.copy, 'copy');
          stack.push(type);
          break;
        }
        case OP.WRITE_REF: {
          const type = popReference(true);
          need(type, ABILITY.drop, 'drop');
          popExact(type);
          break;
        }
        case OP.FREEZE_REF:
          stack.push(types.reference(popReference(true), false));
          break;
        case OP.OR:
        case OP.AND:
          popExact(types.bool);
          popExact(types.bool);
          stack.push(types.bool);
          break;
        case OP.NOT:
          popExact(types.bool);
          stack.push(types.bool);
          break;
        case OP.EQ:
        case OP.NEQ: {
          const type = pop();
          need(type, ABILITY.drop, 'drop');
          popExact(type);
          stack.push(types.bool);
          break;
        }
        case OP.SHL:
        case OP.SHR:
          popExact(types.u8);
          step.n = popInteger();
          break;
        case OP.VEC_PACK:
        case OP.VEC_UNPACK: {
          const element = vectorElement(arg);
          if (count > VECTOR_LITERAL) throw fail('too many elements');
          const elements = Array.from({ length: count }, () => element);
          if (op === OP.VEC_PACK) {
            popAll(elements);
            stack.push(types.vector(element));
          } else {
            popExact(types.vector(element));
            stack.push(...elements);
          }
          step.n = count;
          break;
        }
        case OP.VEC_LEN:
          popVectorReference(vectorElement(arg), false);
          stack.push(types.u64);
          break;
        case OP.VEC_IMM_BORROW:
        case OP.VEC_MUT_BORROW: {
          const element = vectorElement(arg);
          popExact(types.u64);
          popVectorReference(element, op === OP.VEC_MUT_BORROW);
          stack.push(types.reference(element, op === OP.VEC_MUT_BORROW));
          step.op = OP.VEC_IMM_BORROW;
          break;
        }
        case OP.VEC_PUSH_BACK: {
          const element = vectorElement(arg);
          popExact(element);
          popVectorReference(element, true);
          break;
        }
        case OP.VEC_POP_BACK: {
          const element = vectorElement(arg);
          popVectorReference(element, true);
          stack.push(element);
          break;
        }
        case OP.VEC_SWAP:
          popExact(types.u64);
          popExact(types.u64);
          popVectorReference(vectorElement(arg), true);
          break;
        default:
          throw fail('not an instruction of Sui');
      }
    }
    if (stack.length > VECTOR_LITERAL) throw fail('the stack is too deep');
    steps.push({ ...step, callee, targets });
  }
  return steps;
};
