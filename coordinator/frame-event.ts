/**
 * @module A participant's frame as an event of the machine.
 */
import { decodeRecord } from '../protocol/records/records.ts';
import type { EventBody } from './machine/index.ts';
import type { SessionFrame } from './sessions.ts';

/**
 * A participant's frame as an event. @throws FloeError `record_malformed`, `signature_invalid`,
 * `unexpected_frame`
 */
export const eventOf = (key: Uint8Array, frame: SessionFrame): EventBody => {
  switch (frame.type) {
    case 'report':
      return { type: 'reported', key, attempt: frame.attempt, code: frame.code };
    case 'withdraw':
      return {
        type: 'withdrawn',
        key,
        attempt: frame.attempt,
        code: frame.code.slice(0, 100),
        ...(frame.detail === undefined ? {} : { detail: frame.detail }),
      };
    case 'record':
      return { type: 'record', from: key, record: decodeRecord(frame.record), entries: [] };
    case 'unmask':
      return {
        type: 'record',
        from: key,
        record: decodeRecord(frame.record),
        entries: [frame.answer],
      };
    case 'share':
      return {
        type: 'record',
        from: key,
        record: decodeRecord(frame.record),
        entries: frame.entries,
      };
  }
};
