/**
 * @module Publishing a Move package permanently: the same transaction that publishes it destroys
 * the capability to upgrade it, so there is no moment in which anybody could change the policies.
 */
import { FloeError } from '../../errors.ts';
import type { Executed, Sender } from './transactions.ts';

/** A compiled package: bytecode in base64, ids of what it links to. */
export interface Publishable {
  readonly modules: readonly string[];
  readonly dependencies: readonly string[];
}

export interface Published extends Executed {
  readonly packageId: string;
}

/**
 * @throws TransactionFailed; FloeError `ledger_unavailable` when it is not known whether it took
 * effect
 */
export const publishForever = async (
  sender: Sender,
  { modules, dependencies }: Publishable,
): Promise<Published> => {
  const executed = await sender.execute((transaction) => {
    const capability = transaction.publish({
      modules: [...modules],
      dependencies: [...dependencies],
    });
    transaction.moveCall({ target: '0x2::package::make_immutable', arguments: [capability] });
  });
  const [packageId] = [...executed.created].find(([, type]) => type === 'package') ?? [];
  if (packageId === undefined)
    throw new FloeError('internal', `${executed.digest} succeeded and names no package`);
  return { ...executed, packageId };
};
