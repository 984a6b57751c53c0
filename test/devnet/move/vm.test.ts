/**
 * The machine as a chain uses it, and attacks on it: forged objects, private functions, endless
 * code, packages that break Sui's rules, upgrades. Expected values are worked out by hand.
 */
import { deserialize, serialize } from '@mysten/move-bytecode-template';
import { bcs } from '@mysten/sui/bcs';
import { beforeAll, describe, expect, test } from 'vitest';
import { compilePackage } from '../../../devnet/move/compile.ts';
import {
  type CallArgument,
  type CallResult,
  type MoveSession,
  type MoveVm,
  STD_ID,
  SUI_ID,
  createVmWithFramework,
  moduleBytes,
} from '../../../devnet/move/index.ts';
import { shaped } from './support/shape.ts';

const id = (text: string): string => `0x${text.padStart(64, '0')}`;
const PACKAGE = id('cafe');
const ALICE = id('a11ce');
const dependencies = [STD_ID, SUI_ID];

const SOURCE = `
module demo::demo {
    use sui::dynamic_field as df;
    public struct DEMO has drop {}
    public struct Box has key, store { id: UID, n: u64 }
    public struct Hot { n: u64 }
    public struct Made has copy, drop { by: address }
    public enum Light has copy, drop, store { Red, Green { since: u64 } }
    fun init(witness: DEMO, ctx: &mut TxContext) {
        assert!(sui::types::is_one_time_witness(&witness), 1);
        transfer::transfer(Box { id: object::new(ctx), n: 1 }, ctx.sender());
    }
    public fun make(n: u64, ctx: &mut TxContext): Box {
        sui::event::emit(Made { by: ctx.sender() });
        Box { id: object::new(ctx), n }
    }
    public fun raise(box: &mut Box, by: u64): u64 { box.n = box.n + by; box.n }
    public fun put(box: &mut Box, key: u64, value: u64) { df::add(&mut box.id, key, value) }
    public fun bump(box: &mut Box, key: u64) { let v: &mut u64 = df::borrow_mut(&mut box.id, key); *v = *v + 1 }
    public fun take(box: &mut Box, key: u64): u64 { df::remove(&mut box.id, key) }
    public fun share(box: Box) { transfer::share_object(box) }
    public fun burn(box: Box) { let Box { id, n: _ } = box; id.delete() }
    public fun hot(): Hot { Hot { n: 1 } }
    public fun cool(hot: Hot) { let Hot { n: _ } = hot; }
    public fun green(since: u64): Light { Light::Green { since } }
    public fun sum(boxes: vector<Box>): u64 {
        let mut total = 0;
        boxes.do!(|box| { total = total + box.n; burn(box) });
        total
    }
    fun secret(): u64 { 42 }
    entry fun gate(n: u64) { assert!(n == 7, 13) }
    public fun forever() { loop {} }
    public fun deep(n: u64): u64 { if (n == 0) 0 else 1 + deep(n - 1) }
    public fun memory() { let mut v = vector[1u64]; loop { let w = v; v.append(w); } }
    public fun both(a: &Box, b: &mut Box): u64 { b.n = 0; a.n }
    public fun id<T>(x: T): T { x }
}`;
const toml = (name: string): string =>
  `[package]\nname = "${name}"\nedition = "2024.beta"\n[addresses]\n${name} = "0x0"\n`;
const compile = async (source: string, name = 'demo'): Promise<Uint8Array[]> => {
  const files = { 'Move.toml': toml(name), [`sources/${name}.move`]: source };
  return moduleBytes((await compilePackage(files)).modules);
};

let demo: Uint8Array[];
let vm: MoveVm;
beforeAll(async () => {
  demo = await compile(SOURCE);
  vm = createVmWithFramework();
  const result = vm.publish({ storageId: PACKAGE, modules: demo, dependencies });
  if (result.status === 'failure') throw new Error(result.failure.message);
});

const session = (limits = {}, children: Parameters<MoveVm['begin']>[0]['objects'] | object = {}) =>
  vm.begin({
    objects: { getChild: () => undefined, getReceivable: () => undefined, ...children },
    context: { sender: ALICE, digest: new Uint8Array(32).fill(9), epoch: 3n, epochTimestampMs: 5n },
    limits,
  });
