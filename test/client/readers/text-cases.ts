/**
 * @module Tables as text that are read, with their values: kinds of files that people have.
 */
import { gzipSync } from 'node:zlib';
import type { TableOptions } from '../../../client/data/load-node.ts';

export type Values = Readonly<Record<string, readonly (number | string | null)[]>>;
export type Content = string | Uint8Array;
/** Name of the kind of file, name of the file, content, values, note, options. */
export type Read = readonly [string, string, Content, Values, RegExp | undefined, TableOptions?];
/** Name of the kind of file, name of the file, content, message, options. */
export type Refused = readonly [string, string, Content, RegExp, TableOptions?];

export const latin = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'latin1'));
const utf16 = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'utf16le'));
const swapped = (bytes: Uint8Array): Uint8Array => Uint8Array.from(Buffer.from(bytes).swap16());

const AB: Values = { a: [1, 3], b: [2.5, 4] };
export const many = (row: (i: number) => string, count = 3000): string =>
  Array.from({ length: count }, (_, i) => row(i)).join('');

export const READ: readonly Read[] = [
  ['commas', 't.csv', 'a,b\n1,2.5\n3,4\n', AB, undefined],
  ['semicolons', 't.csv', 'a;b\n1;2.5\n3;4\n', AB, /separator: semicolon/u],
  ['tabs', 't.tsv', 'a\tb\n1\t2.5\n3\t4\n', AB, /separator: tab/u],
  ['pipes', 't.txt', 'a|b\n1|2.5\n3|4\n', AB, /separator: pipe/u],
  ['runs of spaces', 't.data', '  a    b\n  1  2.5 \n  3    4\n', AB, /separator: space/u],
  ['a separator of its own', 't.csv', 'a~b\n1~2.5\n3~4\n', AB, undefined, { delimiter: '~' }],
  [
    'a separator by its name',
    't.csv',
    'a;b\n1;2.5\n3;4\n',
    AB,
    undefined,
    { delimiter: 'semicolon' },
  ],
  ["Excel's line on the separator", 't.csv', 'sep=;\r\na;b\r\n1;2.5\r\n3;4\r\n', AB, undefined],
  ['decimal commas', 't.csv', 'a;b\n1;2,5\n3;4\n', AB, /decimal sign: comma/u],
  ['decimal commas in quotes', 't.csv', 'a,b\n1,"2,5"\n3,"4"\n', AB, /decimal sign: comma/u],
  [
    'decimal commas that come late',
    't.csv',
    `a;b\n${many(() => '1;2\n')}1;2,5\n`,
    {
      a: Array.from({ length: 3001 }, () => 1),
      b: [...Array.from({ length: 3000 }, () => 2), 2.5],
    },
    /comma/u,
  ],
  [
    'a doubtful comma beside a certain one',
    't.csv',
    'a;b\n1,234;2,5\n3;4\n',
    { a: [1.234, 3], b: [2.5, 4] },
    /comma/u,
  ],
  [
    'thousands separators that are named',
    't.csv',
    'a;b\n1.234,5;2\n12.345.678;4\n',
    { a: [1234.5, 12_345_678], b: [2, 4] },
    undefined,
    { decimal: ',', thousands: '.' },
  ],
  [
    'thousands in commas',
    't.csv',
    'a,b\n"1,234",2.5\n3,4\n',
    { a: [1234, 3], b: [2.5, 4] },
    undefined,
    { thousands: ',' },
  ],
  [
    'narrow spaces as thousands',
    't.csv',
    'a;b\n1\u202f234;2.5\n3;4\n',
    { a: [1234, 3], b: [2.5, 4] },
    undefined,
    { thousands: ' ' },
  ],
  ['carriage returns and line feeds', 't.csv', 'a,b\r\n1,2.5\r\n3,4\r\n', AB, undefined],
  ['carriage returns alone', 't.csv', 'a,b\r1,2.5\r3,4\r', AB, undefined],
  ['no line end at the end', 't.csv', 'a,b\n1,2.5\n3,4', AB, undefined],
  ['empty lines', 't.csv', '\na,b\n\n1,2.5\n\n3,4\n\n\n', AB, undefined],
  ['spaces around values', 't.csv', ' a , b \n 1 , 2.5 \n 3 ,4\t\n', AB, undefined],
  ['a byte-order mark', 't.csv', '\ufeffa,b\n1,2.5\n3,4\n', AB, undefined],
  [
    'UTF-16 as Excel writes it',
    't.txt',
    utf16('\ufeffa\tb\r\n1\t2.5\r\n3\t4\r\n'),
    AB,
    /encoding: utf-16le/u,
  ],
  [
    'UTF-16, the other byte first',
    't.csv',
    swapped(utf16('\ufeffa,b\n1,2.5\n3,4\n')),
    AB,
    /utf-16be/u,
  ],
  ['UTF-16 without a mark', 't.csv', utf16('a,b\n1,2.5\n3,4\n'), AB, /utf-16le/u],
  [
    'Latin-1',
    't.csv',
    latin('größe,art\n1,süß\n2,über\n'),
    { größe: [1, 2], art: ['süß', 'über'] },
    /Windows-1252/u,
  ],
  [
    'Latin-1 that comes late',
    't.csv',
    latin(`a,b\n${many(() => '1,x\n')}1,é\n`),
    {
      a: Array.from({ length: 3001 }, () => 1),
      b: [...Array.from({ length: 3000 }, () => 'x'), 'é'],
    },
    /Windows-1252/u,
  ],
  [
    'an encoding that is named',
    't.csv',
    Uint8Array.of(0x61, 0x2c, 0x62, 10, 0xe1, 0x2c, 0x31, 10),
    { a: ['б'], b: [1] },
    undefined,
    { encoding: 'windows-1251', header: true },
  ],
  [
    'letters with marks in two forms',
    't.csv',
    'a,b\nu\u0308,1\n\u00fc,2\n',
    { a: ['ü', 'ü'], b: [1, 2] },
    undefined,
  ],
  ['quotes as everything', 't.csv', '"a","b"\n"1","2.5"\n"3","4"\n', AB, undefined],
  [
    'separators, quotes and line ends in quotes',
    't.csv',
    'a,b\n"x, ""y""",1\n"p\nq",2\n',
    { a: ['x, "y"', 'p\nq'], b: [1, 2] },
    undefined,
  ],
  [
    'no header',
    't.data',
    '5.1,3.5,x\n4.9,3.0,y\n4.7,3.2,x\n6,3,y\n',
    { c1: [5.1, 4.9, 4.7, 6], c2: [3.5, 3, 3.2, 3], c3: ['x', 'y', 'x', 'y'] },
    /no header.*c1 to c3/u,
  ],
  [
    'no header, as it is named',
    't.csv',
    '1,2\n3,4\n',
    { c1: [1, 3], c2: [2, 4] },
    /no header/u,
    { header: false },
  ],
  [
    'years as names',
    't.csv',
    'land,2019,2020\nAT,1,2\nDE,3,4\n',
    { land: ['AT', 'DE'], 2019: [1, 3], 2020: [2, 4] },
    undefined,
    { header: true },
  ],
  [
    'pixels by number beside a label',
    't.csv',
    'label,0,1\n7,0,255\n2,3,0\n',
    { label: [7, 2], 0: [0, 3], 1: [255, 0] },
    undefined,
  ],
  ["pandas' index", 't.csv', ',a,b\n0,1,2.5\n1,3,4\n', { c1: [0, 1], ...AB }, undefined],
  [
    'a separator at the end of each line',
    't.csv',
    'a,b,\n1,2.5,\n3,4,\n',
    AB,
    /ends with a separator/u,
  ],
  [
    'comments before the table',
    't.csv',
    '# from the lab\n# 2020\na,b\n1,2.5\n3,4\n',
    AB,
    /begin with #: 2/u,
  ],
  [
    'a header that begins with #',
    't.csv',
    '#a,b\n1,2.5\n3,4\n',
    { '#a': [1, 3], b: [2.5, 4] },
    undefined,
  ],
  ['one column', 't.csv', 'a\n1\n2\n', { a: [1, 2] }, undefined],
  [
    'missing values as people write them',
    't.csv',
    'a,b\n1,NA\n,x\nNaN,?\n4,N/A\n5,-\n6,null\n',
    { a: [1, null, null, 4, 5, 6], b: [null, 'x', null, null, null, null] },
    /missing.*in b/u,
  ],
  [
    'missing values as numbers',
    't.csv',
    'a,b\n-9,1\n2,-9\n',
    { a: [null, 2], b: [1, null] },
    undefined,
    { missing: ['-9'] },
  ],
  [
    'plus and minus as classes',
    't.csv',
    'a,b\n1,+\n2,-\n',
    { a: [1, 2], b: ['+', '-'] },
    undefined,
  ],
  [
    'a column without a value',
    't.csv',
    'a,b,c\n1,,x\n2,,y\n',
    { a: [1, 2], b: [null, null], c: ['x', 'y'] },
    undefined,
  ],
  [
    'codes with leading zeros',
    't.csv',
    'plz,b\n01067,1\n80331,2\n',
    { plz: ['01067', '80331'], b: [1, 2] },
    /leading zeros.*plz/u,
  ],
  [
    'a code with zeros that comes late',
    't.csv',
    `a,b\n${many((i) => `${i},1\n`)}007,1\n`,
    {
      a: [...Array.from({ length: 3000 }, (_, i) => String(i)), '007'],
      b: Array.from({ length: 3001 }, () => 1),
    },
    /leading zeros/u,
  ],
  [
    'numbers of many digits',
    't.csv',
    'id,b\n9007199254740993,1\n9007199254740992,2\n',
    { id: ['9007199254740993', '9007199254740992'], b: [1, 2] },
    /digits/u,
  ],
  [
    'ISO dates',
    't.csv',
    'a,day\n1,2020-01-31\n2,2020-02-01T10:00:00Z\n',
    { a: [1, 2], day: ['2020-01-31', '2020-02-01T10:00:00Z'] },
    /dates stay texts.*day/u,
  ],
  [
    'German dates',
    't.csv',
    'a;tag\n1;31.01.2020\n2;1.2.2020\n',
    { a: [1, 2], tag: ['31.01.2020', '1.2.2020'] },
    /dates stay texts.*tag/u,
  ],
  [
    'truth values',
    't.csv',
    'a,b\n1,True\n2,FALSE\n',
    { a: [1, 2], b: ['true', 'false'] },
    undefined,
  ],
  [
    'numbers with exponents and signs',
    't.csv',
    'a,b\n1e3,+2\n-.5,1E-2\n',
    { a: [1000, -0.5], b: [2, 0.01] },
    undefined,
  ],
  [
    'a word among numbers',
    't.csv',
    'a,b\n1,2\n2,3\n3,4\n4,<5\n',
    { a: [1, 2, 3, 4], b: ['2', '3', '4', '<5'] },
    /b is text.*row 4 is "<5"/u,
  ],
  [
    'numbers that stay texts',
    't.csv',
    'a,b\n1,2\n3,4\n',
    { a: ['1', '3'], b: [2, 4] },
    undefined,
    { text: ['a'] },
  ],
  [
    'columns that are left out',
    't.csv',
    'a,b,a\n1,2,x\n3,4,y\n',
    { b: [2, 4] },
    undefined,
    { drop: ['a'] },
  ],
  ['gzip', 't.csv.gz', gzipSync('a,b\n1,2.5\n3,4\n'), AB, undefined],
  ['gzip without its name', 't.csv', gzipSync('a,b\n1,2.5\n3,4\n'), AB, undefined],
  ['a name without an ending', 'adult', 'a,b\n1,2.5\n3,4\n', AB, undefined],
  ['no row but one', 't.csv', 'a,b\n1,x\n', { a: [1], b: ['x'] }, undefined],
];
