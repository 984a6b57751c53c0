/**
 * @module Typing rules of literals, arithmetic, comparison, locals, references and vectors.
 */
import { decode } from './bcs.ts';
import { rules, VECTOR_LITERAL, type Rule, type Rules } from './check-body.ts';
import { OP } from './opcodes.ts';
import { widthOf } from './typing.ts';
import { ABILITY } from './types.ts';

type Width = 'u8' | 'u16' | 'u32' | 'u64' | 'u128' | 'u256';

const CASTS: readonly (readonly [number, Width])[] = [
  [OP.CAST_U8, 'u8'],
  [OP.CAST_U16, 'u16'],
  [OP.CAST_U32, 'u32'],
  [OP.CAST_U64, 'u64'],
  [OP.CAST_U128, 'u128'],
  [OP.CAST_U256, 'u256'],
];
const LITERALS: readonly (readonly [number, Width])[] = [
  [OP.LD_U8, 'u8'],
  [OP.LD_U16, 'u16'],
  [OP.LD_U32, 'u32'],
  [OP.LD_U64, 'u64'],
  [OP.LD_U128, 'u128'],
  [OP.LD_U256, 'u256'],
];
const ARITHMETIC = [OP.ADD, OP.SUB, OP.MUL, OP.MOD, OP.DIV, OP.BIT_OR, OP.BIT_AND, OP.XOR];
const COMPARISON: readonly number[] = [OP.LT, OP.GT, OP.LE, OP.GE];

const literal =
  (width: Width): Rule =>
  (body, step) => {
    step.value = body.raw.code[body.at]?.arg ?? 0;
    step.op = OP.LD_CONST;
    body.push(body.types.primitive(width));
  };

const cast =
  (width: Width): Rule =>
  (body, step) => {
    step.m = body.topInteger();
    body.pop();
    const type = body.types.primitive(width);
    step.n = widthOf(type);
    step.op = OP.CAST_U8;
    body.push(type);
  };

const binary: Rule = (body, step, { op }) => {
  step.n = body.topInteger();
  const type = body.pop();
  body.popExact(type);
  body.push(COMPARISON.includes(op) ? body.types.bool : type);
};

const truth: Rule = (body, step, { op }) => {
  step.value = op === OP.LD_TRUE;
  step.op = OP.LD_CONST;
  body.push(body.types.bool);
};

const constant: Rule = (body, step, { arg }) => {
  const stored = body.binary.constants[arg];
  if (stored === undefined) throw body.fail('no such constant');
  const [type] = body.resolve([stored.type]);
  if (type === undefined || type.open) throw body.fail('a constant has an open type');
  step.value = decode(body.types, type, stored.bytes, { valueDepth: 64, bytes: 65_536 });
  body.push(type);
};

const logic: Rule = (body) => {
  body.popExact(body.types.bool);
  body.popExact(body.types.bool);
  body.push(body.types.bool);
};

const equality: Rule = (body) => {
  const type = body.pop();
  body.need(type, ABILITY.drop, 'drop');
  body.popExact(type);
  body.push(body.types.bool);
};

const borrowLocal: Rule = (body, step, { op, arg }) => {
  const type = body.local(arg);
  if (type.kind === 'reference') throw body.fail('a reference to a reference');
  body.push(body.types.reference(type, op === OP.MUT_BORROW_LOC));
  step.op = OP.IMM_BORROW_LOC;
};

const vectorLiteral: Rule = (body, step, { op, arg, count }) => {
  const element = body.vectorElement(arg);
  if (count > VECTOR_LITERAL) throw body.fail('too many elements');
  const elements = Array.from({ length: count }, () => element);
  if (op === OP.VEC_PACK) {
    body.popAll(elements);
    body.push(body.types.vector(element));
  } else {
    body.popExact(body.types.vector(element));
    body.push(...elements);
  }
  step.n = count;
};

const vectorBorrow: Rule = (body, step, { op, arg }) => {
  const element = body.vectorElement(arg);
  body.popExact(body.types.u64);
  body.popVectorReference(element, op === OP.VEC_MUT_BORROW);
  body.push(body.types.reference(element, op === OP.VEC_MUT_BORROW));
  step.op = OP.VEC_IMM_BORROW;
};

const SCALAR_RULES: readonly (readonly [number, Rule])[] = [
  ...LITERALS.map(([op, width]) => [op, literal(width)] as const),
  ...CASTS.map(([op, width]) => [op, cast(width)] as const),
  ...rules([...ARITHMETIC, ...COMPARISON], binary),
  ...rules([OP.LD_TRUE, OP.LD_FALSE], truth),
  [OP.LD_CONST, constant],
  ...rules([OP.OR, OP.AND], logic),
  ...rules([OP.EQ, OP.NEQ], equality),
  [
    OP.NOT,
    (body) => {
      body.popExact(body.types.bool);
      body.push(body.types.bool);
    },
  ],
  ...rules([OP.SHL, OP.SHR], (body, step) => {
    body.popExact(body.types.u8);
    step.n = body.topInteger();
  }),
];

const PLACE_RULES: readonly (readonly [number, Rule])[] = [
  [OP.NOP, () => undefined],
  [OP.POP, (body) => body.need(body.pop(), ABILITY.drop, 'drop')],
  [
    OP.COPY_LOC,
    (body, _step, { arg }) => {
      body.need(body.local(arg), ABILITY.copy, 'copy');
      body.push(body.local(arg));
    },
  ],
  [OP.MOVE_LOC, (body, _step, { arg }) => body.push(body.local(arg))],
  [OP.ST_LOC, (body, _step, { arg }) => body.popExact(body.local(arg))],
  ...rules([OP.MUT_BORROW_LOC, OP.IMM_BORROW_LOC], borrowLocal),
  [
    OP.READ_REF,
    (body) => {
      const type = body.popReference(false);
      body.need(type, ABILITY.copy, 'copy');
      body.push(type);
    },
  ],
  [
    OP.WRITE_REF,
    (body) => {
      const type = body.popReference(true);
      body.need(type, ABILITY.drop, 'drop');
      body.popExact(type);
    },
  ],
  [OP.FREEZE_REF, (body) => body.push(body.types.reference(body.popReference(true), false))],
];

const VECTOR_RULES: readonly (readonly [number, Rule])[] = [
  ...rules([OP.VEC_PACK, OP.VEC_UNPACK], vectorLiteral),
  ...rules([OP.VEC_IMM_BORROW, OP.VEC_MUT_BORROW], vectorBorrow),
  [
    OP.VEC_LEN,
    (body, _step, { arg }) => {
      body.popVectorReference(body.vectorElement(arg), false);
      body.push(body.types.u64);
    },
  ],
  [
    OP.VEC_PUSH_BACK,
    (body, _step, { arg }) => {
      const element = body.vectorElement(arg);
      body.popExact(element);
      body.popVectorReference(element, true);
    },
  ],
  [
    OP.VEC_POP_BACK,
    (body, _step, { arg }) => {
      const element = body.vectorElement(arg);
      body.popVectorReference(element, true);
      body.push(element);
    },
  ],
  [
    OP.VEC_SWAP,
    (body, _step, { arg }) => {
      body.popExact(body.types.u64);
      body.popExact(body.types.u64);
      body.popVectorReference(body.vectorElement(arg), true);
    },
  ],
];

export const VALUE_RULES: Rules = new Map([...SCALAR_RULES, ...PLACE_RULES, ...VECTOR_RULES]);
