/**
 * @module Lists of transactions and events: filters in disjunctive normal form, cursors, both
 * orders. The answer is the frames of a stream; the last frame states the reason of its end.
 */
import { GrpcTypes } from '@mysten/sui/grpc';
import { normalizeSuiAddress } from '@mysten/sui/utils';
import type { Chain } from './chain.ts';
import { GRPC, GrpcError } from './grpc-web.ts';
import { typeMatches } from './objects.ts';

type Literal = GrpcTypes.TransactionLiteral | GrpcTypes.EventLiteral;

const DEFAULT_LIMIT = 50;
const MAX_LIMIT = 1_000;

const cursorOf = (position: number): Uint8Array => {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(position));
  return bytes;
};

const positionOf = (cursor: Uint8Array | undefined): number | undefined => {
  if (!cursor || cursor.length === 0) return undefined;
  if (cursor.length !== 8)
    throw new GrpcError(GRPC.INVALID_ARGUMENT, 'expected a cursor of this devnet');
  return Number(new DataView(cursor.buffer, cursor.byteOffset).getBigUint64(0));
};

const sameAddress = (a: string | undefined, b: string | undefined): boolean =>
  normalizeSuiAddress(a ?? '') === normalizeSuiAddress(b ?? '');

/** `pkg`, `pkg::module` or `pkg::module::name` as a prefix of the full path. */
const pathMatches = (filter: string | undefined, path: string): boolean => {
  const [id = '', ...rest] = (filter ?? '').split('::');
  const prefix = [normalizeSuiAddress(id), ...rest].join('::');
  return path === prefix || path.startsWith(`${prefix}::`);
};

const eventTypeMatches = (filter: string | undefined, type: string): boolean => {
  if (!filter) return false;
  const parts = filter.split('::');
  if (parts.length < 3) return pathMatches(filter, type.split('<')[0] ?? '');
  return typeMatches(filter, type);
};

const unsupported = (filter: string | undefined): GrpcError =>
  new GrpcError(GRPC.UNIMPLEMENTED, `the devnet does not filter by ${filter}`);

const eventMatches = (literal: Literal, event: GrpcTypes.Event): boolean => {
  const { predicate } = literal;
  switch (predicate.oneofKind) {
    case 'sender':
      return sameAddress(predicate.sender.address, event.sender);
    case 'emitModule':
      return pathMatches(predicate.emitModule.module, `${event.packageId}::${event.module}`);
    case 'eventType':
      return eventTypeMatches(predicate.eventType.eventType, event.eventType ?? '');
    case 'affectedAddress':
    case 'affectedObject':
    case 'moveCall':
    case 'eventStreamHead':
    case 'packageWrite':
    case undefined:
      break;
  }
  throw unsupported(predicate.oneofKind);
};

const transactionMatches = (literal: Literal, executed: GrpcTypes.ExecutedTransaction): boolean => {
  const { predicate } = literal;
  const changed = executed.effects?.changedObjects ?? [];
  switch (predicate.oneofKind) {
    case 'sender':
      return sameAddress(predicate.sender.address, executed.transaction?.sender);
    case 'affectedAddress': {
      const { address } = predicate.affectedAddress;
      return (
        sameAddress(address, executed.transaction?.sender) ||
        changed.some(
          ({ inputOwner, outputOwner }) =>
            (inputOwner?.address !== undefined && sameAddress(address, inputOwner.address)) ||
            (outputOwner?.address !== undefined && sameAddress(address, outputOwner.address)),
        )
      );
    }
    case 'affectedObject':
      return changed.some(({ objectId }) =>
        sameAddress(objectId, predicate.affectedObject.objectId),
      );
    case 'moveCall': {
      const data = executed.transaction?.kind?.data;
      if (data?.oneofKind !== 'programmableTransaction') return false;
      return data.programmableTransaction.commands.some(({ command }) => {
        if (command.oneofKind !== 'moveCall') return false;
        const { package: id = '', module, function: name } = command.moveCall;
        const path = `${normalizeSuiAddress(id)}::${module}::${name}`;
        return pathMatches(predicate.moveCall.function, path);
      });
    }
    case 'emitModule':
    case 'eventType':
      return (executed.events?.events ?? []).some((event) => eventMatches(literal, event));
    case 'packageWrite':
      return changed.some(({ objectType }) => objectType === 'package');
    case 'eventStreamHead':
    case undefined:
      break;
  }
  throw unsupported(predicate.oneofKind);
};

const passes = <T>(
  terms: readonly { readonly literals: readonly Literal[] }[] | undefined,
  item: T,
  matches: (literal: Literal, item: T) => boolean,
): boolean =>
  !terms ||
  terms.length === 0 ||
  terms.some(({ literals }) =>
    literals.every((literal) => matches(literal, item) !== literal.negated),
  );

interface Page<T> {
  readonly items: readonly { readonly item: T; readonly cursor: Uint8Array }[];
  readonly reason: number;
}

const page = <T>(
  length: number,
  options: GrpcTypes.QueryOptions | undefined,
  at: (position: number) => T | undefined,
): Page<T> => {
  const descending = options?.ordering === GrpcTypes.Ordering.DESCENDING;
  const first = (positionOf(options?.after) ?? -1) + 1;
  const last = Math.min(length, positionOf(options?.before) ?? length) - 1;
  const limit = Math.min(options?.limit || DEFAULT_LIMIT, MAX_LIMIT);
  const items: { item: T; cursor: Uint8Array }[] = [];
  for (let step = 0; step <= last - first; step += 1) {
    const position = descending ? last - step : first + step;
    const item = at(position);
    if (item === undefined) continue;
    items.push({ item, cursor: cursorOf(position) });
    if (items.length === limit) return { items, reason: GrpcTypes.QueryEndReason.ITEM_LIMIT };
  }
  const reason = descending
    ? GrpcTypes.QueryEndReason.CHECKPOINT_BOUND
    : GrpcTypes.QueryEndReason.LEDGER_TIP;
  return { items, reason };
};

export const listEvents = (
  chain: Chain,
  request: GrpcTypes.ListEventsRequest,
): GrpcTypes.ListEventsResponse[] => {
  const visible = chain.readableLength;
  const { items, reason } = page(chain.events.length, request.options, (position) => {
    const record = chain.events[position];
    if (!record || record.sequence >= visible) return undefined;
    return passes(request.filter?.terms, record.event, eventMatches) ? record.event : undefined;
  });
  return [
    ...items.map(({ item, cursor }) => ({ event: item, watermark: { cursor } })),
    { end: { reason } },
  ];
};

export const listTransactions = (
  chain: Chain,
  request: GrpcTypes.ListTransactionsRequest,
): GrpcTypes.ListTransactionsResponse[] => {
  const { items, reason } = page(chain.readableLength, request.options, (position) => {
    const executed = chain.records[position]?.executed;
    return executed && passes(request.filter?.terms, executed, transactionMatches)
      ? executed
      : undefined;
  });
  return [
    ...items.map(({ item, cursor }) => ({ transaction: item, watermark: { cursor } })),
    { end: { reason } },
  ];
};
