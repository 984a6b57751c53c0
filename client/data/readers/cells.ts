/**
 * @module The cells of a CSV text, from chunks of UTF-8 (RFC 4180, with any separator and any line
 * end). Only the cell that a chunk cuts is kept for the next one.
 */
import { MAX_CELL, malformed } from './limits.ts';

const TAB = 0x09;
const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const QUOTE = 0x22;

/** Takes what is read. Bytes are valid during the call only. */
export interface CellSink {
  cell(bytes: Uint8Array, from: number, to: number): void;
  /** @param line where the row begins, from 1 */
  row(line: number): void;
  /** The row that follows, from 1, without the header; for errors. */
  readonly next: number;
}

export interface Cells {
  feed(chunk: Uint8Array): void;
  end(): void;
}

interface State {
  readonly delimiter: number;
  readonly sink: CellSink;
  /** Whether any number of spaces is one separator. */
  readonly runs: boolean;
  column: number;
  /** Of the text, from 1, and the one that the row begins in. */
  line: number;
  begin: number;
  /** Room for a cell without its quotation marks. */
  scratch: Uint8Array;
}

/** The bytes at hand, and whether the text ends with them. */
interface Piece {
  readonly bytes: Uint8Array;
  readonly last: boolean;
}

const isBlank = ({ delimiter }: State, byte: number | undefined): boolean =>
  byte === SPACE || (byte === TAB && delimiter !== TAB);

const pastBlanks = (state: State, { bytes }: Piece, from: number): number => {
  let at = from;
  while (isBlank(state, bytes[at])) at += 1;
  return at;
};

const endRow = (state: State): void => {
  state.sink.row(state.begin);
  state.column = 0;
  state.begin = state.line;
};

const give = (state: State, bytes: Uint8Array, from: number, to: number): void => {
  let [first, last] = [from, to];
  while (first < last && isBlank(state, bytes[first])) first += 1;
  while (last > first && isBlank(state, bytes[last - 1])) last -= 1;
  state.sink.cell(bytes, first, last);
  state.column += 1;
};

/** The place after the line end at `at`. */
const nextLine = (bytes: Uint8Array, at: number): number =>
  bytes[at] === CR && bytes[at + 1] === LF ? at + 2 : at + 1;

/** The place after the separator or the end of the row at `at`. */
const after = (state: State, { bytes, last }: Piece, at: number): number => {
  const byte = bytes[at];
  if (byte === state.delimiter) return at + 1;
  if (byte !== undefined) state.line += 1;
  if (byte !== undefined || last) endRow(state);
  return byte === undefined ? at : nextLine(bytes, at);
};

/** Whether the piece ends before a cell does, at a line end that may have a second byte. */
const isOpen = ({ bytes, last }: Piece, stop: number): boolean =>
  !last && (stop >= bytes.length || (bytes[stop] === CR && stop + 1 === bytes.length));

/** Where the quoted cell after the mark at `open` ends; undefined: beyond these bytes. */
const closing = (bytes: Uint8Array, open: number): number | undefined => {
  let at = open + 1;
  for (;;) {
    at = bytes.indexOf(QUOTE, at);
    if (at < 0) return undefined;
    if (bytes[at + 1] !== QUOTE) return at;
    at += 2;
  }
};

const giveQuoted = (state: State, bytes: Uint8Array, open: number, close: number): void => {
  if (state.scratch.length < close - open) state.scratch = new Uint8Array(2 * (close - open));
  const { scratch } = state;
  let length = 0;
  for (let at = open + 1; at < close; at += 1) {
    const byte = bytes[at] as number;
    if (byte === QUOTE) at += 1;
    if (byte === LF || (byte === CR && bytes[at + 1] !== LF)) state.line += 1;
    scratch[length] = byte;
    length += 1;
  }
  give(state, scratch, 0, length);
};

