/**
 * @module A ledger of objects around the interpreter, as small as tests need: transactions numbered
 * like those of Move's test_scenario (so that object ids agree), objects by id, children by parent,
 * rollback by not applying effects.
 */
import type {
  Address,
  CallArgument,
  CallResult,
  Cell,
  MoveVm,
  Owner,
  SessionEffects,
  StoredObject,
} from '../../../../devnet/move/types.ts';
import { ids } from './programs-run.ts';

export const FLOE: Address = `0x${'f10e'.padStart(64, '0')}`;
export const SUI_COIN = `${ids.sui}::coin::Coin<${ids.sui}::sui::SUI>`;

export interface Held extends StoredObject {
  readonly owner: Owner;
}

/**
 * `bytes`: pure BCS. `object`: an object of the ledger. `coin`: fresh SUI. `clock`: the clock, set
 * to the transaction's time.
 */
export type Argument =
  | { readonly type: 'bytes'; readonly bytes: Uint8Array }
  | { readonly type: 'object'; readonly id: Address }
  | { readonly type: 'coin'; readonly amount: bigint }
  | { readonly type: 'clock' };

export interface Transaction {
  readonly sender: Address;
  readonly timeMs: bigint;
  readonly module: string;
  readonly function: string;
  readonly arguments: readonly Argument[];
  readonly package?: Address;
}

export interface Executed {
  readonly number: bigint;
  readonly result: CallResult;
  readonly effects: SessionEffects | undefined;
  /** Objects as they are after it, of those it touched; children left out. */
  readonly touched: readonly Held[];
  readonly returns: readonly { readonly type: string; readonly bytes: Uint8Array }[];
}

const u64 = (value: bigint): Uint8Array => {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, value, true);
  return bytes;
};
const raw = (address: Address): Buffer => Buffer.from(address.slice(2), 'hex');

export class Ledger {
  readonly vm: MoveVm;
  readonly objects = new Map<Address, Held>();
  #number = 0n;

  constructor(vm: MoveVm, floe: readonly Uint8Array[]) {
    this.vm = vm;
    const dependencies = [ids.std, ids.sui];
    const result = vm.publish({ storageId: FLOE, modules: floe, dependencies });
    if (result.status === 'failure') throw new Error(result.failure.message);
  }

  /** Gives back the number of a transaction that failed, as if it had not been tried. */
  forgetLast(): void {
    this.#number -= 2n;
  }

  /** Runs a transaction; what an abort did is forgotten. */
  execute(tx: Transaction): Executed {
    // Every other number: in a test, what a transaction left is looked at in one of its own.
    this.#number += 2n;
    const digest = new Uint8Array(32);
    digest.set(u64(this.#number));
    const inputs = new Map([...this.objects].map(([id, { owner }]) => [id, owner] as const));
    const session = this.vm.begin({
      objects: {
        getChild: (parent, id) => {
          const child = this.objects.get(id);
          return child?.owner.type === 'object' && child.owner.parent === parent
            ? child
            : undefined;
        },
        getReceivable: () => undefined,
      },
      context: { sender: tx.sender, digest, epoch: 0n, epochTimestampMs: 0n },
      inputs,
    });
    const cells = new Map<Address, Cell>();
    const args = tx.arguments.map((argument): CallArgument => {
      if (argument.type === 'bytes') return { type: 'bcs', bytes: argument.bytes };
      if (argument.type === 'clock') {
        const bytes = Buffer.concat([raw(`0x${'6'.padStart(64, '0')}`), u64(tx.timeMs)]);
        return { type: 'cell', cell: session.cell(`${ids.sui}::clock::Clock`, bytes) };
      }
      if (argument.type === 'coin') {
        const bytes = Buffer.concat([raw(session.freshId()), u64(argument.amount)]);
        return { type: 'cell', cell: session.cell(SUI_COIN, bytes) };
      }
      const object = this.objects.get(argument.id);
      if (object === undefined) throw new Error(`no object ${argument.id}`);
      const cell = session.cell(object.type, object.contents);
      cells.set(argument.id, cell);
      return { type: 'cell', cell };
    });
    const result = session.callFunction({
      package: tx.package ?? FLOE,
      module: tx.module,
      function: tx.function,
      arguments: args,
    });
    const number = this.#number;
    if (result.status === 'failure')
      return { number, result, effects: undefined, touched: [], returns: [] };
    const returns = result.returns.map((cell) => {
      const value = { type: cell.type, bytes: session.bytes(cell) };
      // A returned object goes to the sender, as a client would send it.
      if ((session.abilities(cell.type) & 8) !== 0)
        session.give(cell, { type: 'address', address: tx.sender });
      return value;
    });
    const effects = session.effects();
    const touched: Held[] = [];
    for (const id of effects.deletedIds) this.objects.delete(id);
    for (const { id } of effects.removedChildren) this.objects.delete(id);
    for (const [id, cell] of cells) {
      const before = this.objects.get(id);
      if (before === undefined || cell.value === undefined) continue;
      const after = { ...before, contents: session.bytes(cell) };
      this.objects.set(id, after);
      touched.push(after);
    }
    for (const { id, type, contents, owner } of [...effects.written, ...effects.children]) {
      this.objects.set(id, { id, type, contents, owner });
      if (owner.type !== 'object') touched.push({ id, type, contents, owner });
    }
    return { number, result, effects, touched, returns };
  }
}
