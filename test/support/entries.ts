/**
 * @module The tree over the sealed entries of one author, as its Share record signs it and a holder
 * is shown it.
 */
import type { Body } from '../../protocol/records/records.ts';
import { entryHash, entryPath, entryTree, signedEntries } from '../../protocol/secagg/index.ts';

/** What a Share record of these entries says of them. */
export const signedOf = (
  context: Uint8Array,
  author: Uint8Array,
  entries: readonly Uint8Array[],
): Body<'share'>['entries'] => ({ ...signedEntries({ context, author }, entries.map(entryHash)) });

/** What shows the entry at `place`. */
export const pathOf = (
  context: Uint8Array,
  author: Uint8Array,
  entries: readonly Uint8Array[],
  place: number,
): Uint8Array => entryPath(entryTree({ context, author }, entries.map(entryHash)), place);
