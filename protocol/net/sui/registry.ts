/**
 * @module Who may read a run, changed by its owner on Sui: auditors, revoked members, grants of
 * compute nodes. What already holds is not said again, so that repeating a change costs nothing.
 */
import type { ClientWithCoreApi } from '@mysten/sui/client';
import { normalizeStructTag } from '@mysten/sui/utils';
import { FloeError } from '../../errors.ts';
import type { Executed, Sender } from './transactions.ts';
import { dynamicField, readChain, type ReadLimits } from './chain.ts';
import { ObjectId, Run } from './layout.ts';
import { capsOf } from './run.ts';

/** Where Floe's package is, for reading. */
export interface Registry extends ReadLimits {
  readonly client: ClientWithCoreApi;
  readonly packageId: string;
}

export type AccessChange =
  | { readonly type: 'auditor'; readonly address: string; readonly admitted: boolean }
  | { readonly type: 'member'; readonly address: string; readonly admitted: boolean }
  | {
      readonly type: 'compute';
      readonly address: string;
      readonly admitted: true;
      /** Rounds, both included. */
      readonly first: number;
      readonly last: number;
      /** Milliseconds since 1970. */
      readonly expiresMs: number;
    }
  | { readonly type: 'compute'; readonly address: string; readonly admitted: false };

/**
 * The content of an object of one of the package's types.
 * @param type module and name, such as `run::Run`
 * @throws FloeError `usage` when it is not there or something else; `ledger_unavailable`
 */
export const readTyped = async (
  registry: Registry,
  type: string,
  objectId: string,
): Promise<Uint8Array> => {
  const object = await readTypedOneOf(registry, [type], objectId);
  return object.content;
};

/** The same for an object that may be of several types. */
export const readTypedOneOf = async <Type extends string>(
  { client, packageId, ...limits }: Registry,
  types: readonly Type[],
  objectId: string,
): Promise<{ readonly type: Type; readonly content: Uint8Array }> => {
  const wanted = types.join(' or a ');
  const object = await readChain(`reading ${objectId}`, limits, async (signal) => {
    const include = { content: true } as const;
    return (await client.core.getObject({ objectId, include, signal })).object;
  });
  if (object === undefined)
    throw new FloeError('usage', `expected a ${wanted}: there is no object ${objectId}`);
  // A package is an object too, and its type no struct.
  const found = object.type === 'package' ? object.type : normalizeStructTag(object.type);
  const type = types.find((name) => found === normalizeStructTag(`${packageId}::${name}`));
  if (type === undefined)
    throw new FloeError(
      'usage',
      `expected a ${wanted} of the package ${packageId}: ${objectId} is a ${found}`,
    );
  return { type, content: object.content };
};

/** @throws FloeError `usage` when there is no such run */
export const readRun = async (
  registry: Registry,
  objectId: string,
): Promise<typeof Run.$inferType> => Run.parse(await readTyped(registry, 'run::Run', objectId));

/**
 * The owner's right to write to a run.
 * @throws FloeError `access_denied` when `owner` does not have it
 */
export const capOf = async (registry: Registry, owner: string, run: string): Promise<string> => {
  const cap = (await capsOf({ ...registry, owner })).find((known) => known.run === run);
  if (cap !== undefined) return cap.id;
  throw new FloeError('access_denied', `${owner} does not own the run ${run}`);
};

const isSo = async (
  { client, ...limits }: Registry,
  run: typeof Run.$inferType,
  change: AccessChange,
): Promise<boolean> => {
  if (change.type === 'auditor')
    return [...run.agreed, ...run.auditors].includes(change.address) === change.admitted;
  if (change.type === 'member') {
    const key = ObjectId.serialize(change.address).toBytes();
    const revoked = await dynamicField(client, run.revoked.id, 'address', key, limits);
    return (revoked === undefined) === change.admitted;
  }
  const grant = run.grants.find(([node]) => node === change.address)?.[1];
  if (!change.admitted) return grant === undefined;
  return (
    grant !== undefined &&
    Number(grant.first) === change.first &&
    Number(grant.last) === change.last &&
    Number(grant.expiresMs) === change.expiresMs
  );
};

const CALLS = {
  auditor: { true: 'add_auditor', false: 'remove_auditor' },
  member: { true: 'readmit', false: 'revoke' },
  compute: { true: 'grant_compute', false: 'revoke_compute' },
} as const;

/**
 * Admits or turns away one address. A member is readmitted or revoked; who was in which cohort does
 * not change.
 * @returns undefined when it was so already
 * @throws FloeError `usage` no such run, or an auditor of its specification, who stays;
 * `access_denied` not its owner; TransactionFailed
 */
export const changeAccess = async (
  registry: Registry,
  sender: Sender,
  objectId: string,
  change: AccessChange,
): Promise<Executed | undefined> => {
  const run = await readRun(registry, objectId);
  const cap = await capOf(registry, sender.address, run.id);
  if (change.type === 'auditor' && !change.admitted && run.agreed.includes(change.address))
    throw new FloeError(
      'usage',
      `${change.address} is an auditor of the run's specification: nobody can remove it`,
    );
  if (await isSo(registry, run, change)) return undefined;
  return sender.execute((transaction) => {
    const { object, pure } = transaction;
    transaction.moveCall({
      target: `${registry.packageId}::run::${CALLS[change.type][`${change.admitted}`]}`,
      arguments: [
        object(cap),
        object(run.id),
        pure.address(change.address),
        ...(change.type === 'compute' && change.admitted
          ? [pure.u64(change.first), pure.u64(change.last), pure.u64(change.expiresMs)]
          : []),
      ],
    });
  });
};
