/**
 * @module How far each upload to Walrus has come, kept so that a crash between two steps neither
 * pays twice nor leaves a blob registered and never certified. The steps are those of the SDK's own
 * flow: encode -> register -> upload -> certify. An upload that is promised and not paid for yet,
 * and a registration that has left and not been heard of again, are separate states.
 */
import * as v from 'valibot';
import { ownBytes, sha256, toHex } from '../bytes.ts';

const text = v.string();
const common = {
  /** Walrus blob id, base64url. */
  blobId: text,
  size: v.pipe(v.number(), v.integer(), v.minValue(0)),
  deletable: v.boolean(),
  epochs: v.number(),
  /** True when the blob is a quilt. */
  quilt: v.boolean(),
};
const relay = {
  /** What the upload relay wants to see again, base64. */
  nonce: text,
};

export const uploadStateSchema = v.variant('step', [
  v.object({
    step: v.literal('planned'),
    ...common,
    /** What the registration names, base64. */
    rootHash: text,
  }),
  v.object({
    step: v.literal('registering'),
    ...common,
    ...relay,
    transaction: text,
    digest: text,
  }),
  v.object({ step: v.literal('registered'), ...common, ...relay, objectId: text, digest: text }),
  v.object({
    step: v.literal('uploaded'),
    ...common,
    ...relay,
    objectId: text,
    digest: text,
    certificate: text,
  }),
  v.object({ step: v.literal('certified'), ...common, objectId: text, endEpoch: v.number() }),
]);

export type UploadState = v.InferOutput<typeof uploadStateSchema>;

/** One entry, to be finished after a crash. */
export interface PendingUpload {
  readonly key: string;
  readonly state: UploadState;
}

/**
 * Keeps upload states by content key, durably: once `save` resolves, a crash does not lose it. The
 * bytes are kept from the first step until the blob is certified.
 */
export interface UploadJournal {
  load(key: string): Promise<UploadState | undefined>;
  save(key: string, state: UploadState): Promise<void>;
  /** What was not certified yet. */
  pending(): Promise<readonly PendingUpload[]>;
  keepBytes(key: string, bytes: Uint8Array): Promise<void>;
  readBytes(key: string): Promise<Uint8Array | undefined>;
  dropBytes(key: string): Promise<void>;
  /**
   * Forgets certified uploads, but for the latest and those in `keep`: what is forgotten is neither
   * extended nor known to have been paid for.
   */
  forget(keep: ReadonlySet<string>): Promise<void>;
}

/**
 * Certified uploads that are remembered, those to be kept aside: of several rounds, for the uploads
 * of one that is repeated.
 */
export const LATEST_UPLOADS = 24;
/** Beyond which they are looked through. */
export const MOST_UPLOADS = 32;

/**
 * The key of a content: uploads of the same bytes are one upload.
 * @param hash SHA-256 of the bytes, where it is known
 */
export const uploadKey = (bytes: Uint8Array, quilt: boolean, hash = sha256(bytes)): string =>
  `${toHex(hash)}${quilt ? '-quilt' : ''}`;

/** For tests, and for readers who never upload. */
export const memoryUploadJournal = (): UploadJournal => {
  const states = new Map<string, UploadState>();
  const blobs = new Map<string, Uint8Array>();
  return {
    load: async (key) => states.get(key),
    save: async (key, state) => {
      // Set anew, it is among the latest.
      states.delete(key);
      states.set(key, state);
    },
    pending: async () =>
      [...states]
        .filter(([, { step }]) => step !== 'certified')
        .map(([key, state]) => ({ key, state })),
    keepBytes: async (key, bytes) => void blobs.set(key, ownBytes(bytes)),
    readBytes: async (key) => blobs.get(key),
    dropBytes: async (key) => void blobs.delete(key),
    forget: async (keep) => {
      const done = [...states].filter(([key, { step }]) => step === 'certified' && !keep.has(key));
      for (const [key] of done.slice(0, -LATEST_UPLOADS)) states.delete(key);
    },
  };
};
