/**
 * @module Sui's requirements on a module beyond Move: objects start with their `UID`, storage
 * functions and events take only a module's own types, code never makes witnesses, `init` has a
 * fixed shape. Source: Sui's documentation of publishing.
 */
import type { LoadedFunction, LoadedModule } from './code.ts';
import { type Linker, isDatatype, pointee } from './linker.ts';
import { isWitnessType } from './natives/std.ts';
import { OP } from './opcodes.ts';
import type { Datatype, MoveType } from './typing.ts';
import { tagOf } from './typing.ts';
import { ABILITY } from './types.ts';

/** Functions of `0x2` whose first type argument must be a type of the calling module. */
const INTERNAL_ONLY: Readonly<Record<string, readonly string[]>> = {
  transfer: ['transfer', 'share_object', 'freeze_object', 'receive'],
  event: ['emit'],
};
const FRAMEWORK = `0x${'2'.padStart(64, '0')}`;

export const isTxContext = (type: MoveType | undefined): boolean =>
  type?.kind === 'reference' && isDatatype(pointee(type), '0x2', 'tx_context', 'TxContext');

/** Checks a linked module. @throws Fault `link` that says what is not allowed. */
export const checkSuiRules = (linker: Linker, module: LoadedModule): void => {
  for (const datatype of linker.registered) checkKey(linker, datatype);
  for (const fn of module.functions.values()) {
    if (fn.isEntry && fn.returns.some((type) => type.kind === 'reference'))
      throw linker.fail(`entry function ${fn.name} returns a reference`);
    checkCalls(linker, module, fn);
  }
  checkInit(linker, module);
};

const checkKey = (linker: Linker, datatype: Datatype): void => {
  if ((datatype.abilities & ABILITY.key) === 0) return;
  const [first] = datatype.fields;
  const starts = first?.name === 'id' && isDatatype(first.type, '0x2', 'object', 'UID');
  if (datatype.isEnum || !starts)
    throw linker.fail(`${datatype.name} has key, so it must be a struct that starts with id: UID`);
};

const checkCalls = (linker: Linker, module: LoadedModule, fn: LoadedFunction): void => {
  for (const step of fn.code ?? []) {
    const { callee } = step;
    if (step.op !== OP.CALL || callee?.originalId !== FRAMEWORK) continue;
    if (module.originalId === FRAMEWORK) continue;
    if (INTERNAL_ONLY[callee.module]?.includes(callee.name) !== true) continue;
    const type = step.types[0];
    const own =
      type?.kind === 'datatype' &&
      type.datatype.originalId === module.originalId &&
      type.datatype.module === module.name;
    if (!own)
      throw linker.fail(
        `${fn.name} calls ${callee.module}::${callee.name} for ${type === undefined ? 'nothing' : tagOf(type)}; ` +
          'only the module of that type may call it',
      );
  }
};

/** The witness type of a module, if it has one. */
export const witnessOf = (linker: Linker, module: LoadedModule): MoveType | undefined => {
  const datatype = linker.types.find(module.originalId, module.name, module.name.toUpperCase());
  if (datatype === undefined || datatype.typeParameters.length > 0) return undefined;
  const type = linker.types.datatype(datatype, []);
  return isWitnessType(type) ? type : undefined;
};

const checkInit = (linker: Linker, module: LoadedModule): void => {
  const witness = witnessOf(linker, module);
  const init = module.functions.get('init');
  const takesWitness = witness !== undefined && init?.parameters[0] === witness;
  if (takesWitness) {
    const handle = linker.binary.structs.findIndex(
      (each) => linker.binary.datatypeHandles[each.handle]?.name === module.name.toUpperCase(),
    );
    for (const { body } of linker.binary.functions)
      if (body?.code.some(({ op, arg }) => op === OP.PACK && arg === handle) === true)
        throw linker.fail('it makes its one-time witness itself');
  }
  if (init === undefined || module.originalId === FRAMEWORK) return;
  const rest = takesWitness ? init.parameters.slice(1) : init.parameters;
  const fits =
    init.visibility === 'private' &&
    !init.isEntry &&
    init.typeParameters.length === 0 &&
    init.returns.length === 0 &&
    rest.length === 1 &&
    isTxContext(rest[0]);
  if (!fits)
    throw linker.fail('init must be private, return nothing and take (witness and) a TxContext');
};
