/**
 * @module The chain's randomness, the shared object 0x8 (`sui::random`). It is renewed before every
 * transaction that reads it, so a simulation, which sees the earlier value, predicts nothing. Its
 * value is a field of a child object, as on Sui, and follows from the seed and the transaction's
 * place in the order.
 */
import { GrpcTypes } from '@mysten/sui/grpc';
import { deriveDynamicFieldID, normalizeSuiAddress } from '@mysten/sui/utils';
import { GRPC, GrpcError } from './grpc-web.ts';
import { addressBytes, addressOf, blake2b256, u64le, type SystemObject } from './objects.ts';

const SUI = normalizeSuiAddress('0x2');
const VERSION = 1n;
/** The object, which no transaction may write. */
export const RANDOM_ID = normalizeSuiAddress('0x8');
const INNER_ID = addressOf(blake2b256(new TextEncoder().encode('floe devnet randomness')));

const labelled = (seed: Uint8Array, sequence: number): Uint8Array =>
  blake2b256(new TextEncoder().encode('floe devnet randomness'), seed, u64le(sequence));

/** The object and its value before transaction `sequence`. */
export const randomnessAt = (
  seed: Uint8Array,
  sequence: number,
  epoch: bigint,
): readonly SystemObject[] => {
  const fieldId = deriveDynamicFieldID(INNER_ID, 'u64', u64le(VERSION));
  const bytes = labelled(seed, sequence);
  return [
    {
      id: RANDOM_ID,
      objectType: `${SUI}::random::Random`,
      contents: Buffer.concat([addressBytes(RANDOM_ID), addressBytes(INNER_ID), u64le(VERSION)]),
      owner: { type: 'shared', version: 1n },
    },
    {
      id: fieldId,
      objectType: `${SUI}::dynamic_field::Field<u64, ${SUI}::random::RandomInner>`,
      contents: Buffer.concat([
        addressBytes(fieldId),
        u64le(VERSION),
        u64le(VERSION),
        u64le(epoch),
        u64le(sequence),
        Uint8Array.of(bytes.length),
        bytes,
      ]),
      owner: { type: 'object', parent: INNER_ID },
    },
  ];
};

const looksAtNothing = ({ command: { oneofKind } }: GrpcTypes.Command): boolean =>
  oneofKind === 'transferObjects' || oneofKind === 'mergeCoins';

/** Which input of a transaction is the randomness; -1 when none is. */
export const randomInput = (inputs: readonly GrpcTypes.Input[]): number =>
  inputs.findIndex(
    ({ objectId }) => objectId !== undefined && normalizeSuiAddress(objectId) === RANDOM_ID,
  );

/**
 * After a call that reads the randomness a transaction may only move coins and objects: no command
 * of it can look at the outcome and undo it.
 * @throws {GrpcError} INVALID_ARGUMENT otherwise
 */
export const checkRandomUse = ({ inputs, commands }: GrpcTypes.ProgrammableTransaction): void => {
  const random = randomInput(inputs);
  if (random < 0) return;
  const first = commands.findIndex(
    ({ command }) =>
      command.oneofKind === 'moveCall' &&
      command.moveCall.arguments.some(
        ({ kind, input }) =>
          kind === GrpcTypes.Argument_ArgumentKind.INPUT && (input ?? 0) === random,
      ),
  );
  if (first >= 0 && !commands.slice(first + 1).every(looksAtNothing))
    throw new GrpcError(
      GRPC.INVALID_ARGUMENT,
      'after a call that reads the randomness only TransferObjects and MergeCoins are allowed',
    );
};
