/**
 * @module Random small Move programs: integers of every width, vectors, structs, enums, references,
 * loops, generics, aborts. Each is a function of twelve integers (what a compiler knows it folds
 * away) that returns the BCS of everything it holds at its end.
 */
import { Rng } from './random.ts';

const WIDTHS = [8, 16, 32, 64, 128, 256] as const;
type Width = (typeof WIDTHS)[number];

/** Types and helpers that every program uses. */
const PRELUDE = `
module fuzz::kit {
    public struct Pair<A, B> has copy, drop, store { left: A, right: B }
    public struct Unit() has copy, drop, store;
    public struct Deep<T> has copy, drop, store { pair: Pair<T, u8>, list: vector<Pair<T, bool>>, unit: Unit }
    public enum Shape<T> has copy, drop, store {
        Dot,
        Nil,
        Line { from: T, to: T },
        Poly(vector<T>, u16),
    }
    public fun pair<A, B>(left: A, right: B): Pair<A, B> { Pair { left, right } }
    public fun left_mut<A, B>(p: &mut Pair<A, B>): &mut A { &mut p.left }
    public fun right<A, B>(p: &Pair<A, B>): &B { &p.right }
    public fun turn<A, B>(p: Pair<A, B>): Pair<B, A> { let Pair { left, right } = p; Pair { left: right, right: left } }
    public fun deep<T: copy>(x: T): Deep<T> {
        Deep { pair: pair(x, 3), list: vector[pair(x, true), pair(x, false)], unit: Unit() }
    }
    public fun list_mut<T>(d: &mut Deep<T>): &mut vector<Pair<T, bool>> { &mut d.list }
    public fun dot<T>(): Shape<T> { Shape::Dot }
    public fun nil<T>(): Shape<T> { Shape::Nil }
    public fun weigh(p: Pair<u64, u64>): u64 { let Pair { left, right } = p; left / 3 + right }
    public fun same<T: drop>(a: T, b: T): bool { a == b }
    public fun line<T>(from: T, to: T): Shape<T> { Shape::Line { from, to } }
    public fun poly<T>(v: vector<T>, n: u16): Shape<T> { Shape::Poly(v, n) }
    public fun grow(s: &mut Shape<u64>, by: u64) {
        match (s) {
            Shape::Dot => { *s = line(by, by) },
            Shape::Nil => { *s = dot() },
            Shape::Line { from, to } => { *to = *to + by; if (*to > 1000) *from = *to - *from; },
            Shape::Poly(v, n) => { v.push_back(by); *n = *n + 1; },
        }
    }
    public fun area(s: &Shape<u64>): u64 {
        match (s) {
            Shape::Dot => 0,
            Shape::Nil => 17,
            Shape::Line { from, to } if (*from > *to) => *from - *to,
            Shape::Line { from: _, to } => *to,
            Shape::Poly(v, n) => v.length() * (*n as u64),
        }
    }
}
`;

const type = (width: Width): string => `u${width}`;

/** One random program. */
class Program {
  readonly #rng: Rng;
  #loops = 0;
  constructor(rng: Rng) {
    this.#rng = rng;
  }

