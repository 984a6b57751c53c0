/**
 * @module The ports of a run that is on no network: a store that the caller names, keys in sealed
 * boxes, and the coordinator's own freezes where they can be read. The ports of a run on a network
 * come from net/network-ports.ts; coordinator, participants, readers and simulations take both from
 * there.
 */
import type { AccessGate } from './access-gate.ts';
import type { BlobStore } from './blob-store.ts';
import type { Identity } from './identity.ts';
import { sealedBoxGate } from './sealed-box-gate.ts';

export interface LocalPorts<Store extends BlobStore, Freezes> {
  readonly store: Store;
  readonly gate: AccessGate;
  readonly ledger: Freezes;
  /** The gate as another identity sees it. */
  gateFor(other: Identity): Promise<AccessGate>;
  close(): Promise<void>;
}

/**
 * @param ledger undefined for a participant or reader, to whom the coordinator's own word proves
 * nothing
 */
export const localPorts = <Store extends BlobStore, Freezes>({
  identity,
  store,
  ledger,
}: {
  readonly identity: Identity;
  readonly store: Store;
  readonly ledger: Freezes;
}): LocalPorts<Store, Freezes> => ({
  store,
  gate: sealedBoxGate(identity),
  ledger,
  gateFor: async (other) => sealedBoxGate(other),
  close: async () => undefined,
});
