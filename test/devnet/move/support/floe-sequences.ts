/**
 * @module Random sequences of transactions on Floe's package: run in the interpreter, then written
 * down as one Move unit test each (objects' bytes, events' bytes, results, and the abort that ends
 * it), for the wasm Move VM to judge.
 */
import { addressToBytes } from '../../../../devnet/move/bcs.ts';
import type { Address, MoveVm } from '../../../../devnet/move/types.ts';
import {
  type Argument,
  type Executed,
  FLOE,
  type Held,
  Ledger,
  type Transaction,
} from './ledger.ts';
import { Rng } from './random.ts';

const little = (value: bigint, width: number): Uint8Array =>
  Uint8Array.from({ length: width }, (_, i) => Number((value >> BigInt(8 * i)) & 255n));
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const bytesOf = (bytes: Uint8Array): Uint8Array => Uint8Array.of(bytes.length, ...bytes);

/** In place of an argument that the test in Move makes itself. */
const UNSAID = '';

/** An argument and how Move source says it. */
interface Said {
  readonly argument: Argument;
  readonly move: string;
}
const number = (value: number | bigint, width = 8): Said => ({
  argument: { type: 'bytes', bytes: little(BigInt(value), width) },
  move: `${value}`,
});
const address = (value: Address): Said => ({
  argument: { type: 'bytes', bytes: addressToBytes(value) },
  move: `@${value}`,
});
const addresses = (values: readonly Address[]): Said => ({
  argument: {
    type: 'bytes',
    bytes: Uint8Array.from([values.length, ...values.flatMap((each) => [...addressToBytes(each)])]),
  },
  move: `vector[${values.map((each) => `@${each}`).join(', ')}]`,
});
const blob = (bytes: Uint8Array): Said => ({
  argument: { type: 'bytes', bytes: bytesOf(bytes) },
  move: `x"${hex(bytes)}"`,
});
/**
 * Keys of members, which the package's own test derives from their addresses: an argument that Move
 * source does not say.
 */
const keysOf = (values: readonly Address[]): Said => ({
  argument: {
    type: 'bytes',
    bytes: Uint8Array.from([
      values.length,
      ...values.flatMap((each) => [...bytesOf(addressToBytes(each))]),
    ]),
  },
  move: UNSAID,
});
const text = (value: string): Said => ({
  argument: { type: 'bytes', bytes: bytesOf(Buffer.from(value)) },
  move: `b"${value}".to_string()`,
});
const texts = (values: readonly string[]): Said => ({
  argument: {
    type: 'bytes',
    bytes: Uint8Array.from([
      values.length,
      ...values.flatMap((each) => [...bytesOf(Buffer.from(each))]),
    ]),
  },
  move: `vector[${values.map((each) => `b"${each}".to_string()`).join(', ')}]`,
});
const numbers = (values: readonly number[]): Said => ({
  argument: {
    type: 'bytes',
    bytes: Uint8Array.from([
      values.length,
      ...values.flatMap((each) => [...little(BigInt(each), 8)]),
    ]),
  },
  move: `vector[${values.join(', ')}]`,
});
const id = (value: Address): Said => ({
  ...address(value),
  move: `object::id_from_address(@${value})`,
});
const CLOCK: Said = { argument: { type: 'clock' }, move: '&clock' };

const people = Array.from({ length: 5 }, (_, i): Address => `0x${`a${i}`.padStart(64, '0')}`);

interface Step {
  readonly tx: Transaction;
  readonly said: readonly Said[];
  readonly done: Executed;
}

class Sequence {
  readonly #rng: Rng;
  readonly #ledger: Ledger;
  readonly steps: Step[] = [];
  #time = 1000n;

  constructor(rng: Rng, ledger: Ledger) {
    this.#rng = rng;
    this.#ledger = ledger;
  }

