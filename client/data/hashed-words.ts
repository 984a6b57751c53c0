/**
 * @module Words of a text as a vector of a fixed length by feature hashing (Weinberger et al.
 * 2009): each word counts in the input that its hash names, with the sign that its hash gives.
 */

const WORD = /[\p{L}\p{N}]{2,40}/gu;
/** Words of one text that are read. */
const MOST_WORDS = 20_000;

/** FNV-1a of 32 bits, over UTF-16 units. */
const hashOf = (word: string): number => {
  let hash = 0x811c9dc5;
  for (let i = 0; i < word.length; i += 1)
    hash = Math.imul(hash ^ word.charCodeAt(i), 0x01000193) >>> 0;
  return hash;
};

/**
 * Writes the vector of a text, of length 1 or, without a word, of zeros.
 * @param into zeros; its length is the number of inputs
 */
export const hashedWords = (text: string, into: Float32Array): void => {
  let words = 0;
  for (const [word] of text.toLowerCase().matchAll(WORD)) {
    if ((words += 1) > MOST_WORDS) break;
    const hash = hashOf(word);
    const at = (hash >>> 1) % into.length;
    into[at] = (into[at] as number) + ((hash & 1) === 0 ? 1 : -1);
  }
  // Common words would outweigh all others.
  let squares = 0;
  for (const [i, count] of into.entries()) {
    const damped = Math.sign(count) * Math.log1p(Math.abs(count));
    into[i] = damped;
    squares += damped * damped;
  }
  const norm = Math.sqrt(squares);
  if (norm > 0) for (let i = 0; i < into.length; i += 1) into[i] = (into[i] as number) / norm;
};
