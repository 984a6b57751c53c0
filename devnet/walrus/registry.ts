/**
 * @module The storage nodes' view of the chain: the registered and certified blobs, their end
 * epochs and their transactions. It follows the events of the Walrus package, like real nodes.
 */
import { bcs } from '@mysten/sui/bcs';
import type { Chain, TransactionRecord } from '../chain/chain.ts';
import { blobIdOfNumber } from './layout.ts';

const BlobRegistered = bcs.struct('BlobRegistered', {
  epoch: bcs.u32(),
  blobId: bcs.u256(),
  size: bcs.u64(),
  encodingType: bcs.u8(),
  endEpoch: bcs.u32(),
  deletable: bcs.bool(),
  objectId: bcs.Address,
});
const BlobCertified = bcs.struct('BlobCertified', {
  epoch: bcs.u32(),
  blobId: bcs.u256(),
  endEpoch: bcs.u32(),
  deletable: bcs.bool(),
  objectId: bcs.Address,
  isExtension: bcs.bool(),
});
const BlobDeleted = bcs.struct('BlobDeleted', {
  epoch: bcs.u32(),
  blobId: bcs.u256(),
  endEpoch: bcs.u32(),
  objectId: bcs.Address,
  wasCertified: bcs.bool(),
});

/** Where on the chain something was said. */
export interface EventPosition {
  readonly txDigest: string;
  readonly eventSeq: number;
}

/** One Blob object for a blob id; several may exist. */
export interface BlobEntry {
  readonly objectId: string;
  readonly size: number;
  readonly deletable: boolean;
  endEpoch: number;
  certifiedEpoch: number | undefined;
  statusEvent: EventPosition;
}

export class BlobRegistry {
  readonly #prefix: string;
  readonly #blobs = new Map<string, Map<string, BlobEntry>>();
  readonly #certifiedAt = new Map<string, number>();
  readonly #chain: Chain;
  readonly stop: () => void;
  /** Called with the id of a blob each time an object of it is certified. */
  onCertified: (blobId: string) => void = () => undefined;
  /** The current Walrus epoch; entries that ended are as if never registered. */
  epoch: number;

  constructor(chain: Chain, packageId: string, epoch: number) {
    this.#chain = chain;
    this.#prefix = `${packageId}::events::`;
    this.epoch = epoch;
    for (const record of chain.records) this.#follow(record);
    this.stop = chain.onTransaction((record) => this.#follow(record));
  }

  /** The live objects for a blob. */
  entries(blobId: string): readonly BlobEntry[] {
    const all = this.#blobs.get(blobId)?.values() ?? [];
    return [...all].filter(({ endEpoch }) => endEpoch > this.epoch);
  }

  /** When the blob was first certified, by the clock of the chain, in milliseconds. */
  certifiedAt(blobId: string): number | undefined {
    return this.#certifiedAt.get(blobId);
  }

  #follow({ executed }: TransactionRecord): void {
    const txDigest = executed.digest ?? '';
    (executed.events?.events ?? []).forEach(({ eventType = '', contents }, eventSeq) => {
      if (!eventType.startsWith(this.#prefix) || !contents?.value) return;
      this.#note(eventType.slice(this.#prefix.length), contents.value, { txDigest, eventSeq });
    });
  }

  #note(name: string, bytes: Uint8Array, statusEvent: EventPosition): void {
    if (name === 'BlobRegistered') {
      const event = BlobRegistered.parse(bytes);
      const blobId = blobIdOfNumber(event.blobId);
      const entries = this.#blobs.get(blobId) ?? new Map<string, BlobEntry>();
      this.#blobs.set(blobId, entries);
      entries.set(event.objectId, {
        objectId: event.objectId,
        size: Number(event.size),
        deletable: event.deletable,
        endEpoch: event.endEpoch,
        certifiedEpoch: undefined,
        statusEvent,
      });
    } else if (name === 'BlobCertified') {
      const event = BlobCertified.parse(bytes);
      const blobId = blobIdOfNumber(event.blobId);
      const entry = this.#blobs.get(blobId)?.get(event.objectId);
      if (!entry) return;
      entry.endEpoch = event.endEpoch;
      entry.certifiedEpoch ??= event.epoch;
      entry.statusEvent = statusEvent;
      if (!this.#certifiedAt.has(blobId)) this.#certifiedAt.set(blobId, this.#chain.timeMs);
      this.onCertified(blobId);
    } else if (name === 'BlobDeleted') {
      const event = BlobDeleted.parse(bytes);
      this.#blobs.get(blobIdOfNumber(event.blobId))?.delete(event.objectId);
    }
  }
}

/** A blob's status in the form that storage nodes answer with. */
export const blobStatus = (entries: readonly BlobEntry[]): unknown => {
  const deletable = entries.filter((entry) => entry.deletable);
  const certified = entries.flatMap(({ certifiedEpoch }) => certifiedEpoch ?? []);
  const counts = {
    count_deletable_total: deletable.length,
    count_deletable_certified: deletable.filter((entry) => entry.certifiedEpoch !== undefined)
      .length,
  };
  const initialCertifiedEpoch = certified.length > 0 ? Math.min(...certified) : null;
  // A certified permanent object says more than an uncertified one, a later end more than an
  // earlier.
  const [best] = entries
    .filter((entry) => !entry.deletable)
    .toSorted(
      (a, b) =>
        Number(b.certifiedEpoch !== undefined) - Number(a.certifiedEpoch !== undefined) ||
        b.endEpoch - a.endEpoch,
    );
  if (best)
    return {
      permanent: {
        endEpoch: best.endEpoch,
        isCertified: best.certifiedEpoch !== undefined,
        statusEvent: best.statusEvent,
        deletableCounts: counts,
        initialCertifiedEpoch,
      },
    };
  if (deletable.length > 0)
    return { deletable: { initialCertifiedEpoch, deletableCounts: counts } };
  return 'nonexistent';
};