  #all(name: string): Held[] {
    return [...this.#ledger.objects.values()].filter(
      (object) => object.type === `${FLOE}::${name}`,
    );
  }
  #hash(): Said {
    const rng = this.#rng;
    const length = rng.chance(3) ? 31 : 32;
    return blob(Uint8Array.from({ length }, () => rng.below(256)));
  }
  #object(held: Held, mutable = false): Said {
    return {
      argument: { type: 'object', id: held.id },
      move: `${mutable ? '&mut ' : '&'}o${held.id.slice(2, 14)}`,
    };
  }
  /** A name for Seal, sometimes wrong in one part. */
  #name(object: Address, round: number, role: number): Said {
    const rng = this.#rng;
    const wrong = rng.chance(12) ? 1 + rng.below(4) : 0;
    const bytes = [
      ...addressToBytes(wrong === 1 ? people[0]! : object),
      ...little(BigInt(wrong === 2 ? round + 1 : round), 8),
      wrong === 3 ? (role + 1) % 7 : role,
      ...Array.from({ length: wrong === 4 ? 15 + rng.below(3) : 16 }, (_, i) => i),
    ];
    return blob(Uint8Array.from(bytes));
  }

  #run(sender: Address, module: string, fn: string, said: readonly Said[]): boolean {
    const tx = {
      sender,
      timeMs: this.#time,
      module,
      function: fn,
      arguments: said.map((each) => each.argument),
    };
    const done = this.#ledger.execute(tx);
    if (done.result.status === 'failure' && this.#rng.chance(93)) {
      // Most sequences should get far: an abort ends the test that it is in.
      this.#ledger.forgetLast();
      return true;
    }
    this.steps.push({ tx, said, done });
    return done.result.status === 'success';
  }

  /** One random transaction; false once one has failed. */
  step(): boolean {
    const rng = this.#rng;
    this.#time += BigInt(rng.below(50));
    const sender = rng.pick(people);
    const runs = this.#all('run::Run');
    if (runs.length === 0 || (runs.length < 2 && rng.chance(6)))
      return this.#run(sender, 'run', 'create_and_keep', [
        text('a run'),
        this.#hash(),
        address(rng.pick(people)),
        addresses(people.filter(() => rng.chance(30))),
      ]);
    const run = rng.pick(runs);
    const caps = this.#all('run::RunCap');
    const right = caps.find(({ contents }) => hex(contents.slice(32)) === run.id.slice(2));
    const cap = rng.chance(96) && right !== undefined ? right : rng.pick(caps);
    const may = this.#object(cap);
    const written = this.#object(run, true);
    const round = number(rng.below(4));
    const someone = address(rng.pick(people));
    const some = people.filter(() => rng.chance(60));
    if (rng.chance(4) && some.length > 0) some.push(some[0]!);
    const offers = this.#all('access::Offer');
    const subscriptions = this.#all('access::Subscription');
    const passes = this.#all('access::Pass');
    /** Mostly the right way round. */
    const rounds = (): Said[] => {
      const first = rng.below(3);
      return [number(first), number(rng.chance(95) ? first + rng.below(3) : 0)];
    };
    const price = (): Said => {
      const amount = BigInt(rng.chance(93) ? 70 : 71);
      return {
        argument: { type: 'coin', amount },
        move: `sui::coin::mint_for_testing<sui::sui::SUI>(${amount}, scenario.ctx())`,
      };
    };
    switch (rng.below(22)) {
      case 0:
      case 1:
      case 2:
      case 3: {
        // What `freeze_cohort` does once the randomness is drawn; there the entropy is the root.
        const root = this.#hash();
        return this.#run(sender, 'run', 'record_cohort', [
          may,
          written,
          round,
          keysOf(some),
          addresses(some),
          root,
          { ...root, move: UNSAID },
          this.#hash(),
          CLOCK,
        ]);
      }
      case 4:
      case 5:
      case 6:
        return this.#run(sender, 'run', 'freeze_survivors', [
          may,
          written,
          round,
          addresses(some.slice(0, 2)),
          this.#hash(),
          this.#hash(),
          CLOCK,
        ]);
      case 7: {
        const fn = rng.pick(['add_auditor', 'add_auditor', 'revoke', 'remove_auditor', 'readmit']);
        return this.#run(sender, 'run', fn, [may, written, someone]);
      }
      case 8: {
        const first = rng.below(3);
        return this.#run(sender, 'run', 'grant_compute', [
          may,
          written,
          someone,
          number(first),
          number(first + rng.below(3) - (rng.chance(5) ? 1 : 0) < 0 ? 0 : first + rng.below(2)),
          number(this.#time + BigInt(rng.below(100))),
        ]);
      }
      case 9:
        return this.#run(sender, 'run', 'revoke_compute', [may, written, someone]);
      case 10:
        return this.#run(sender, 'model', 'issue_receipt', [written, round, someone]);
      case 11:
      case 12: {
        // 4 is no mechanism, and without one there is no epsilon.
        const mechanism = rng.below(5);
        const parent = this.#all('model::ModelVersion')[0];
        return this.#run(sender, 'model', 'publish_version', [
          may,
          written,
          round,
          this.#hash(),
          this.#hash(),
          rng.chance(50) ? blob(new Uint8Array()) : this.#hash(),
          number(rng.below(70_000)),
          texts(rng.chance(5) ? [''] : ['loss', 'accuracy']),
          numbers([rng.below(5_000_000), rng.below(1_050_000)]),
          number(mechanism, 1),
          number(mechanism === 0 && rng.chance(80) ? 0 : rng.below(9_000_000)),
          number(mechanism === 0 ? 0 : 10),
          {
            argument: {
              type: 'bytes',
              bytes:
                parent === undefined
                  ? Uint8Array.of(0)
                  : Uint8Array.of(1, ...addressToBytes(parent.id)),
            },
            move: parent === undefined ? 'option::none()' : `option::some(${id(parent.id).move})`,
          },
          this.#hash(),
          number(rng.bits(256), 32),
          this.#hash(),
          number(rng.below(1_000_000)),
        ]);
      }
      case 13:
        return this.#run(sender, 'access', 'create_offer', [
          may,
          written,
          someone,
          number(70),
          number(70),
          number(200),
          ...rounds(),
        ]);
      case 14:
        return this.#run(sender, 'run', 'add_time_lock', [
          may,
          written,
          ...rounds(),
          number(this.#time + BigInt(rng.below(60))),
        ]);
      case 15:
      case 16: {
        const offer = offers.length > 0 ? rng.pick(offers) : undefined;
        if (offer === undefined) return true;
        const pass = passes.length > 0 ? rng.pick(passes) : undefined;
        const subscription = subscriptions.length > 0 ? rng.pick(subscriptions) : undefined;
        switch (rng.below(7)) {
          case 0:
            return this.#run(sender, 'access', 'grant_pass', [may, this.#object(offer), someone]);
          case 1:
            return this.#run(sender, 'access', 'buy_pass', [this.#object(offer), price()]);
          case 2:
            return this.#run(sender, 'access', 'subscribe', [this.#object(offer), price(), CLOCK]);
          case 3:
            if (subscription === undefined) return true;
            return this.#run(sender, 'access', 'renew', [
              this.#object(offer),
              this.#object(subscription, true),
              price(),
              CLOCK,
            ]);
          case 4:
            if (pass === undefined) return true;
            return this.#run(sender, 'access', 'revoke_pass', [
              may,
              this.#object(offer, true),
              id(pass.id),
            ]);
          case 5:
            if (rng.chance(60)) return true;
            return this.#run(sender, 'access', 'close_offer', [may, this.#object(offer, true)]);
          default:
            if (pass === undefined) return true;
            return this.#run(sender, 'policy', 'seal_approve_pass', [
              this.#name(run.id, rng.below(4), 2),
              this.#object(offer),
              this.#object(pass),
            ]);
        }
      }
      case 17: {
        return this.#run(sender, 'policy', 'seal_approve_time', [
          this.#name(run.id, rng.below(4), 4),
          this.#object(run),
          CLOCK,
        ]);
      }
      case 18: {
        if (subscriptions.length === 0 || offers.length === 0) return true;
        const offer = rng.pick(offers);
        return this.#run(sender, 'policy', 'seal_approve_subscription', [
          this.#name(run.id, rng.below(4), 3),
          this.#object(offer),
          this.#object(rng.pick(subscriptions)),
          CLOCK,
        ]);
      }
      default: {
        const [fn, role] = rng.pick([
          ['cohort', 0],
          ['auditor', 1],
          ['compute', 5],
          ['unmask', 6],
        ] as const);
        const said = [this.#name(run.id, rng.below(3), role), this.#object(run)];
        if (fn === 'compute') said.push(CLOCK);
        return this.#run(sender, 'policy', `seal_approve_${fn}`, said);
      }
    }
  }
}

