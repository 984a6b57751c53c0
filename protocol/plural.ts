/**
 * @module A count with its noun, for lines that people read: `1 round`, `3 rounds`.
 */
export const plural = (count: number, word: string): string =>
  `${count} ${word}${count === 1 ? '' : 's'}`;