  literal(width: Width): string {
    const rng = this.#rng;
    const top = 2n ** BigInt(width) - 1n;
    if (width === 8 && rng.chance(25))
      return `${rng.pick([7, 8, 15, 16, 31, 32, 63, 64, 127, 128])}u8`;
    const value = rng.chance(80)
      ? BigInt(rng.below(6))
      : rng.chance(25)
        ? top - BigInt(rng.below(3))
        : rng.bits(rng.chance(40) ? width : width / 2);
    return `${value}u${width}`;
  }
  variable(width: Width): string {
    return `${this.#rng.pick(['a', 'b'])}${width}`;
  }
  /** An integer expression of `width`. */
  integer(width: Width, depth: number): string {
    const rng = this.#rng;
    if (depth <= 0) return rng.chance(60) ? this.variable(width) : this.literal(width);
    const inner = (): string => this.integer(width, depth - 1);
    switch (rng.below(10)) {
      case 0:
      case 1:
        return `(${inner()} ${rng.pick(['+', '+', '+', '-', '*', '*'])} ${inner()})`;
      case 2:
        return `(${inner()} ${rng.pick(['/', '%'])} ${inner()})`;
      case 3:
        return `(${inner()} ${rng.pick(['&', '|', '^'])} ${inner()})`;
      case 4: {
        const by =
          width === 256 ? `${rng.below(256)}` : `${rng.below(width + (rng.chance(10) ? 2 : 0))}`;
        return `(${inner()} ${rng.pick(['<<', '>>'])} ${rng.chance(15) ? this.integer(8, 0) : by})`;
      }
      case 5: {
        const other = rng.pick(WIDTHS);
        return `((${this.integer(other, depth - 1)}) as ${type(width)})`;
      }
      case 6:
        return `(if (${this.condition(depth - 1)}) ${inner()} else ${inner()})`;
      case 7:
        if (width === 64)
          return rng.pick(['list.length()', 'kit::area(&shape)', 'list[(a8 % 4) as u64]']);
        if (width === 8) return 'bytes[(b16 as u64) % bytes.length()]';
        return inner();
      case 8:
        return width < 256 ? `std::u${width}::max(${inner()}, ${inner()})` : inner();
      default:
        return this.variable(width);
    }
  }
  condition(depth: number): string {
    const rng = this.#rng;
    const width = rng.pick(WIDTHS);
    switch (rng.below(6)) {
      case 0:
        return `(${this.condition(depth - 1 > 0 ? depth - 1 : 0)} ${rng.pick(['&&', '||'])} flag)`;
      case 1:
        return rng.pick([
          'list == other',
          'list != other',
          'shape == kit::dot()',
          'deep == kit::deep(a16)',
        ]);
      case 2:
        return `!flag`;
      default:
        return `(${this.integer(width, Math.max(0, depth - 1))} ${rng.pick(['<', '>', '<=', '>=', '==', '!='])} ${this.integer(width, Math.max(0, depth - 1))})`;
    }
  }
  assignment(width: Width): string {
    const name = this.variable(width);
    const value = this.integer(width, 2);
    // The compiler itself crashes on a branch that holds nothing but `x = x`.
    return `${name} = ${value === name ? this.literal(width) : value};`;
  }
  /**
   * Statements at the edges: shifts by about the width, casts at the limit, divisions, comparisons
   * that nearly hold.
   */
  edge(width: Width): string {
    const rng = this.#rng;
    const [a, b] = [`a${width}`, `b${width}`];
    switch (rng.below(9)) {
      case 6: {
        const by = 1 + rng.below(width - 1);
        return `${a} = (${b} << ${by}) >> ${by};`;
      }
      case 7: {
        const wider = rng.pick(WIDTHS.filter((each) => each >= width));
        return `${a} = ((${b} | ${2n ** BigInt(width) - 1n}) as u${wider}) as u${width};`;
      }
      case 8:
        return `${a} = ${b} - (${a} % 3);`;
      case 0:
        return `${a} = ${b} ${rng.pick(['<<', '>>'])} ${this.variable(8)};`;
      case 1:
        return `${a} = (${a} | ${b}) / (${b} % 5 + 2);`;
      case 2: {
        const wider = rng.pick(WIDTHS.filter((each) => each >= width));
        return `${a} = (${b} as u${wider}) as u${width}; ${b} = (std::u${wider}::bitwise_not(0) & (${b} as u${wider})) as u${width};`;
      }
      case 3:
        return `{ let p = kit::pair(a64 % 1000, b64 % 1000); a64 = kit::weigh(p); };`;
      case 4:
        return `{ let mut l = list; l.push_back(a64); flag = ${rng.chance(50) ? 'kit::same(list, l)' : 'list == l'}; if (flag) { b32 = 77; } else { b32 = 78; }; };`;
      default:
        return `{ let x = ${rng.pick(['kit::dot()', 'kit::nil()'])}; flag = x == ${rng.pick(['kit::dot()', 'kit::nil()', 'shape'])}; if (flag) shape = x; };`;
    }
  }
  statement(depth: number): string {
    const rng = this.#rng;
    const width = rng.pick(WIDTHS);
    if (rng.chance(25)) return this.edge(width);
    switch (rng.below(20)) {
      case 0:
      case 1:
      case 2:
      case 3:
        return this.assignment(width);
      case 4:
        return `flag = ${this.condition(2)};`;
      case 5:
        return `{ let x = ${this.integer(64, 1)}; list.push_back(x); };`;
      case 6:
        return rng.chance(80)
          ? `if (list.length() > 1) { other.push_back(list.pop_back()); };`
          : `b64 = other.pop_back();`;
      case 7:
        return `{ let x = ${this.integer(64, 1)}; let i = ${rng.chance(85) ? '(a64 % 3)' : this.integer(64, 0)}; *(&mut list[i]) = x; };`;
      case 8:
        // Out of range the pinned VM calls its own swap an invariant violation, so only within.
        return `if (list.length() > 1) { let i = ${this.integer(64, 0)} % list.length(); list.swap(0, i); };`;
      case 9:
        return `{ let x = ${this.integer(64, 1)}; kit::grow(&mut shape, x); };`;
      case 10:
        return `shape = ${rng.pick(['kit::dot()', 'kit::line(a64, b64)', 'kit::poly(other, a16)'])};`;
      case 11:
        return `{ let x = ${this.integer(32, 1)}; *kit::left_mut(&mut two) = x; };`;
      case 12:
        return `two = kit::turn(kit::turn(two));`;
      case 13:
        return `{ let x = ${this.integer(16, 1)}; let d = kit::list_mut(&mut deep); d.push_back(kit::pair(x, flag)); if (d.length() > 4) { let p = d.remove(1); b16 = *kit::left_mut(&mut { p }); } };`;
      case 14:
        return `if (${this.condition(1)} && ${this.condition(1)}) abort ${rng.below(1000)};`;
      case 15: {
        if (depth <= 0) return `bytes.append(std::bcs::to_bytes(&${this.variable(width)}));`;
        const block = this.block(2, depth - 1);
        return `if (${this.condition(2)}) { ${block} } else { ${this.block(1, depth - 1)} };`;
      }
      case 16: {
        if (depth <= 0) return `list.reverse();`;
        const counter = `i${this.#loops++}`;
        return `{ let mut ${counter} = 0u8; while (${counter} < ${1 + rng.below(5)}) { ${counter} = ${counter} + 1; ${this.block(2, depth - 1)} ${rng.chance(25) ? `if (flag) break;` : ''} }; };`;
      }
      case 17:
        return `{ let r = &mut ${this.variable(width)}; *r = ${this.literal(width)}; };`;
      case 18:
        return `bytes = std::hash::${rng.pick(['sha2_256', 'sha3_256'])}(bytes);`;
      default:
        return `maybe = ${rng.pick(['option::none()', `option::some(${this.integer(128, 1)})`, 'if (maybe.is_some()) option::some(maybe.extract()) else option::some(a128)', 'option::some(maybe.destroy_some())'])};`;
    }
  }
  block(count: number, depth: number): string {
    return Array.from({ length: count }, () => this.statement(depth)).join(' ');
  }
  source(title: string): string {
    const rng = this.#rng;
    const variables = WIDTHS.flatMap((width) => ['a', 'b'].map((v) => `${v}${width}`));
    const parameters = variables.map((name) => `mut ${name}: u${name.slice(1)}`).join(', ');
    const held = [...variables, 'flag', 'list', 'other', 'bytes', 'two', 'deep', 'shape', 'maybe'];
    return `
    #[allow(unused_assignment, unused_let_mut, unused_variable, dead_code)]
    public fun ${title}(${parameters}): vector<u8> {
        let mut flag = ${rng.chance(50)};
        let mut list = vector[${this.literal(64)}, ${this.literal(64)}, ${this.literal(64)}];
        let mut other: vector<u64> = vector[];
        let mut bytes = x"00ff17";
        let mut two = kit::pair(${this.literal(32)}, @0xA11CE);
        let mut deep = kit::deep(a16);
        let mut shape: kit::Shape<u64> = ${rng.pick(['kit::dot()', 'kit::line(1, 2)', 'kit::poly(vector[5], 3)'])};
        let mut maybe: Option<u128> = option::none();
        ${Array.from({ length: 5 }, () => this.statement(2)).join('\n        ')}
        let mut out = vector[];
        ${held.map((each) => `out.append(std::bcs::to_bytes(&${each}));`).join('\n        ')}
        out
    }`;
  }
}