const short = (type: string): string =>
  type.replace(/0x0*([0-9a-f]+)::/g, (_, digits: string) =>
    digits === 'f10e'
      ? 'floe::'
      : digits === '1'
        ? 'std::'
        : digits === '2'
          ? 'sui::'
          : `0x${digits}::`,
  );

/** Source of taking an object out of the test's inventory and of giving it back. */
const take = (held: Held, mutable: boolean): string => {
  const name = `o${held.id.slice(2, 14)}`;
  const type = short(held.type);
  const where = `object::id_from_address(@${held.id})`;
  const from =
    held.owner.type === 'shared'
      ? `take_shared_by_id<${type}>(&scenario, ${where})`
      : held.owner.type === 'immutable'
        ? `take_immutable_by_id<${type}>(&scenario, ${where})`
        : `take_from_address_by_id<${type}>(&scenario, @${held.owner.type === 'address' ? held.owner.address : ''}, ${where})`;
  return `let ${mutable ? 'mut ' : ''}${name} = test_scenario::${from};`;
};
const giveBack = (held: Held): string => {
  const name = `o${held.id.slice(2, 14)}`;
  if (held.owner.type === 'shared') return `test_scenario::return_shared(${name});`;
  if (held.owner.type === 'immutable') return `test_scenario::return_immutable(${name});`;
  return `test_scenario::return_to_address(@${held.owner.type === 'address' ? held.owner.address : ''}, ${name});`;
};

