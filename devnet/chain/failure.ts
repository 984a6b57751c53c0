/**
 * @module The reason of a transaction that was executed and failed (it still pays gas), as gRPC's
 * `ExecutionError`. A transaction that is refused before execution gives a `GrpcError` instead and
 * changes nothing.
 */
import { GrpcTypes } from '@mysten/sui/grpc';
import type { MoveFailure } from '../move/types.ts';

const kinds = GrpcTypes.ExecutionError_ExecutionErrorKind;
const argumentKinds = GrpcTypes.CommandArgumentError_CommandArgumentErrorKind;

type ErrorDetailsOf = GrpcTypes.ExecutionError['errorDetails'];

/** Thrown inside the executor; rolls everything back except gas. */
export class ExecutionFailure extends Error {
  readonly kind: number;
  readonly details: ErrorDetailsOf;

  constructor(kind: number, message: string, details: ErrorDetailsOf = { oneofKind: undefined }) {
    super(message);
    this.kind = kind;
    this.details = details;
  }

  /** The gRPC form, with the index of the command that failed if there is one. */
  toProto(command: number | undefined): GrpcTypes.ExecutionError {
    return {
      description: command === undefined ? this.message : `${this.message} in command ${command}`,
      kind: this.kind,
      errorDetails: this.details,
      ...(command === undefined ? {} : { command: BigInt(command) }),
    };
  }
}

/** A bad argument of a command, in Sui's terms (`INVALID_VALUE_USAGE`, ...). */
export const argumentFailure = (
  argument: number,
  kind: keyof typeof argumentKinds,
  message: string,
): ExecutionFailure =>
  new ExecutionFailure(kinds.COMMAND_ARGUMENT_ERROR, `argument ${argument}: ${message}`, {
    oneofKind: 'commandArgumentError',
    commandArgumentError: { argument, kind: argumentKinds[kind] },
  });

export const failure = (kind: keyof typeof kinds, message: string): ExecutionFailure =>
  new ExecutionFailure(kinds[kind], message);

/** What the machine reported, in Sui's terms. */
export const moveFailure = (reported: MoveFailure): ExecutionFailure => {
  const { location } = reported;
  const at = location
    ? ` at ${location.package}::${location.module}::${location.function} (instruction ${location.offset})`
    : '';
  switch (reported.type) {
    case 'abort': {
      const abortCode = reported.code ?? 0n;
      const message = `MoveAbort(${abortCode})${at}`;
      return new ExecutionFailure(kinds.MOVE_ABORT, message, {
        oneofKind: 'abort',
        abort: {
          abortCode,
          ...(location
            ? {
                location: {
                  package: location.package,
                  module: location.module,
                  function: location.functionIndex,
                  instruction: location.offset,
                  functionName: location.function,
                },
              }
            : {}),
        },
      });
    }
    case 'arithmetic':
    case 'vector':
      return failure('MOVE_PRIMITIVE_RUNTIME_ERROR', `${reported.message}${at}`);
    case 'out_of_gas':
      return failure('INSUFFICIENT_GAS', reported.message);
    case 'limit':
      return failure('VM_INVARIANT_VIOLATION', `limit exceeded: ${reported.message}`);
    case 'function_not_found':
      return failure('FUNCTION_NOT_FOUND', reported.message);
    case 'link':
      return failure('VM_VERIFICATION_OR_DESERIALIZATION_ERROR', reported.message);
    case 'argument':
      return reported.argument === undefined
        ? failure('ARITY_MISMATCH', reported.message)
        : argumentFailure(reported.argument, 'TYPE_MISMATCH', reported.message);
    case 'visibility':
      return failure('NON_ENTRY_FUNCTION_INVOKED', reported.message);
    case 'invariant':
      break;
  }
  return failure('VM_INVARIANT_VIOLATION', `${reported.message}${at}`);
};
