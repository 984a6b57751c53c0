/**
 * @module WordPiece as tokenizer.json describes it: strings that trip tokenizers, with the ids that
 * the rules of BERT give over a vocabulary of a few words.
 */
import { describe, expect, it } from 'vitest';
import { readTokenizer, textDataset } from '../../client/text/tokenizer.ts';
import { FloeError } from '../../protocol/errors.ts';
import { tinyTokenizer } from '../support/tiny-encoder.ts';

const tokenizer = readTokenizer(tinyTokenizer());
const vocabulary = (JSON.parse(tinyTokenizer()) as { model: { vocab: Record<string, number> } })
  .model.vocab;

const codeOf = (work: () => unknown): string => {
  try {
    work();
  } catch (thrown) {
    return thrown instanceof FloeError ? thrown.code : String(thrown);
  }
  return 'nothing thrown';
};

const names = new Map(Object.entries(vocabulary).map(([word, id]) => [id, word]));

/** The words of a text without the tokens at its ends and the padding. */
const wordsOf = (text: string): string => {
  const ids = [...tokenizer.encode(text, 40)];
  const words = ids.filter((id) => id !== tokenizer.padding).map((id) => names.get(id)!);
  expect(words[0]).toBe('[CLS]');
  expect(words.at(-1)).toBe('[SEP]');
  return words.slice(1, -1).join(' ');
};

describe('the tokenizer', () => {
  it.each([
    ['Win MONEY now!', 'win money now !'],
    ['wins lists calling', 'win ##s list ##s call ##ing'],
    ['wíń ÉÀ', 'win [UNK]'],
    // Combining marks are accents too.
    ['wi\u0301n', 'win'],
    ['win\u0000ning\ufffd', '[UNK]'],
    ['win\u200bmoney', '[UNK]'],
    ['\twin\r\nmoney\u00a0now\u3000', 'win money now'],
    ['free.prize,now', 'free . prize , now'],
    ['$1', '$ 1'],
    ['$20', '$ 2 ##0'],
    ['the 日本 list', 'the [UNK] [UNK] list'],
    ['win🙂', '[UNK]'],
    ['a [SEP] b', 'a [SEP] [UNK]'],
    ['[sep]', '[UNK] [UNK] [UNK]'],
    ['', ''],
    [' \n ', ''],
    [`${'a'.repeat(101)} win`, '[UNK] win'],
    ['constructor __proto__ toString', '[UNK] [UNK] [UNK] [UNK] [UNK] [UNK] [UNK]'],
  ])('%j is %j', (text, words) => {
    expect(wordsOf(text)).toBe(words);
  });

  it('cuts and pads to one length, the last token the one that ends a text', () => {
    const { '[CLS]': start, '[SEP]': end, win, money } = vocabulary;
    expect([...tokenizer.encode('win', 5)]).toEqual([start, win, end, 0, 0]);
    expect([...tokenizer.encode('win money now', 4)]).toEqual([start, win, money, end]);
    expect([...tokenizer.encode('win '.repeat(1e5), 4)]).toEqual([start, win, win, end]);
  });

  it('refuses what is no tokenizer', () => {
    const file = JSON.parse(tinyTokenizer()) as { model: object };
    for (const wrong of [
      '',
      '[]',
      '{}',
      JSON.stringify({ ...file, model: { ...file.model, type: 'Other' } }),
      JSON.stringify({
        ...file,
        model: { ...file.model, vocab: { '[PAD]': 0, '[UNK]': 1, win: 2 ** 40 } },
      }),
      JSON.stringify({
        ...file,
        model: { ...file.model, vocab: { '[PAD]': 0, '[UNK]': 1, win: 0.5 } },
      }),
    ])
      expect(
        codeOf(() => readTokenizer(wrong)),
        wrong.slice(0, 60),
      ).toBe('data_malformed');
    expect(codeOf(() => readTokenizer(tinyTokenizer(), '<pad>'))).toBe('data_malformed');
  });

  it('makes examples of texts', () => {
    const texts = [
      { text: 'win money', label: 1 },
      { text: 'list', label: 0 },
    ];
    const classNames = ['ham', 'spam'];
    const data = textDataset(texts, tokenizer, { length: 6, classNames });
    expect(data).toMatchObject({ size: 2, featureShape: [6], classes: 2, classNames });
    expect([...data.features.subarray(6)]).toEqual([...tokenizer.encode('list', 6)]);
    expect([...data.labels]).toEqual([1, 0]);
    expect(codeOf(() => textDataset(texts, tokenizer, { length: 1, classNames }))).toBe(
      'data_malformed',
    );
  });
});
