/**
 * @module Typing rules of control flow, calls, structs and enums.
 */
import { rules, type Rule, type Rules } from './check-body.ts';
import { OP } from './opcodes.ts';
import { tagOf } from './typing.ts';

const branch: Rule = (body, _step, { op }) => {
  if (op !== OP.BRANCH) body.popExact(body.types.bool);
  body.mustBeEmpty();
};

const variantSwitch: Rule = (body, step, { arg }) => {
  const table = body.raw.jumpTables[arg];
  const type = body.popReference(false);
  const handle = body.binary.enums[table?.enumDefinition ?? 0]?.handle ?? -1;
  if (type.kind !== 'datatype' || type.datatype !== body.linker.datatype(handle))
    throw body.fail('the jump table is of another enum');
  body.mustBeEmpty();
  step.targets = table?.targets ?? [];
};

const call: Rule = (body, step, { op, arg }) => {
  const use = op === OP.CALL ? { index: arg, args: [] } : body.binary.functionInstances[arg];
  const target = body.linker.functionHandle(use?.index ?? -1);
  const given = body.resolve(use?.args ?? []);
  body.types.checkArguments(given, target.typeParameters, body.fn.typeParameters);
  body.popAll(target.parameters.map((type) => body.types.substitute(type, given)));
  for (const type of target.returns) body.push(body.types.substitute(type, given));
  step.types = given;
  step.callee = target.ref;
  step.op = OP.CALL;
};

const borrowField: Rule = (body, step, { op, arg }) => {
  const generic = op === OP.MUT_BORROW_FIELD_GENERIC || op === OP.IMM_BORROW_FIELD_GENERIC;
  const mutable = op === OP.MUT_BORROW_FIELD || op === OP.MUT_BORROW_FIELD_GENERIC;
  const use = generic ? body.binary.fieldInstances[arg] : { index: arg, args: [] };
  const handle = body.binary.fieldHandles[use?.index ?? -1];
  const args = body.resolve(use?.args ?? []);
  const { type, fields } = body.linker.struct(handle?.struct ?? -1, args, body.fn.typeParameters);
  const field = fields[handle?.field ?? -1];
  if (body.popReference(mutable) !== type || field === undefined)
    throw body.fail(`expected a reference to ${tagOf(type)}`);
  body.push(body.types.reference(field, mutable));
  step.op = OP.IMM_BORROW_FIELD;
  step.n = handle?.field ?? 0;
};

const struct: Rule = (body, step, { op, arg }) => {
  const generic = op === OP.PACK_GENERIC || op === OP.UNPACK_GENERIC;
  const use = generic ? body.binary.structInstances[arg] : { index: arg, args: [] };
  const args = body.resolve(use?.args ?? []);
  const { type, fields } = body.linker.struct(use?.index ?? -1, args, body.fn.typeParameters);
  if (op === OP.PACK || op === OP.PACK_GENERIC) {
    body.popAll(fields);
    body.push(type);
    step.op = OP.PACK;
  } else {
    body.popExact(type);
    body.push(...fields);
    step.op = OP.UNPACK;
  }
  step.n = fields.length;
};

const variant: Rule = (body, step, { op, arg }) => {
  const { binary } = body;
  const generic = op >= OP.UNPACK_VARIANT_GENERIC || op === OP.PACK_VARIANT_GENERIC;
  const instance = generic ? binary.variantInstances[arg] : undefined;
  const use = binary.enumInstances[instance?.instance ?? -1];
  const handle = binary.variantHandles[arg];
  const definition = (generic ? use?.index : handle?.enum) ?? -1;
  const tag = (generic ? instance?.tag : handle?.tag) ?? -1;
  const args = generic ? body.resolve(use?.args ?? []) : [];
  const { type, fields } = body.linker.variant(definition, tag, args, body.fn.typeParameters);
  if (op === OP.PACK_VARIANT || op === OP.PACK_VARIANT_GENERIC) {
    body.popAll(fields);
    body.push(type);
    step.op = OP.PACK_VARIANT;
  } else if (op === OP.UNPACK_VARIANT || op === OP.UNPACK_VARIANT_GENERIC) {
    body.popExact(type);
    body.push(...fields);
    step.op = OP.UNPACK_VARIANT;
  } else {
    const mutable = op === OP.UNPACK_VARIANT_MUT_REF || op === OP.UNPACK_VARIANT_GENERIC_MUT_REF;
    if (body.popReference(mutable) !== type)
      throw body.fail(`expected a reference to ${tagOf(type)}`);
    for (const field of fields) body.push(body.types.reference(field, mutable));
    step.op = OP.UNPACK_VARIANT_IMM_REF;
  }
  step.n = tag;
  step.m = fields.length;
};

export const STRUCTURE_RULES: Rules = new Map([
  ...rules([OP.BRANCH, OP.BR_TRUE, OP.BR_FALSE], branch),
  ...rules([OP.VARIANT_SWITCH], variantSwitch),
  ...rules([OP.RET], (body) => {
    body.popAll(body.fn.returns);
    body.mustBeEmpty();
  }),
  ...rules([OP.ABORT], (body) => {
    body.popExact(body.types.u64);
    body.mustBeEmpty();
  }),
  ...rules([OP.CALL, OP.CALL_GENERIC], call),
  ...rules(
    [
      OP.MUT_BORROW_FIELD,
      OP.IMM_BORROW_FIELD,
      OP.MUT_BORROW_FIELD_GENERIC,
      OP.IMM_BORROW_FIELD_GENERIC,
    ],
    borrowField,
  ),
  ...rules([OP.PACK, OP.UNPACK, OP.PACK_GENERIC, OP.UNPACK_GENERIC], struct),
  ...rules(
    [
      OP.PACK_VARIANT,
      OP.UNPACK_VARIANT,
      OP.UNPACK_VARIANT_IMM_REF,
      OP.UNPACK_VARIANT_MUT_REF,
      OP.PACK_VARIANT_GENERIC,
      OP.UNPACK_VARIANT_GENERIC,
      OP.UNPACK_VARIANT_GENERIC_IMM_REF,
      OP.UNPACK_VARIANT_GENERIC_MUT_REF,
    ],
    variant,
  ),
]);