const TEST_NAMES: Readonly<Record<string, string>> = {
  create_and_keep: 'test_create',
  publish_version: 'test_publish',
  record_cohort: 'test_freeze',
};
const CONTEXT: ReadonlySet<string> = new Set([
  'create_and_keep',
  'publish_version',
  'issue_receipt',
  'create_offer',
  'grant_pass',
  'buy_pass',
  'subscribe',
  'seal_approve_cohort',
  'seal_approve_auditor',
  'seal_approve_compute',
  'seal_approve_unmask',
]);

export interface SequenceRun {
  /** Everything the interpreter found, as text; two interpreters agree when these are equal. */
  readonly trace: string;
  /** One Move unit test. */
  readonly source: string;
  readonly transactions: number;
  readonly aborted: boolean;
}

/** Runs sequence number `seed` in `vm` (which has the framework and not Floe). */
export const runSequence = (
  vm: MoveVm,
  floe: readonly Uint8Array[],
  seed: number,
  length: number,
): SequenceRun => {
  const ledger = new Ledger(vm, floe);
  const sequence = new Sequence(new Rng(seed), ledger);
  const lines: string[] = [];
  let attribute = '#[test]';
  let previous: Executed | undefined;
  const known = new Map<Address, Held>();
  for (let i = 0; i < length; i++) {
    const before = sequence.steps.length;
    const goesOn = sequence.step();
    const step = sequence.steps[before];
    if (step === undefined) continue;
    lines.push(...stepLines(step, previous, known));
    for (const held of step.done.touched) known.set(held.id, held);
    for (const gone of step.done.effects?.deletedIds ?? []) known.delete(gone);
    previous = step.done;
    if (goesOn) continue;
    const { result } = step.done;
    const failure = result.status === 'failure' ? result.failure : undefined;
    const at = failure?.location;
    const where = `location = ${at === undefined ? 'nowhere' : short(`${at.package}::${at.module}`)}`;
    attribute =
      failure?.type === 'abort'
        ? `#[test, expected_failure(abort_code = ${failure.code}, ${where})]`
        : `#[test, expected_failure(arithmetic_error, ${where})] /* ${failure?.message} */`;
    break;
  }
  lines.push(...checkLines(previous));
  const aborted = sequence.steps.at(-1)?.done.result.status === 'failure';
  const source = `    ${attribute}
    fun s${seed}() {
        let mut scenario = test_scenario::begin(@0x0);
        let mut clock = sui::clock::create_for_testing(scenario.ctx());
        ${lines.join('\n        ')}
        clock.increment_for_testing(0);
        clock.destroy_for_testing();
        scenario.end();
    }`;
  vm.unpublish(FLOE);
  const trace = sequence.steps.map(({ done }) => describe(done)).join('\n');
  return { trace, source, transactions: sequence.steps.length, aborted };
};

