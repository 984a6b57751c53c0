/**
 * @module Instruction numbers of the Move binary format and the operand of each. Global storage
 * (`move_to`, `borrow_global`, ...) is missing because Sui forbids it; the reader refuses these
 * instructions.
 */

export const OP = {
  POP: 0x01,
  RET: 0x02,
  BR_TRUE: 0x03,
  BR_FALSE: 0x04,
  BRANCH: 0x05,
  LD_U64: 0x06,
  LD_CONST: 0x07,
  LD_TRUE: 0x08,
  LD_FALSE: 0x09,
  COPY_LOC: 0x0a,
  MOVE_LOC: 0x0b,
  ST_LOC: 0x0c,
  MUT_BORROW_LOC: 0x0d,
  IMM_BORROW_LOC: 0x0e,
  MUT_BORROW_FIELD: 0x0f,
  IMM_BORROW_FIELD: 0x10,
  CALL: 0x11,
  PACK: 0x12,
  UNPACK: 0x13,
  READ_REF: 0x14,
  WRITE_REF: 0x15,
  ADD: 0x16,
  SUB: 0x17,
  MUL: 0x18,
  MOD: 0x19,
  DIV: 0x1a,
  BIT_OR: 0x1b,
  BIT_AND: 0x1c,
  XOR: 0x1d,
  OR: 0x1e,
  AND: 0x1f,
  NOT: 0x20,
  EQ: 0x21,
  NEQ: 0x22,
  LT: 0x23,
  GT: 0x24,
  LE: 0x25,
  GE: 0x26,
  ABORT: 0x27,
  NOP: 0x28,
  FREEZE_REF: 0x2e,
  SHL: 0x2f,
  SHR: 0x30,
  LD_U8: 0x31,
  LD_U128: 0x32,
  CAST_U8: 0x33,
  CAST_U64: 0x34,
  CAST_U128: 0x35,
  MUT_BORROW_FIELD_GENERIC: 0x36,
  IMM_BORROW_FIELD_GENERIC: 0x37,
  CALL_GENERIC: 0x38,
  PACK_GENERIC: 0x39,
  UNPACK_GENERIC: 0x3a,
  VEC_PACK: 0x40,
  VEC_LEN: 0x41,
  VEC_IMM_BORROW: 0x42,
  VEC_MUT_BORROW: 0x43,
  VEC_PUSH_BACK: 0x44,
  VEC_POP_BACK: 0x45,
  VEC_UNPACK: 0x46,
  VEC_SWAP: 0x47,
  LD_U16: 0x48,
  LD_U32: 0x49,
  LD_U256: 0x4a,
  CAST_U16: 0x4b,
  CAST_U32: 0x4c,
  CAST_U256: 0x4d,
  PACK_VARIANT: 0x4e,
  PACK_VARIANT_GENERIC: 0x4f,
  UNPACK_VARIANT: 0x50,
  UNPACK_VARIANT_IMM_REF: 0x51,
  UNPACK_VARIANT_MUT_REF: 0x52,
  UNPACK_VARIANT_GENERIC: 0x53,
  UNPACK_VARIANT_GENERIC_IMM_REF: 0x54,
  UNPACK_VARIANT_GENERIC_MUT_REF: 0x55,
  VARIANT_SWITCH: 0x56,
} as const;

/** What the operand of an instruction indexes. */
export type OperandKind =
  | 'none'
  | 'literal'
  | 'local'
  | 'code'
  | 'constant'
  | 'field'
  | 'fieldInstance'
  | 'function'
  | 'functionInstance'
  | 'struct'
  | 'structInstance'
  | 'vector'
  | 'variant'
  | 'variantInstance'
  | 'jumpTable';

interface Operand {
  readonly kind: OperandKind;
  /** Bytes of a literal. */
  readonly width: number;
}

const KINDS: Readonly<Record<Exclude<OperandKind, 'none' | 'literal'>, readonly number[]>> = {
  local: [OP.COPY_LOC, OP.MOVE_LOC, OP.ST_LOC, OP.MUT_BORROW_LOC, OP.IMM_BORROW_LOC],
  code: [OP.BR_TRUE, OP.BR_FALSE, OP.BRANCH],
  constant: [OP.LD_CONST],
  field: [OP.MUT_BORROW_FIELD, OP.IMM_BORROW_FIELD],
  fieldInstance: [OP.MUT_BORROW_FIELD_GENERIC, OP.IMM_BORROW_FIELD_GENERIC],
  function: [OP.CALL],
  functionInstance: [OP.CALL_GENERIC],
  struct: [OP.PACK, OP.UNPACK],
  structInstance: [OP.PACK_GENERIC, OP.UNPACK_GENERIC],
  vector: [
    OP.VEC_PACK,
    OP.VEC_LEN,
    OP.VEC_IMM_BORROW,
    OP.VEC_MUT_BORROW,
    OP.VEC_PUSH_BACK,
    OP.VEC_POP_BACK,
    OP.VEC_UNPACK,
    OP.VEC_SWAP,
  ],
  variant: [
    OP.PACK_VARIANT,
    OP.UNPACK_VARIANT,
    OP.UNPACK_VARIANT_IMM_REF,
    OP.UNPACK_VARIANT_MUT_REF,
  ],
  variantInstance: [
    OP.PACK_VARIANT_GENERIC,
    OP.UNPACK_VARIANT_GENERIC,
    OP.UNPACK_VARIANT_GENERIC_IMM_REF,
    OP.UNPACK_VARIANT_GENERIC_MUT_REF,
  ],
  jumpTable: [OP.VARIANT_SWITCH],
};

const LITERALS: readonly (readonly [number, number])[] = [
  [OP.LD_U8, 1],
  [OP.LD_U16, 2],
  [OP.LD_U32, 4],
  [OP.LD_U64, 8],
  [OP.LD_U128, 16],
  [OP.LD_U256, 32],
];

/** Operand by instruction number; undefined: no such instruction. */
export const OPERAND: readonly (Operand | undefined)[] = ((): (Operand | undefined)[] => {
  const table: (Operand | undefined)[] = Array.from({ length: 256 });
  for (const op of Object.values(OP)) table[op] = { kind: 'none', width: 0 };
  let kind: keyof typeof KINDS;
  for (kind in KINDS) for (const op of KINDS[kind]) table[op] = { kind, width: 0 };
  for (const [op, width] of LITERALS) table[op] = { kind: 'literal', width };
  return table;
})();

/** Name of an instruction, for messages. */
export const opName = (op: number): string =>
  Object.entries(OP).find(([, number]) => number === op)?.[0] ?? `instruction ${op}`;
