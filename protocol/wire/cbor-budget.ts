/**
 * @module How much a decoder may take from bytes before it refuses them. One byte of CBOR can stand
 * for a list, so millions of them cost far more memory and time than they take to send (RFC 8949,
 * section 10). The most that a value of a schema can have follows from the schema: the elements are
 * counted while they are decoded, and nothing is built beyond that.
 */
import { Tokenizer, Type } from 'cborg';
import type * as v from 'valibot';

export interface CborBudget {
  /** Data items: maps, lists, keys and values. */
  readonly elements: number;
  /** Maps and lists within each other. */
  readonly depth: number;
}

/** Where a schema bounds neither a list nor a text by itself, the size in bytes and these do. */
const UNBOUNDED: CborBudget = { elements: 65_536, depth: 16 };

/** What a valibot schema shows of itself at run time. */
interface SchemaView {
  readonly type: string;
  readonly entries?: Readonly<Record<string, SchemaView>>;
  readonly item?: SchemaView;
  readonly wrapped?: SchemaView;
  readonly options?: readonly unknown[];
  readonly pipe?: readonly (SchemaView & { readonly requirement?: unknown })[];
}

const NOTHING: CborBudget = { elements: 0, depth: 0 };
const LEAF: CborBudget = { elements: 1, depth: 0 };

/** The larger of both in each respect. */
const larger = (a: CborBudget, b: CborBudget): CborBudget => ({
  elements: Math.max(a.elements, b.elements),
  depth: Math.max(a.depth, b.depth),
});

/** The longest list that the steps of a pipe, and of the pipes within it, let pass. */
const longest = (view: SchemaView): number =>
  Math.min(
    ...(view.pipe ?? []).map((step) => {
      if (step.type === 'max_length' && typeof step.requirement === 'number')
        return step.requirement;
      return step.pipe === undefined || step.pipe === view.pipe ? Infinity : longest(step);
    }),
    // Never empty.
    Infinity,
  );

const measure = (view: SchemaView): CborBudget => {
  switch (view.type) {
    case 'strict_object':
    case 'object': {
      const parts = Object.values(view.entries ?? {}).map(measure);
      return {
        elements: parts.reduce((sum, { elements }) => sum + 1 + elements, 1),
        depth: 1 + parts.reduce(larger, NOTHING).depth,
      };
    }
    case 'array': {
      const item = measure(view.item as SchemaView);
      return { elements: 1 + longest(view) * item.elements, depth: 1 + item.depth };
    }
    case 'optional':
    case 'nullable':
      return measure(view.wrapped as SchemaView);
    case 'variant':
      return (view.options as readonly SchemaView[]).map(measure).reduce(larger, NOTHING);
    case 'string':
    case 'number':
    case 'boolean':
    case 'literal':
    case 'picklist':
    case 'custom':
      return LEAF;
    default:
      // Any value, such as `unknown`.
      return { elements: Infinity, depth: Infinity };
  }
};

const known = new WeakMap<v.GenericSchema, CborBudget>();

/** The most that a value of `schema` can have. */
export const budgetOf = (schema: v.GenericSchema): CborBudget => {
  const before = known.get(schema);
  if (before !== undefined) return before;
  const { elements, depth } = measure(schema);
  const budget = {
    elements: Math.min(elements, elements === Infinity ? UNBOUNDED.elements : elements),
    depth: Math.min(depth, UNBOUNDED.depth),
  };
  known.set(schema, budget);
  return budget;
};

/** Room for a value of any of these schemas. */
export const budgetOfAny = (schemas: readonly v.GenericSchema[]): CborBudget =>
  schemas.map(budgetOf).reduce(larger, NOTHING);

/** The same with what stands around it. */
export const widened = (budget: CborBudget, elements: number, depth: number): CborBudget => ({
  elements: budget.elements + elements,
  depth: budget.depth + depth,
});

/**
 * Takes the elements of `bytes` one by one, as the library's decoder asks for them, and throws at
 * the first one beyond the budget, or at a list or map that declares more elements than there are
 * bytes left.
 */
export class BudgetedTokenizer extends Tokenizer {
  readonly #budget: CborBudget;
  /** Elements that each open list or map still expects, the innermost last. */
  readonly #open: number[] = [];
  #taken = 0;

  constructor(
    bytes: Uint8Array,
    options: ConstructorParameters<typeof Tokenizer>[1],
    budget: CborBudget,
  ) {
    // A Buffer would give Buffers for byte strings.
    super(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length), options);
    this.#budget = budget;
  }

  override next(): ReturnType<Tokenizer['next']> {
    if (this.#taken === this.#budget.elements)
      throw new Error(`expected at most ${this.#budget.elements} elements`);
    this.#taken += 1;
    while (this.#open.at(-1) === 0) this.#open.pop();
    if (this.#open.length > 0) (this.#open[this.#open.length - 1] as number) -= 1;
    const token = super.next();
    if (token.type === Type.array) this.#enter(token.value);
    else if (token.type === Type.map) this.#enter(2 * token.value);
    return token;
  }

  /** @param count elements that a list or map says it has */
  #enter(count: number): void {
    const left = this.data.length - this.pos();
    if (count > left) throw new Error(`${count} elements are declared and ${left} bytes follow`);
    if (this.#open.length === this.#budget.depth)
      throw new Error(`expected at most ${this.#budget.depth} lists and maps within each other`);
    this.#open.push(count);
  }
}