export const FUZZ_TOML = `[package]
name = "fuzz"
edition = "2024.beta"
[addresses]
fuzz = "0x0"
`;

/** Arguments for a call: as text for Move source, as little-endian bytes for the interpreter. */
export interface CallValues {
  readonly source: string;
  readonly bytes: readonly Uint8Array[];
}

export const callValues = (seed: number): CallValues => {
  const program = new Program(new Rng(seed));
  const literals = WIDTHS.flatMap((width) => [program.literal(width), program.literal(width)]);
  const bytes = literals.map((literal) => {
    const [value, width] = literal.split('u').map(BigInt);
    return Uint8Array.from({ length: Number(width) / 8 }, (_, i) =>
      Number(((value ?? 0n) >> BigInt(8 * i)) & 255n),
    );
  });
  return { source: literals.join(', '), bytes };
};

/** A package of `count` random programs `fuzz::programs::p0`, `p1`, ... */
export const randomPrograms = (seed: number, count: number): Record<string, string> => {
  const programs = Array.from({ length: count }, (_, i) =>
    new Program(new Rng(seed * 1000 + i + 1)).source(`p${i}`),
  );
  return {
    'Move.toml': FUZZ_TOML,
    'sources/kit.move': PRELUDE,
    'sources/programs.move': `module fuzz::programs {\n    use fuzz::kit;\n${programs.join('\n')}\n}\n`,
  };
};
