/**
 * Changes one field of a plain value: every leaf and every list of a record's body can be reached.
 */

export type Draw = (below: number) => number;

interface Place {
  /** Field names from the root; `[]` for the items of a list. */
  readonly path: string;
  readonly value: unknown;
  readonly replace: (value: unknown) => unknown;
}

/** Every leaf and every list, with how to put something else there. */
const placesOf = (
  value: unknown,
  path: string,
  replace: (next: unknown) => unknown,
): readonly Place[] => {
  if (Array.isArray(value)) {
    const items: readonly unknown[] = value;
    return [
      { path, value, replace },
      ...items.flatMap((item, i) =>
        placesOf(item, `${path}[]`, (next) => replace(items.with(i, next))),
      ),
    ];
  }
  if (value !== null && typeof value === 'object' && !(value instanceof Uint8Array)) {
    const fields = value as Readonly<Record<string, unknown>>;
    return Object.entries(fields).flatMap(([name, item]) =>
      placesOf(item, path === '' ? name : `${path}.${name}`, (next) =>
        replace({ ...fields, [name]: next }),
      ),
    );
  }
  return [{ path, value, replace }];
};

const otherBytes = (bytes: Uint8Array, draw: Draw): Uint8Array => {
  const way = draw(4);
  if (bytes.length === 0 || way === 3) return new Uint8Array([...bytes, draw(256)]);
  if (way === 2) return new Uint8Array(bytes.length).fill(draw(2) * 255);
  const at = draw(bytes.length);
  return bytes.with(at, (bytes[at] as number) ^ (1 << draw(8)));
};

const otherNumber = (value: number, draw: Draw): number =>
  [value + 1, value - 1, 0, -value, value * 2 + 1, 2 ** 31, 0.5][draw(7)] as number;

const otherText = (value: string, draw: Draw): string =>
  [`${value}x`, '', value.slice(1), 'journal'][draw(4)] as string;

const otherList = (items: readonly unknown[], draw: Draw): readonly unknown[] => {
  if (items.length === 0) return items;
  const [at, to] = [draw(items.length), draw(items.length)];
  switch (draw(4)) {
    case 0:
      return items.toSpliced(at, 1);
    case 1:
      return items.toSpliced(at, 0, items[at]);
    case 2:
      return items.toSpliced(at, 1, items[to]).toSpliced(to, 1, items[at]);
    default:
      return items.with(at, items[to]);
  }
};

const other = (value: unknown, draw: Draw): unknown => {
  if (value instanceof Uint8Array) return otherBytes(value, draw);
  if (typeof value === 'number') return otherNumber(value, draw);
  if (typeof value === 'string') return otherText(value, draw);
  if (Array.isArray(value)) return otherList(value, draw);
  return value;
};

export const pathsOf = (value: unknown): readonly string[] =>
  placesOf(value, '', (next) => next).map(({ path }) => path);

/** @returns the value with one field changed, and the path of that field */
export const mutate = <Value>(
  value: Value,
  draw: Draw,
): { readonly value: Value; readonly path: string } => {
  const places = placesOf(value, '', (next) => next);
  // By path first, so that long lists do not crowd out single fields.
  const paths = [...new Set(places.map(({ path }) => path))];
  const path = paths[draw(paths.length)] as string;
  const here = places.filter((place) => place.path === path);
  const place = here[draw(here.length)] as Place;
  return { value: place.replace(other(place.value, draw)) as Value, path };
};