/** Checks on the objects that the transaction before left, in the transaction after. */
const checkLines = (done: Executed | undefined): string[] => {
  const lines: string[] = ['scenario.next_tx(@0x0);'];
  for (const held of done?.touched ?? []) {
    const name = `o${held.id.slice(2, 14)}`;
    lines.push(
      take(held, false),
      `assert!(std::bcs::to_bytes(&${name}) == x"${hex(held.contents)}", 31337);`,
    );
    if (held.type.endsWith('::run::Run'))
      for (const child of done?.effects?.children ?? [])
        if (child.type.includes('::run::Round>')) {
          const round = Buffer.from(child.contents.slice(32, 40)).readBigUInt64LE();
          lines.push(
            `assert!(floe::run::round_bytes(&${name}, ${round}) == x"${hex(child.contents.slice(40))}", 31338);`,
          );
        }
    lines.push(giveBack(held));
  }
  return lines;
};

const stepLines = (
  { tx, said, done }: Step,
  previous: Executed | undefined,
  known: ReadonlyMap<Address, Held>,
): string[] => {
  const lines = [...checkLines(previous), `scenario.next_tx(@${tx.sender});`];
  lines.push(`clock.set_for_testing(${tx.timeMs});`);
  const held = said.flatMap(({ argument }) => {
    const object = argument.type === 'object' ? known.get(argument.id) : undefined;
    return object === undefined ? [] : [object];
  });
  const mutable = (object: Held): boolean =>
    said.some((each) => each.move === `&mut o${object.id.slice(2, 14)}`);
  for (const object of held) lines.push(take(object, mutable(object)));
  // Arguments that need the scenario themselves come first, in order.
  const args = said.flatMap(({ argument, move }, i) => {
    if (move === UNSAID) return [];
    if (argument.type !== 'coin') return move;
    lines.push(`let coin${i} = ${move};`);
    return `coin${i}`;
  });
  if (CONTEXT.has(tx.function)) args.push('scenario.ctx()');
  const name = TEST_NAMES[tx.function] ?? tx.function.replace('seal_approve_', 'test_');
  const call = `floe::${tx.module}::${name}(${args.join(', ')})`;
  lines.push(`${call};`);
  for (const object of held) lines.push(giveBack(object));
  const events = done.effects?.events ?? [];
  lines.push(`assert!(sui::event::num_events() == ${events.length}, 31340);`);
  for (const type of new Set(events.map((event) => event.type))) {
    const all = events.filter((event) => event.type === type).map((event) => event.contents);
    lines.push(
      `assert!(std::bcs::to_bytes(&sui::event::events_by_type<${short(type)}>()) == x"${hex(Uint8Array.of(all.length))}${all.map(hex).join('')}", 31341);`,
    );
  }
  return lines;
};

/**
 * Only what the unit test states, so that a trace confirmed by the Move VM is confirmed in every
 * letter.
 */
const describe = ({ result, effects, touched, returns }: Executed): string => {
  const failure = result.status === 'failure' ? result.failure : undefined;
  const rounds = effects?.children.filter((child) => child.type.includes('::run::Round>')) ?? [];
  return JSON.stringify({
    failure: failure && [failure.type, `${failure.code}`, failure.location?.module],
    returns: returns.map(({ bytes }) => hex(bytes)),
    touched: touched.map(({ id: at, contents, owner }) => [at, hex(contents), owner]),
    rounds: rounds.map(({ contents }) => hex(contents.slice(32))),
    events: effects?.events.map(({ type, contents }) => [type, hex(contents)]),
  });
};

/** The test module of many sequences. */
export const sequenceChecks = (runs: readonly SequenceRun[]): string =>
  `#[test_only, allow(unused_mut_ref, unused_let_mut, unused_use, unused_variable)]
module floe::checks {
    use sui::test_scenario;

${runs.map((each) => each.source).join('\n')}
}
`;
