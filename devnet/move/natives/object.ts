/**
 * @module Natives of `0x2` that touch the transaction: object ids, context, ownership, events,
 * children of objects.
 */
import { derivedId, dynamicFieldId } from '../objects.ts';
import type { Owner } from '../types.ts';
import { Ref, asAddress, asArray } from '../values.ts';

import {
  type NativeArguments,
  type NativeFunction,
  type NativeTable,
  typeArgument,
} from './native.ts';

/** The address in a `UID` or `ID` (one field each, however deep). */
const addressIn = (args: NativeArguments, index: number): string => {
  let value = args.value(index);
  while (Array.isArray(value)) value = asArray(value)[0] ?? '';
  return asAddress(value);
};

const give =
  (owner: (args: NativeArguments) => Owner): NativeFunction =>
  ({ objects }, args, types) => {
    objects.give(typeArgument(types), args.value(0), owner(args));
    return undefined;
  };

const borrowChild: NativeFunction = ({ objects }, args, types) =>
  objects.borrowChild(typeArgument(types), addressIn(args, 0), args.address(1));

export const objectNatives: NativeTable = {
  '0x2::object::borrow_uid': (_, args) => new Ref(asArray(args.value(0)), 0),
  '0x2::object::delete_impl': ({ objects }, args) => {
    objects.deleteId(args.address(0));
    return undefined;
  },
  '0x2::object::record_new_uid': ({ objects }, args) => {
    objects.recordId(args.address(0));
    return undefined;
  },

  '0x2::tx_context::native_sender': ({ objects }) => objects.context.sender,
  '0x2::tx_context::native_epoch': ({ objects }) => objects.context.epoch,
  '0x2::tx_context::native_epoch_timestamp_ms': ({ objects }) => objects.context.epochTimestampMs,
  '0x2::tx_context::native_rgp': ({ objects }) => objects.context.referenceGasPrice ?? 1000n,
  '0x2::tx_context::native_gas_price': ({ objects }) => objects.context.gasPrice ?? 1000n,
  '0x2::tx_context::native_gas_budget': ({ objects }) => objects.context.gasBudget ?? 0n,
  '0x2::tx_context::native_ids_created': ({ objects }) => objects.idsCreated,
  '0x2::tx_context::native_sponsor': ({ objects }) =>
    objects.context.sponsor === undefined ? [] : [objects.context.sponsor],
  '0x2::tx_context::fresh_id': ({ objects }) => objects.freshId(),
  '0x2::tx_context::derive_id': (_, args) => derivedId(args.bytes(0), args.wide(1)),

  '0x2::transfer::transfer_impl': give((args) => ({ type: 'address', address: args.address(1) })),
  '0x2::transfer::share_object_impl': give(() => ({ type: 'shared' })),
  '0x2::transfer::freeze_object_impl': give(() => ({ type: 'immutable' })),
  '0x2::transfer::receive_impl': ({ objects }, args, types) =>
    objects.receive(typeArgument(types), args.address(0), addressIn(args, 1), args.wide(2)),

  '0x2::event::emit': ({ objects }, args, types) => {
    objects.emit(typeArgument(types), args.value(0));
    return undefined;
  },

  '0x2::dynamic_field::hash_type_and_key': ({ objects }, args, types) => {
    const type = typeArgument(types);
    return dynamicFieldId(args.address(0), type, objects.encode(type, args.value(1)));
  },
  '0x2::dynamic_field::add_child_object': ({ objects }, args, types) => {
    objects.addChild(typeArgument(types), args.address(0), args.value(1));
    return undefined;
  },
  '0x2::dynamic_field::borrow_child_object': borrowChild,
  '0x2::dynamic_field::borrow_child_object_mut': borrowChild,
  '0x2::dynamic_field::remove_child_object': ({ objects }, args, types) =>
    objects.removeChild(typeArgument(types), args.address(0), args.address(1)),
  '0x2::dynamic_field::has_child_object': ({ objects }, args) =>
    objects.hasChild(args.address(0), args.address(1)),
  '0x2::dynamic_field::has_child_object_with_ty': ({ objects }, args, types) =>
    objects.hasChild(args.address(0), args.address(1), typeArgument(types)),
};
