/**
 * @module An attempt in the form that the rules of an attempt take: the coordinator knows every
 * record.
 */
import {
  emptyView,
  registeredBy,
  type ByAuthor,
  type AttemptView,
} from '../../protocol/rules/index.ts';
import type { SignedRecord } from '../../protocol/records/records.ts';
import type { MachineConfig } from './config.ts';
import type { Hex, Attempt, State } from './state.ts';

const recordsOf = <Type extends 'share' | 'complaint' | 'upload'>(
  rows: ReadonlyMap<Hex, { readonly record: SignedRecord<Type> }>,
): ByAuthor<Type> => new Map([...rows].map(([key, { record }]) => [key, record]));

export const viewOf = (
  { spec, run }: MachineConfig,
  { registered, committed, history }: Pick<State, 'registered' | 'committed' | 'history'>,
  attempt: Attempt,
): AttemptView => ({
  ...emptyView({
    spec,
    run,
    attempt: attempt.attempt,
    complete: true,
    committed,
    history,
    lastRegisterOf: (author) => {
      const register = registered.get(author);
      return register && registeredBy(register);
    },
  }),
  open: attempt.open,
  registers: attempt.registers,
  cohort: attempt.cohort,
  shares: recordsOf(attempt.shares),
  sharers: attempt.sharers,
  complaints: recordsOf(attempt.complaints),
  uploads: recordsOf(attempt.uploads),
  survivors: attempt.survivors,
  consistents: attempt.consistent,
  unmasks: attempt.unmasks,
});