const u64 = (n: number | bigint): CallArgument => ({
  type: 'bcs',
  bytes: bcs.u64().serialize(n).toBytes(),
});
const call = (
  on: MoveSession,
  fn: string,
  args: readonly CallArgument[] = [],
  typeArguments: readonly string[] = [],
): CallResult =>
  on.callFunction({
    package: PACKAGE,
    module: 'demo',
    function: fn,
    arguments: args,
    typeArguments,
  });
const failure = (result: CallResult): string =>
  result.status === 'failure' ? result.failure.type : 'success';
const box = (on: MoveSession, n = 5) => {
  const result = call(on, 'make', [u64(n)]);
  if (result.status === 'failure') throw new Error(result.failure.message);
  return { type: 'cell', cell: result.returns[0]! } as const;
};

describe('a transaction', () => {
  test('objects, references across calls, events, return values', () => {
    const on = session();
    const made = box(on);
    const raised = call(on, 'raise', [made, u64(2)]);
    expect(raised.status === 'success' && raised.returns[0]?.value).toBe(7n);
    expect(Buffer.from(on.bytes(made.cell)).readBigUInt64LE(32)).toBe(7n);
    on.give(made.cell, { type: 'address', address: ALICE });
    const { written, events, createdIds } = on.effects();
    expect(written).toMatchObject([
      { type: `${PACKAGE}::demo::Box`, created: true, id: createdIds[0] },
    ]);
    expect(events).toMatchObject([
      { package: PACKAGE, module: 'demo', type: `${PACKAGE}::demo::Made` },
    ]);
    expect(vm.toJson(`${PACKAGE}::demo::Made`, events[0]!.contents)).toEqual({ by: ALICE });
  });

  test('dynamic fields are read from the store, written to the effects, and nowhere else', () => {
    const on = session();
    const made = box(on);
    call(on, 'put', [made, u64(1), u64(10)]);
    const [child] = on.effects().children;
    expect(child).toMatchObject({ created: true, owner: { type: 'object' } });
    const parent = child?.owner.type === 'object' ? child.owner.parent : '';
    const again = session(
      {},
      {
        getChild: (of: string, at: string) =>
          of === parent && at === child?.id ? child : undefined,
      },
    );
    const held = {
      type: 'cell',
      cell: again.cell(`${PACKAGE}::demo::Box`, on.bytes(made.cell)),
    } as const;
    call(again, 'bump', [held, u64(1)]);
    expect(again.effects().children[0]?.contents.slice(-8)).toEqual(
      bcs.u64().serialize(11n).toBytes(),
    );
    const taken = call(again, 'take', [held, u64(1)]);
    expect(taken.status === 'success' && taken.returns[0]?.value).toBe(11n);
    expect(again.effects()).toMatchObject({
      children: [],
      removedChildren: [{ parent, id: child?.id }],
    });
    const missing = call(again, 'take', [held, u64(2)]);
    expect(missing.status === 'failure' && missing.failure).toMatchObject({
      type: 'abort',
      code: 1n,
      location: { package: SUI_ID, module: 'dynamic_field', function: 'remove_child_object' },
    });
  });

  test('init with its witness; vectors of objects; enums', () => {
    const on = session();
    const info = vm.getPackage(PACKAGE)?.modules[0]?.info;
    expect(info).toMatchObject({ hasInit: true, witness: `${PACKAGE}::demo::DEMO` });
    const witness = on.cell(info?.witness ?? '', Uint8Array.of(0));
    const init = { package: PACKAGE, module: 'demo', function: 'init' };
    const args = [{ type: 'cell', cell: witness }] as const;
    expect(on.callFunction({ ...init, arguments: args, bypassVisibility: true }).status).toBe(
      'success',
    );
    const boxes = on.vector(`${PACKAGE}::demo::Box`, [box(on, 2), box(on, 3)]);
    const sum = call(on, 'sum', [{ type: 'cell', cell: boxes }]);
    expect(sum.status === 'success' && sum.returns[0]?.value).toBe(5n);
    const light = call(on, 'green', [u64(6)]);
    const cell = light.status === 'success' ? light.returns[0] : undefined;
    expect(cell?.value).toEqual({ tag: 1, fields: [6n] });
    expect([...on.bytes(cell!)]).toEqual([1, 6, 0, 0, 0, 0, 0, 0, 0]);
    expect(vm.toJson(cell!.type, on.bytes(cell!))).toEqual({ '@variant': 'Green', since: '6' });
  });

  test('an abort says code, module and function; the session is over', () => {
    const on = session();
    const result = call(on, 'gate', [u64(6)]);
    expect(result.status === 'failure' && result.failure).toMatchObject({
      type: 'abort',
      code: 13n,
      location: { package: PACKAGE, module: 'demo', function: 'gate' },
    });
    expect(failure(call(on, 'gate', [u64(7)]))).toBe('argument');
  });
});

