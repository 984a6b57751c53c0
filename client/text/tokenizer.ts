/**
 * @module Converts texts to the token ids of an encoder: a tokenizer of `@huggingface/tokenizers`
 * as its tokenizer.json describes it, truncated and padded to one length. Truncation and padding in
 * the file are ignored.
 */
import * as library from '@huggingface/tokenizers';
import * as v from 'valibot';
import { FloeError } from '../../protocol/errors.ts';
import { createDataset, type Dataset } from '../data/dataset.ts';

export interface TextTokenizer {
  /** Ids of the vocabulary, and of the tokens added to it, are below this. */
  readonly vocabulary: number;
  /** Id of the padding token. */
  readonly padding: number;
  /**
   * Ids of one text, with the tokens that belong at its ends, cut behind `length`: the last token
   * that stays is the one that ends a text.
   */
  encode(text: string, length: number): Int32Array;
}

/** The used part of the library, whose own types resolve in bundlers only. */
interface HuggingFace {
  encode(text: string): { readonly ids: readonly number[] };
  token_to_id(token: string): number | undefined;
}
const { Tokenizer } = library as unknown as {
  readonly Tokenizer: new (file: object, config: object) => HuggingFace;
};

const MAX_VOCABULARY = 2 ** 24;
/** The longest text that is tokenized, in UTF-16 units; the rest is cut off first. */
const UNITS_PER_TOKEN = 64;

const id = v.pipe(v.number(), v.safeInteger(), v.minValue(0), v.maxValue(MAX_VOCABULARY - 1));
const file = v.looseObject({
  model: v.looseObject({
    type: v.optional(v.picklist(['WordPiece', 'BPE', 'Unigram'])),
    vocab: v.union([
      v.record(v.string(), id),
      v.pipe(v.array(v.unknown()), v.maxLength(MAX_VOCABULARY)),
    ]),
  }),
  added_tokens: v.optional(v.array(v.looseObject({ id, content: v.string() })), []),
});

const malformed = (message: string, cause?: unknown): FloeError =>
  new FloeError('data_malformed', `the tokenizer: ${message}`, {}, { cause });

/** Without what cuts and pads: `encode` does both. */
const parse = (json: string) => {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (cause) {
    throw malformed('it is not JSON', cause);
  }
  const result = v.safeParse(file, value, { abortEarly: true });
  if (result.success) return result.output;
  const [issue] = result.issues;
  throw malformed(`${v.getDotPath(issue) ?? 'all of it'}: ${issue.message}`);
};

/**
 * The tokenizer of a `tokenizer.json`. @param padding content of the token that fills up; default
 * `[PAD]`
 * @throws FloeError `data_malformed`
 */
export const readTokenizer = (json: string, padding = '[PAD]'): TextTokenizer => {
  const parsed = parse(json);
  let tokenizer: HuggingFace;
  try {
    tokenizer = new Tokenizer({ ...parsed, truncation: null, padding: null }, {});
  } catch (cause) {
    throw malformed(cause instanceof Error ? cause.message : String(cause), cause);
  }
  const { vocab } = parsed.model;
  const ids = Array.isArray(vocab) ? [vocab.length - 1] : Object.values(vocab);
  const added = parsed.added_tokens.map((token) => token.id);
  const vocabulary = [...ids, ...added].reduce((most, own) => Math.max(most, own + 1), 0);
  const pad = tokenizer.token_to_id(padding);
  if (pad === undefined) throw malformed(`it has no token ${JSON.stringify(padding)}`);
  return {
    vocabulary,
    padding: pad,
    encode: (text, length) => {
      const out = new Int32Array(length).fill(pad);
      const all = tokenizer.encode(text.slice(0, length * UNITS_PER_TOKEN)).ids;
      const kept = all.length <= length ? all : [...all.slice(0, length - 1), all.at(-1) ?? pad];
      out.set(kept);
      return out;
    },
  };
};

export interface LabelledText {
  readonly text: string;
  /** 0 .. classes - 1. */
  readonly label: number;
}

/**
 * Texts as examples for an encoder: each `length` token ids, which a float32 holds exactly.
 * @throws FloeError `data_malformed`
 */
export const textDataset = (
  texts: readonly LabelledText[],
  tokenizer: TextTokenizer,
  { length, classNames }: { readonly length: number; readonly classNames: readonly string[] },
): Dataset => {
  if (!Number.isSafeInteger(length) || length < 2)
    throw new FloeError('data_malformed', `expected a length of at least 2 tokens, got ${length}`);
  const features = new Float32Array(texts.length * length);
  for (const [i, { text }] of texts.entries())
    features.set(tokenizer.encode(text, length), i * length);
  return createDataset({
    features,
    labels: Int32Array.from(texts, ({ label }) => label),
    featureShape: [length],
    classes: classNames.length,
    classNames,
  });
};
