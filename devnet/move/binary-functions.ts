/**
 * @module Function definitions of a compiled Move module: instructions with checked operands, jump
 * tables, flags.
 */
import { malformed, TABLE, type Reader, type TableReader } from './binary-tables.ts';
import type {
  CompiledModule,
  FunctionBody,
  FunctionDefinition,
  Instruction,
  JumpTable,
  Token,
} from './module.ts';
import { OPERAND, OP, type OperandKind } from './opcodes.ts';

/** What operands refer to. */
export type Referenced = Omit<CompiledModule, 'functions'>;

type Sizes = Readonly<Record<Exclude<OperandKind, 'literal' | 'none'>, number>>;

const sizesOf = (module: Referenced): Sizes => ({
  local: 256,
  code: 65_536,
  constant: module.constants.length,
  field: module.fieldHandles.length,
  fieldInstance: module.fieldInstances.length,
  function: module.functionHandles.length,
  functionInstance: module.functionInstances.length,
  struct: module.structs.length,
  structInstance: module.structInstances.length,
  vector: module.signatures.length,
  variant: module.variantHandles.length,
  variantInstance: module.variantInstances.length,
  jumpTable: 256,
});

const readInstruction = (reader: Reader, sizes: Sizes): Instruction => {
  const op = reader.u8();
  const operand = OPERAND[op];
  if (operand === undefined) throw malformed(`unknown or forbidden instruction ${op}`);
  if (operand.kind === 'none') return { op, arg: 0, count: 0 };
  if (operand.kind === 'literal') {
    const value = reader.little(operand.width);
    return { op, arg: operand.width <= 4 ? Number(value) : value, count: 0 };
  }
  const arg = reader.uleb(sizes[operand.kind], `operand of instruction ${op}`);
  const counted = op === OP.VEC_PACK || op === OP.VEC_UNPACK;
  return { op, arg, count: counted ? Number(reader.little(8)) : 0 };
};

const readJumpTable = (
  reader: Reader,
  { enums }: Referenced,
  code: readonly Instruction[],
): JumpTable => {
  const enumDefinition = reader.uleb(enums.length, 'enum');
  const count = reader.count('branches', 127);
  if (reader.u8() !== 1) throw malformed('unknown kind of jump table');
  const targets = Array.from({ length: count }, () => reader.uleb(code.length, 'branch target'));
  if (count !== enums[enumDefinition]?.variants.length)
    throw malformed('a jump table does not list every variant');
  return { enumDefinition, targets };
};

const readBody = (
  reader: Reader,
  module: Referenced,
  sizes: Sizes,
  locals: readonly Token[],
): FunctionBody => {
  const length = reader.count('instructions');
  const code = Array.from({ length }, () => readInstruction(reader, sizes));
  const tables = module.version < 7 ? 0 : reader.count('jump tables', 255);
  const jumpTables = Array.from({ length: tables }, () => readJumpTable(reader, module, code));
  for (const { op, arg } of code) {
    const kind = OPERAND[op]?.kind;
    if (kind === 'code' && Number(arg) >= code.length) throw malformed('a branch out of code');
    if (kind === 'jumpTable' && Number(arg) >= jumpTables.length)
      throw malformed('a jump table that does not exist');
  }
  return { locals, code, jumpTables };
};

/** @param signature reads a signature by its index */
export const readFunctions = (
  table: TableReader,
  module: Referenced,
  signature: (reader: Reader) => readonly Token[],
): readonly FunctionDefinition[] => {
  const sizes = sizesOf(module);
  return table(TABLE.functions, (reader): FunctionDefinition => {
    const handle = reader.uleb(module.functionHandles.length, 'function handle');
    const visibility = ({ 0: 'private', 1: 'public', 3: 'friend' } as const)[reader.u8()];
    if (visibility === undefined) throw malformed('unknown visibility');
    const flags = reader.u8();
    if ((flags & ~6) !== 0) throw malformed(`unknown function flags ${flags}`);
    if (reader.count('acquired resources') > 0) throw malformed('global storage is not on Sui');
    const isNative = (flags & 2) !== 0;
    const isEntry = (flags & 4) !== 0;
    const body = isNative ? undefined : readBody(reader, module, sizes, signature(reader));
    return { handle, visibility, isEntry, body };
  });
};
