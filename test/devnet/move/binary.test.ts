/**
 * References: `@mysten/move-bytecode-template` (Sui's own deserialiser as wasm) for the tables,
 * @mysten/sui for ids and type tags; properties: a damaged module is refused or read, never
 * anything else.
 */
import { deserialize } from '@mysten/move-bytecode-template';
import { bcs } from '@mysten/sui/bcs';
import { deriveDynamicFieldID } from '@mysten/sui/utils';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { DevnetError } from '../../../devnet/errors.ts';
import { readModule } from '../../../devnet/move/binary.ts';
import {
  SUI_ID,
  compiledContracts,
  compiledFramework,
  createVmWithFramework,
  moduleBytes,
} from '../../../devnet/move/index.ts';
import { dynamicFieldId } from '../../../devnet/move/objects.ts';
import { TypeTable } from '../../../devnet/move/typing.ts';
import { shaped } from './support/shape.ts';

const framework = compiledFramework();
const { walrus, seal } = compiledContracts();
const all = moduleBytes([...framework.std, ...framework.sui, ...walrus.modules, ...seal.modules]);

interface Reference {
  readonly identifiers: readonly string[];
  readonly module_handles: readonly unknown[];
  readonly function_handles: readonly unknown[];
  readonly struct_defs: readonly unknown[];
  readonly enum_defs?: readonly unknown[];
  readonly constant_pool: readonly { readonly data: readonly number[] }[];
  readonly function_defs: readonly {
    readonly is_entry: boolean;
    readonly visibility: string;
    readonly code?: { readonly code: readonly unknown[] } | null;
  }[];
}

test('tables and code lengths agree with the reference deserialiser', () => {
  expect(all.length).toBeGreaterThan(40);
  for (const bytes of all) {
    const ours = readModule(bytes);
    const theirs = shaped<Reference>()(deserialize(bytes));
    expect(ours.moduleHandles).toHaveLength(theirs.module_handles.length);
    expect(ours.functionHandles).toHaveLength(theirs.function_handles.length);
    expect(ours.structs).toHaveLength(theirs.struct_defs.length);
    expect(ours.enums).toHaveLength(theirs.enum_defs?.length ?? 0);
    expect(ours.constants.map((each) => [...each.bytes])).toEqual(
      theirs.constant_pool.map((each) => each.data),
    );
    expect(
      ours.functions.map((fn) => [fn.isEntry, fn.visibility, fn.body?.code.length ?? -1]),
    ).toEqual(
      theirs.function_defs.map((fn) => [
        fn.is_entry,
        fn.visibility.toLowerCase(),
        fn.code?.code.length ?? -1,
      ]),
    );
  }
});

test('a damaged module is refused with the named error, or still a module', () => {
  const vm = createVmWithFramework();
  const modules = moduleBytes(walrus.modules);
  const storageId = `0x${'77'.padStart(64, '0')}`;
  const dependencies = [`0x${'1'.padStart(64, '0')}`, SUI_ID];
  fc.assert(
    fc.property(
      fc.nat(modules.length - 1),
      fc.array(fc.tuple(fc.nat(20_000), fc.nat(255)), { minLength: 1, maxLength: 3 }),
      fc.option(fc.nat(20_000)),
      (which, changes, cut) => {
        const damaged = modules.map((bytes) => bytes.slice());
        let bytes = damaged[which] ?? new Uint8Array();
        for (const [at, value] of changes) bytes[at % bytes.length] = value;
        if (cut !== null) bytes = bytes.slice(0, cut % bytes.length);
        damaged[which] = bytes;
        // Publishing never throws: what is wrong with a package is an answer.
        const result = vm.publish({ storageId, modules: damaged, dependencies });
        vm.unpublish(storageId);
        expect(['success', 'failure']).toContain(result.status);
      },
    ),
    { numRuns: 150, seed: 4 },
  );
});

test('every truncation of a module is refused', () => {
  const [bytes = new Uint8Array()] = moduleBytes(walrus.modules);
  for (let length = 0; length < bytes.length; length += 7)
    expect(() => readModule(bytes.slice(0, length))).toThrow(DevnetError);
  expect(() => readModule(Uint8Array.of(...bytes, 0))).toThrow(/bytes follow/);
});

test('type tags and dynamic field ids agree with the SDK', () => {
  const vm = createVmWithFramework();
  const parent = `0x${'ab'.repeat(32)}`;
  const table = new TypeTable();
  const key = bcs.u64().serialize(7n).toBytes();
  expect(dynamicFieldId(parent, table.u64, key)).toBe(deriveDynamicFieldID(parent, 'u64', key));
  const tags = ['bool', 'vector<vector<u8>>', '0x2::coin::Coin<0x2::sui::SUI>', 'u256'];
  for (const tag of tags) {
    const normal = vm.normaliseTag(tag) ?? '';
    expect([...vm.typeTagBytes(normal)]).toEqual([...bcs.TypeTag.serialize(tag).toBytes()]);
  }
  expect(vm.normaliseTag('0x2::coin::Coin')).toBeUndefined();
  expect(vm.normaliseTag('0x2::nothing::Here')).toBeUndefined();
  expect(vm.normaliseTag('vector<u8')).toBeUndefined();
});
