/**
 * @module An event file of TensorBoard: records of TFRecord framing (length, masked CRC-32C of
 * the length, data, masked CRC-32C of the data), each an `Event` in protocol buffers with the
 * scalars of one round. Event { double wall_time = 1; int64 step = 2; string file_version = 3;
 * Summary summary = 5 }, Summary { repeated Value value = 1 }, Value { string tag = 1; float
 * simple_value = 2 }.
 */
import { joinBytes, utf8 } from '../../protocol/bytes.ts';
import { maskedCrc32c } from './crc32c.ts';
import { endTimes, metricsOf } from './series.ts';
import type { Summary } from '../summary.ts';

const FIRST_EVENT = 'brain.Event:2';

const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;
const FIXED32 = 5;

const varint = (value: number): Uint8Array => {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 128) {
    bytes.push((rest % 128) + 128);
    rest = Math.floor(rest / 128);
  }
  return Uint8Array.from([...bytes, rest]);
};

const key = (field: number, type: number): Uint8Array => varint(field * 8 + type);

const bytesField = (field: number, bytes: Uint8Array): Uint8Array =>
  joinBytes([key(field, BYTES), varint(bytes.length), bytes]);

const doubleField = (field: number, value: number): Uint8Array => {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setFloat64(0, value, true);
  return joinBytes([key(field, FIXED64), bytes]);
};

const floatField = (field: number, value: number): Uint8Array => {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setFloat32(0, value, true);
  return joinBytes([key(field, FIXED32), bytes]);
};

const checksum = (bytes: Uint8Array): Uint8Array => {
  const sum = new Uint8Array(4);
  new DataView(sum.buffer).setUint32(0, maskedCrc32c(bytes), true);
  return sum;
};

const record = (data: Uint8Array): Uint8Array => {
  const length = new Uint8Array(8);
  new DataView(length.buffer).setBigUint64(0, BigInt(data.length), true);
  return joinBytes([length, checksum(length), data, checksum(data)]);
};

/** The scalars of one step. @param time seconds since 1970 */
const event = (
  time: number,
  step: number,
  scalars: Readonly<Record<string, number>>,
): Uint8Array => {
  const values = Object.entries(scalars).map(([tag, value]) =>
    bytesField(1, joinBytes([bytesField(1, utf8(tag)), floatField(2, value)])),
  );
  return joinBytes([
    doubleField(1, time),
    key(2, VARINT),
    varint(step),
    bytesField(5, joinBytes(values)),
  ]);
};

/** @param began seconds since 1970 */
export const tensorboardFile = (
  { history }: Pick<Summary, 'history'>,
  began: number,
): Uint8Array => {
  const first = joinBytes([doubleField(1, began), bytesField(3, utf8(FIRST_EVENT))]);
  const ends = endTimes(history);
  return joinBytes([
    record(first),
    ...history.map((round, i) =>
      record(event(began + (ends[i] ?? 0), round.version, metricsOf(round))),
    ),
  ]);
};

/** TensorBoard finds files by this part of their names. */
export const tensorboardName = (began: number): string =>
  `events.out.tfevents.${Math.floor(began)}.floe`;
