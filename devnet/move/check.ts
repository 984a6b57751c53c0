/**
 * @module The type checker of function bodies. As in Move's own verifier, the operand stack is
 * empty between basic blocks and locals have declared types, so one pass in code order determines
 * the type of every operand. It refuses ill-typed code, checks abilities, and writes the integer
 * widths into the instructions that the machine runs. It does not analyse borrows and moved locals;
 * the machine checks moved locals at run time.
 */
import {
  Body,
  VECTOR_LITERAL,
  type LinkedModule,
  type Rules,
  type Signature,
  type StepDraft,
} from './check-body.ts';
import { STRUCTURE_RULES } from './check-structures.ts';
import { VALUE_RULES } from './check-values.ts';
import type { Step } from './code.ts';
import { OP } from './opcodes.ts';
import type { FunctionBody } from './module.ts';
import type { MoveType } from './typing.ts';

export type { Signature } from './check-body.ts';

const RULES: Rules = new Map([...VALUE_RULES, ...STRUCTURE_RULES]);
/** Only these may end a body. */
const LAST: ReadonlySet<number | undefined> = new Set([
  OP.RET,
  OP.ABORT,
  OP.BRANCH,
  OP.VARIANT_SWITCH,
]);

/** Where blocks start, besides the first instruction. */
const blockStarts = ({ code, jumpTables }: FunctionBody): ReadonlySet<number> => {
  const starts = new Set<number>();
  for (const { op, arg } of code) {
    if (op === OP.BRANCH || op === OP.BR_TRUE || op === OP.BR_FALSE) starts.add(Number(arg));
    if (op === OP.VARIANT_SWITCH)
      jumpTables[Number(arg)]?.targets.forEach((target) => starts.add(target));
  }
  return starts;
};

/**
 * Checks one body and returns its instructions. @throws Fault `invariant` naming function and
 * instruction.
 */
export const checkBody = (
  linker: LinkedModule,
  fn: Signature,
  locals: readonly MoveType[],
): readonly Step[] => {
  const body = new Body(linker, fn, locals);
  const { code } = body.raw;
  const starts = blockStarts(body.raw);
  if (!LAST.has(code.at(-1)?.op)) {
    body.at = code.length - 1;
    throw body.fail('code runs past its end');
  }
  return code.map((raw, at) => {
    body.at = at;
    if (starts.has(at) && body.stack.length > 0)
      throw body.fail('the stack is not empty between blocks');
    const { op, count } = raw;
    const instruction = { op, arg: Number(raw.arg), count };
    const step: StepDraft = {
      op,
      n: instruction.arg,
      m: 0,
      value: false,
      types: [],
      callee: undefined,
      targets: [],
    };
    const rule = RULES.get(op);
    if (rule === undefined) throw body.fail('not an instruction of Sui');
    rule(body, step, instruction);
    if (body.stack.length > VECTOR_LITERAL) throw body.fail('the stack is too deep');
    return step;
  });
};