/** Reads a cell in quotation marks; undefined: the piece ends before it. */
const readQuoted = (state: State, piece: Piece, open: number): number | undefined => {
  const { bytes, last } = piece;
  const { sink, delimiter } = state;
  const close = closing(bytes, open);
  // The byte after the mark tells whether it closes.
  if (close === undefined || (close + 1 >= bytes.length && !last)) {
    if (!last) return undefined;
    throw malformed('a quotation mark opens here and none closes it', {
      row: sink.next,
      line: state.begin,
    });
  }
  const stop = state.runs ? close + 1 : pastBlanks(state, piece, close + 1);
  if (isOpen(piece, stop)) return undefined;
  const byte = bytes[stop];
  if (byte !== undefined && byte !== delimiter && byte !== LF && byte !== CR)
    throw malformed(
      'text follows a closing quotation mark: write a quotation mark in a value twice',
      { row: sink.next, line: state.line },
    );
  giveQuoted(state, bytes, open, close);
  return after(state, piece, stop);
};

/** Reads a cell without quotation marks; undefined: the piece ends before it. */
const readPlain = (state: State, piece: Piece, first: number): number | undefined => {
  const { bytes } = piece;
  const { delimiter, column } = state;
  const end = bytes.length;
  let stop = first;
  for (; stop < end; stop += 1) {
    const byte = bytes[stop];
    if (byte === delimiter || byte === LF || byte === CR) break;
  }
  if (isOpen(piece, stop)) return undefined;
  const isEmptyEnd = first === stop && bytes[stop] !== delimiter;
  if (isEmptyEnd && column === 0) {
    // An empty line is no row.
    state.line += 1;
    state.begin = state.line;
    return nextLine(bytes, stop);
  }
  // Spaces at the end of a row are no cell.
  if (!(isEmptyEnd && state.runs)) give(state, bytes, first, stop);
  return after(state, piece, stop);
};

/** Reads all cells that end in a piece; gives where the first one begins that does not. */
const read = (state: State, piece: Piece): number => {
  const { bytes, last } = piece;
  let at = 0;
  for (;;) {
    // The text may end after a separator: one empty cell is left.
    if (at >= bytes.length && !(last && state.column > 0)) return Math.min(at, bytes.length);
    const first = pastBlanks(state, piece, at);
    const isQuoted = bytes[first] === QUOTE;
    const next = isQuoted ? readQuoted(state, piece, first) : readPlain(state, piece, first);
    if (next === undefined) {
      if (bytes.length - at > MAX_CELL)
        throw malformed(
          isQuoted
            ? `a quotation mark opens here and none closes it within ${MAX_CELL} bytes`
            : `a value of more than ${MAX_CELL} bytes`,
          { row: state.sink.next, line: state.begin },
        );
      return at;
    }
    at = next;
  }
};

/** @param skip lines to leave out at the start */
export const createCells = (delimiter: number, sink: CellSink, skip = 0): Cells => {
  const runs = delimiter === SPACE;
  const scratch = new Uint8Array(256);
  const state: State = { delimiter, sink, runs, column: 0, line: 1, begin: 1, scratch };
  let carry = new Uint8Array(0);
  let toSkip = skip;

  /** Past the lines to leave out; undefined: they do not end here. */
  const skipped = (piece: Piece): number | undefined => {
    const { bytes } = piece;
    let at = 0;
    while (toSkip > 0) {
      let stop = at;
      while (stop < bytes.length && bytes[stop] !== LF && bytes[stop] !== CR) stop += 1;
      if (isOpen(piece, stop)) return undefined;
      at = Math.min(nextLine(bytes, stop), bytes.length);
      toSkip -= 1;
      state.line += 1;
      state.begin = state.line;
    }
    return at;
  };

  const run = (bytes: Uint8Array, last: boolean): void => {
    const before = state.line;
    const from = skipped({ bytes, last });
    if (from === undefined) {
      // The same lines are skipped again, with more bytes.
      toSkip += state.line - before;
      state.line = before;
      if (bytes.length > MAX_CELL)
        throw malformed(`a line of more than ${MAX_CELL} bytes`, { line: before });
      carry = bytes.slice();
      return;
    }
    const rest = bytes.subarray(from);
    carry = rest.slice(read(state, { bytes: rest, last }));
  };

  return {
    feed: (chunk) => {
      if (carry.length === 0) {
        run(chunk, false);
        return;
      }
      const joined = new Uint8Array(carry.length + chunk.length);
      joined.set(carry);
      joined.set(chunk, carry.length);
      run(joined, false);
    },
    end: () => run(carry, true),
  };
};