describe('attacks', () => {
  test('an object cannot be forged from bytes', () => {
    const bytes = new Uint8Array(40);
    expect(failure(call(session(), 'raise', [{ type: 'bcs', bytes }, u64(1)]))).toBe('argument');
    expect(failure(call(session(), 'cool', [{ type: 'bcs', bytes: bytes.slice(0, 8) }]))).toBe(
      'argument',
    );
  });

  test('a value is used once', () => {
    const on = session();
    const made = box(on);
    expect(call(on, 'burn', [made]).status).toBe('success');
    expect(failure(call(on, 'burn', [made]))).toBe('argument');
    const other = session();
    const twice = other.vector;
    const item = box(other);
    expect(() => twice.call(other, `${PACKAGE}::demo::Box`, [item, item])).toThrow(/moved|twice/);
  });

  test('a value is not lent mutably beside another loan', () => {
    const on = session();
    const made = box(on);
    expect(failure(call(on, 'both', [made, made]))).toBe('argument');
  });

  test('an object cannot be copied, nor shared unless it is new', () => {
    const on = session();
    const made = box(on);
    expect(failure(call(on, 'burn', [{ ...made, copy: true }]))).toBe('argument');
    const old = session();
    const cell = old.cell(`${PACKAGE}::demo::Box`, new Uint8Array(40).fill(1));
    const result = call(old, 'share', [{ type: 'cell', cell }]);
    expect(result.status === 'failure' && result.failure).toMatchObject({
      type: 'abort',
      code: 0n,
    });
  });

  test('private functions, wrong arguments, unknown functions', () => {
    expect(failure(call(session(), 'secret'))).toBe('visibility');
    expect(failure(call(session(), 'nothing'))).toBe('function_not_found');
    expect(failure(call(session(), 'gate', []))).toBe('argument');
    expect(failure(call(session(), 'gate', [{ type: 'bcs', bytes: new Uint8Array(9) }]))).toBe(
      'argument',
    );
    expect(failure(call(session(), 'gate', [u64(7)], ['u8']))).toBe('argument');
    const on = session();
    const text = { type: 'bcs', bytes: Uint8Array.of(1, 0xff) } as const;
    expect(failure(call(on, 'id', [text], [`${STD_ID}::string::String`]))).toBe('argument');
  });

  test('endless code, recursion and growing memory end within their limits', () => {
    expect(failure(call(session({ steps: 100_000 }), 'forever'))).toBe('out_of_gas');
    expect(failure(call(session(), 'deep', [u64(100_000)]))).toBe('limit');
    expect(failure(call(session({ steps: 1_000_000 }), 'memory'))).toBe('out_of_gas');
    const spent = session({ steps: 1000 });
    expect(call(spent, 'deep', [u64(3)]).status).toBe('success');
    expect(spent.effects().steps).toBeGreaterThan(20);
  });
});

