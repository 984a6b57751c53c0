/**
 * @module Reads of Sui as the ledger needs them: each with its deadline and its repeats, lists to
 * their end.
 */
import type { ClientWithCoreApi } from '@mysten/sui/client';
import { FloeError, installationFault } from '../../errors.ts';
import type { Clock } from '../../ports/clock.ts';
import { bounded, withRetry } from './bounds.ts';

const READ_MS = 15_000;

/** How long one read of the chain may take, and by which clock. */
export interface ReadLimits {
  /** Milliseconds. Default 15 s. */
  readonly timeoutMs?: number | undefined;
  readonly clock?: Clock | undefined;
}

/** One read of the chain, with its deadline and its repeats; what is not there is `undefined`. */
export const readChain = async <Result>(
  what: string,
  { timeoutMs = READ_MS, clock }: ReadLimits,
  read: (signal: AbortSignal) => Promise<Result>,
): Promise<Result | undefined> =>
  withRetry({ retries: 4, clock }, () =>
    bounded({ timeoutMs, clock, code: 'ledger_unavailable', what }, async (signal) => {
      try {
        return await read(signal);
      } catch (thrown) {
        if ((thrown as { readonly reason?: unknown }).reason === 'notFound') return undefined;
        if (thrown instanceof FloeError) throw thrown;
        const broken = installationFault(thrown);
        if (broken !== undefined) throw broken;
        const { message } = thrown as Error;
        throw new FloeError('ledger_unavailable', `${what}: ${message}`, {}, { cause: thrown });
      }
    }),
  );

/**
 * The value of a dynamic field, BCS; `undefined` when it is not there. @param key BCS of its name
 */
export const dynamicField = async (
  client: ClientWithCoreApi,
  parentId: string,
  type: string,
  key: Uint8Array,
  limits: ReadLimits = {},
): Promise<Uint8Array | undefined> =>
  readChain(`reading ${type}`, limits, async (signal) => {
    const name = { type, bcs: key };
    const { dynamicField: found } = await client.core.getDynamicField({ parentId, name, signal });
    return found.value.bcs;
  });

interface Page<Item> {
  readonly items: readonly Item[];
  /** Where the next page begins, if there is one. */
  readonly next: string | null;
}

/** Reads a list of the chain to its end. */
export const allPages = async <Item>(
  what: string,
  read: (cursor: string | null, signal: AbortSignal) => Promise<Page<Item>>,
  limits: ReadLimits = {},
): Promise<Item[]> => {
  const items: Item[] = [];
  for (let cursor: string | null = null; ;) {
    const from: string | null = cursor;
    // Each page says where the next begins.
    const page: Page<Item> | undefined = await readChain(what, limits, (signal) =>
      read(from, signal),
    );
    items.push(...(page?.items ?? []));
    if (page === undefined || page.next === null) return items;
    cursor = page.next;
  }
};

export interface OwnedQuery extends ReadLimits {
  readonly client: ClientWithCoreApi;
  /** Sui address. */
  readonly owner: string;
  /** Full name of the type, the package's id included. */
  readonly type: string;
}

/**
 * Contents of all objects of a type that an address owns. @throws FloeError `ledger_unavailable`
 */
export const ownedObjects = async ({
  client,
  owner,
  type,
  ...limits
}: OwnedQuery): Promise<Uint8Array[]> =>
  allPages(
    `listing ${type}`,
    async (cursor, signal) => {
      const include = { content: true } as const;
      const page = await client.core.listOwnedObjects({ owner, type, include, cursor, signal });
      const items = page.objects.map(({ content }) => content);
      return { items, next: page.hasNextPage ? page.cursor : null };
    },
    limits,
  );

/** GetObjects takes this many. */
const BATCH = 50;

/**
 * Contents of objects by id, in order; an error where one is not there. @throws FloeError
 * `ledger_unavailable`
 */
export const objectContents = async (
  client: ClientWithCoreApi,
  what: string,
  ids: readonly string[],
  limits: ReadLimits = {},
): Promise<(Uint8Array | Error)[]> => {
  const contents: (Uint8Array | Error)[] = [];
  for (let at = 0; at < ids.length; at += BATCH) {
    const objects = await readChain(what, limits, async (signal) => {
      const objectIds = ids.slice(at, at + BATCH);
      const include = { content: true } as const;
      return (await client.core.getObjects({ objectIds, include, signal })).objects;
    });
    for (const object of objects ?? [])
      contents.push(object instanceof Error ? object : object.content);
  }
  return contents;
};
