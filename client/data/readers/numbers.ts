/**
 * @module Numbers as tables write them. The common form, digits with a decimal sign, is read from
 * its bytes: up to 15 digits over a power of ten is exact (W. Clinger, "How to read floating point
 * numbers accurately", 1990). All else is classified: a code with leading zeros, a number with the
 * other decimal sign, with thousands separators, or a word.
 */

export type Decimal = '.' | ',';

const POWERS = Array.from({ length: 23 }, (_, i) => 10 ** i);
/** Digits that a double holds in any case. */
const EXACT_DIGITS = 15;

/** What {@link readNumber} saw of its last number. */
export const seen = {
  /** Digits after the decimal sign. */
  fraction: 0,
  /** Digits before it. */
  whole: 0,
  /** Whether the first digit is 0. */
  zero: false,
};

/** The number in `bytes[from, to)`; NaN where it is not of the common form. */
export const readNumber = (
  bytes: Uint8Array,
  from: number,
  to: number,
  decimal: number,
): number => {
  let at = from;
  const sign = bytes[at];
  if (sign === 0x2d || sign === 0x2b) at += 1;
  const start = at;
  let value = 0;
  let point = -1;
  for (; at < to; at += 1) {
    const byte = bytes[at] as number;
    if (byte >= 0x30 && byte <= 0x39) value = value * 10 + (byte - 0x30);
    else if (byte === decimal && point < 0) point = at;
    else return Number.NaN;
  }
  const whole = (point < 0 ? to : point) - start;
  const fraction = point < 0 ? 0 : to - point - 1;
  const digits = whole + fraction;
  if (digits === 0 || digits > EXACT_DIGITS) return Number.NaN;
  const zero = bytes[start] === 0x30;
  // A code such as 007 is no number.
  if (zero && whole > 1) return Number.NaN;
  seen.fraction = fraction;
  seen.whole = whole;
  seen.zero = zero;
  if (fraction > 0) value /= POWERS[fraction] as number;
  return sign === 0x2d ? -value : value;
};

/** Whether the last number could as well have thousands separators: 1.234. */
export const isDoubtful = (): boolean =>
  seen.fraction === 3 && seen.whole > 0 && seen.whole < 4 && !seen.zero;

export type NumberText =
  | { readonly type: 'number'; readonly value: number; readonly certain: boolean }
  /** Digits with leading zeros, or more of them than a double holds. */
  | { readonly type: 'code' }
  /** A number with the other decimal sign, without doubt. */
  | { readonly type: 'other' }
  /** The other decimal sign, or a thousands separator: `1,234`. */
  | { readonly type: 'doubtful' }
  /** A number with thousands separators. */
  | { readonly type: 'grouped' }
  | { readonly type: 'word' };

const CODE = /^[+-]?0\d/u;
const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/iu;
const DOUBTFUL = /^[+-]?[1-9]\d{0,2}[.,]\d{3}$/u;
const GROUPED = /^[+-]?\d{1,3}(?:([.,' \u00a0\u202f\u2019])\d{3})(?:\1\d{3})*(?:[.,]\d*)?$/u;

/** With the sign of decimals as a point. */
const pointed = (text: string, decimal: Decimal): string =>
  decimal === '.' ? text : text.includes('.') ? 'x' : text.replace(',', '.');

const withoutGroups = (text: string, thousands: string, decimal: Decimal): string => {
  const same =
    thousands === ' ' ? '[ \\u00a0\\u202f]' : thousands === "'" ? "['\\u2019]" : `[${thousands}]`;
  const form = new RegExp(`^[+-]?\\d{1,3}(?:${same}\\d{3})+(?:[${decimal}]\\d*)?$`, 'u');
  return form.test(text) ? text.replaceAll(new RegExp(same, 'gu'), '') : text;
};

/** What a text is that {@link readNumber} did not take. */
export const classify = (text: string, decimal: Decimal, thousands?: string): NumberText => {
  const plain = thousands === undefined ? text : withoutGroups(text, thousands, decimal);
  if (CODE.test(plain)) return { type: 'code' };
  const own = pointed(plain, decimal);
  if (NUMBER.test(own)) {
    const value = Number(own);
    // A double would round it: two codes could become one.
    if (/^[+-]?\d+$/u.test(own) && !Number.isSafeInteger(value)) return { type: 'code' };
    return Number.isFinite(value)
      ? { type: 'number', value, certain: own.includes('.') && !DOUBTFUL.test(plain) }
      : { type: 'word' };
  }
  if (DOUBTFUL.test(text)) return { type: 'doubtful' };
  if (NUMBER.test(pointed(text, decimal === '.' ? ',' : '.'))) return { type: 'other' };
  if (GROUPED.test(text)) return { type: 'grouped' };
  return { type: 'word' };
};