describe('publishing', () => {
  const TAMPERED = `module rogue::rogue {
    public struct Box has key, store { id: UID }
    public fun send<T: key + store>(x: T) { sui::transfer::public_transfer(x, @0x1) }
    public fun number(): u64 { 42 }
    public fun pass(box: Box): Box { box }
    fun init(_: &mut TxContext) {}
  }`;
  interface Json {
    identifiers: string[];
    function_handles: { name: number; type_parameters: unknown[] }[];
    datatype_handles: { name: number; abilities: number }[];
    function_defs: { function: number; visibility: string; code: { code: unknown[] } }[];
  }
  const fn = (json: Json, name: string): Json['function_defs'][number] => {
    const found = json.function_defs.find(
      (each) => json.identifiers[json.function_handles[each.function]!.name] === name,
    );
    if (found === undefined) throw new Error(`no function ${name}`);
    return found;
  };
  /** What a compiler would not write. */
  const ATTACKS: readonly (readonly [string, (json: Json) => void, RegExp])[] = [
    [
      "another module's object is transferred",
      (json) => {
        const handle = json.function_handles.find(
          (each) => json.identifiers[each.name] === 'public_transfer',
        );
        json.identifiers[handle!.name] = 'transfer';
        handle!.type_parameters = [8];
      },
      /only the module of that type may/,
    ],
    [
      'a boolean is returned as a number',
      (json) => {
        fn(json, 'number').code.code[0] = 'LdTrue';
      },
      /expected u64, got bool/,
    ],
    [
      'an object is copied',
      (json) => {
        fn(json, 'pass').code.code.unshift({ CopyLoc: 0 }, 'Pop');
      },
      /lacks copy/,
    ],
    [
      'an object is dropped',
      (json) => {
        fn(json, 'pass').code.code.unshift({ MoveLoc: 0 }, 'Pop');
      },
      /lacks drop/,
    ],
    [
      'a struct claims to be copyable',
      (json) => {
        const handle = json.datatype_handles.find((each) => json.identifiers[each.name] === 'Box');
        handle!.abilities |= 1;
      },
      /lacks an ability/,
    ],
    [
      'a call of what does not exist',
      (json) => {
        json.identifiers[json.identifiers.indexOf('public_transfer')] = 'public_transfers';
      },
      /does not exist/,
    ],
    [
      'code runs past its end',
      (json) => {
        fn(json, 'number').code.code.pop();
      },
      /past its end/,
    ],
    [
      'a public init',
      (json) => {
        fn(json, 'init').visibility = 'Public';
      },
      /init must be private/,
    ],
  ];
  test.each(ATTACKS)('refused: %s', async (_, edit, message) => {
    const [bytes = new Uint8Array()] = await compile(TAMPERED, 'rogue');
    const json = shaped<Json>()(deserialize(bytes));
    edit(json);
    const modules = [serialize(json)];
    const result = vm.publish({ storageId: id('bad'), modules, dependencies });
    vm.unpublish(id('bad'));
    expect(result.status === 'failure' && result.failure.message).toMatch(message);
  });

  test('missing dependencies, foreign addresses and taken ids are refused', () => {
    const fresh = id('beef');
    expect(vm.publish({ storageId: fresh, modules: demo, dependencies: [STD_ID] }).status).toBe(
      'failure',
    );
    expect(vm.publish({ storageId: PACKAGE, modules: demo, dependencies }).status).toBe('failure');
    const relocated = vm.getPackage(PACKAGE)?.modules.map(({ bytes }) => bytes) ?? [];
    expect(vm.publish({ storageId: fresh, modules: relocated, dependencies }).status).toBe(
      'failure',
    );
  });

  test('an upgrade keeps types and public functions, and old and new run side by side', async () => {
    const next = id('cafe2');
    const source = SOURCE.replace('box.n = box.n + by;', 'box.n = box.n + by * 10;').replace(
      'public enum Light',
      'public struct Extra has copy, drop, store { x: u8 }\n public enum Light',
    );
    const modules = await compile(source);
    const upgrade = { storageId: next, modules, dependencies, upgrades: PACKAGE };
    const result = vm.publish(upgrade);
    expect(result.status === 'success' && result.package).toMatchObject({
      originalId: PACKAGE,
      version: 2n,
    });
    const on = session();
    const made = box(on, 1);
    const raised = on.callFunction({
      package: next,
      module: 'demo',
      function: 'raise',
      arguments: [made, u64(2)],
    });
    expect(raised.status === 'success' && raised.returns[0]?.value).toBe(21n);
    expect(made.cell.type).toBe(`${PACKAGE}::demo::Box`);
    expect(vm.normaliseTag(`${next}::demo::Extra`)).toBeDefined();
    expect(vm.normaliseTag(`${PACKAGE}::demo::Extra`)).toBeUndefined();
    vm.unpublish(next);
    expect(vm.normaliseTag(`${next}::demo::Extra`)).toBeUndefined();
    const lacking = await compile(SOURCE.replace('public fun hot()', 'public fun heat()'));
    expect(vm.publish({ ...upgrade, modules: lacking }).status).toBe('failure');
    const changed = await compile(
      SOURCE.replaceAll(
        'n: u64 }\n    public struct Hot',
        'n: u64, m: u64 }\n    public struct Hot',
      )
        .replaceAll('Box { id: object::new(ctx), n', 'Box { id: object::new(ctx), m: 0, n')
        .replace('n: _ } = box', 'n: _, m: _ } = box'),
    );
    expect(vm.publish({ ...upgrade, modules: changed }).status).toBe('failure');
  });
});
