/** @module Files of another kind than their name says, by their first bytes, and the remedy. */

interface Kind {
  /** First bytes as Latin-1. */
  readonly starts: readonly string[];
  readonly remedy: string;
}

const KINDS: readonly Kind[] = [
  {
    starts: ['PK\u0003\u0004', 'PK\u0005\u0006'],
    remedy: 'a zip archive or an Excel workbook: save the sheet as CSV, or unpack the archive',
  },
  { starts: ['\u00d0\u00cf\u0011\u00e0'], remedy: 'an old Excel workbook: save the sheet as CSV' },
  { starts: ['%PDF-'], remedy: 'a PDF document: export the table as CSV' },
  { starts: ['PAR1'], remedy: 'a Parquet file: name it .parquet' },
  { starts: ['ARROW1', 'FEA1'], remedy: 'an Arrow file: name it .arrow or .feather' },
  { starts: ['\u0093NUMPY'], remedy: 'a NumPy array: name it .npy' },
  { starts: ['\u0089HDF'], remedy: 'an HDF5 file: save the table as CSV or Parquet' },
  { starts: ['SQLite format 3'], remedy: 'an SQLite database: export the table as CSV' },
  { starts: ['BZh'], remedy: 'packed with bzip2: unpack it, or pack it with gzip' },
  { starts: ['\u00fd7zXZ'], remedy: 'packed with xz: unpack it, or pack it with gzip' },
  { starts: ['(\u00b5/\u00fd'], remedy: 'packed with zstd: unpack it, or pack it with gzip' },
  { starts: ['\u0089PNG', '\u00ff\u00d8\u00ff'], remedy: 'an image: give the folder of images' },
  { starts: ['{\\rtf'], remedy: 'a text document: save the table as CSV' },
  {
    starts: ['version https://git-lfs'],
    remedy: 'a Git LFS pointer, not the file itself: run git lfs pull',
  },
  {
    starts: ['<!DOCTYPE', '<!doctype', '<html', '<HTML'],
    remedy: 'a web page, not a table: download the file itself',
  },
  { starts: ['<?xml'], remedy: 'an XML file: save the table as CSV' },
  { starts: ['$FL2', '$FL3'], remedy: 'an SPSS file: export the table as CSV' },
  { starts: ['<stata_dta>'], remedy: 'a Stata file: export the table as CSV' },
  { starts: ['RDX2', 'RDX3'], remedy: 'an R data file: write the table with write.csv' },
  {
    starts: ['\u0080\u0002', '\u0080\u0003', '\u0080\u0004', '\u0080\u0005'],
    remedy: 'a Python pickle: save the table as CSV or Parquet',
  },
];

/** What a file is that is no text of a table, and the remedy; undefined: nothing known. */
export const foreignFormat = (start: Uint8Array): string | undefined => {
  const text = String.fromCharCode(...start.subarray(0, 32))
    .replace(/^\u00ef\u00bb\u00bf/u, '')
    .trimStart();
  return KINDS.find(({ starts }) => starts.some((each) => text.startsWith(each)))?.remedy;
};
