/**
 * @module Where the uploads of a committed round are read from.
 */
import type { BlobRef } from '../ports/blob-store.ts';
import { equalBytes, toHex } from '../bytes.ts';
import type { SignedRecord } from '../records/records.ts';

/** Where an upload can be read: where the commit says it is kept, else where its author put it. */
export const lastingRef = (
  commit: SignedRecord<'commit'>,
  survivors: SignedRecord<'survivors'>,
  upload: SignedRecord<'upload'>,
): BlobRef => {
  const at = survivors.body.uploads.findIndex((hash) => equalBytes(hash, upload.hash));
  const id = commit.body.archive?.[at];
  // Size and hash stay the author's: the coordinator can say where, not what.
  return id === undefined ? upload.body.blob : { ...upload.body.blob, id };
};

/**
 * Where an upload may be read soon after its attempt: first where it waited for its lasting place,
 * then there.
 */
export const placesOf = (
  commit: SignedRecord<'commit'>,
  survivors: SignedRecord<'survivors'>,
  upload: SignedRecord<'upload'>,
): readonly BlobRef[] => {
  const lasting = lastingRef(commit, survivors, upload);
  const { blob } = upload.body;
  return lasting.id === blob.id ? [blob] : [blob, lasting];
};

/** The same of a bundle: stores where blobs wait call them by their SHA-256. */
export const bundlePlaces = ({ body }: SignedRecord<'commit'>): readonly BlobRef[] => {
  const { blob } = body.bundle;
  const id = toHex(blob.sha256);
  return blob.id === id ? [blob] : [{ ...blob, id }, blob];
};
