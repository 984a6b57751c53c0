/**
 * @module An attempt in the form that the rules of a round take: the coordinator knows every
 * record.
 */
import {
  emptyView,
  registeredBy,
  type ByAuthor,
  type RoundView,
} from '../../protocol/rules/index.ts';
import type { SignedRecord } from '../../protocol/records/records.ts';
import type { MachineConfig } from './config.ts';
import type { Hex, Round, State } from './state.ts';

const recordsOf = <Type extends 'share' | 'complaint' | 'upload'>(
  rows: ReadonlyMap<Hex, { readonly record: SignedRecord<Type> }>,
): ByAuthor<Type> => new Map([...rows].map(([key, { record }]) => [key, record]));

export const viewOf = (
  { spec, run }: MachineConfig,
  { registered, committed }: Pick<State, 'registered' | 'committed'>,
  round: Round,
): RoundView => ({
  ...emptyView({
    spec,
    run,
    round: round.round,
    complete: true,
    committed,
    lastRegisterOf: (author) => {
      const register = registered.get(author);
      return register && registeredBy(register);
    },
  }),
  open: round.open,
  registers: round.registers,
  cohort: round.cohort,
  shares: recordsOf(round.shares),
  sharers: round.sharers,
  complaints: recordsOf(round.complaints),
  uploads: recordsOf(round.uploads),
  survivors: round.survivors,
  consistents: round.consistent,
  unmasks: round.unmasks,
});
