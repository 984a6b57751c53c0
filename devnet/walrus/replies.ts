/**
 * @module Common code of the HTTP services in front of the Walrus client: converts its errors to
 * replies, and retries once after a change of epoch.
 */
import {
  BlobNotCertifiedError,
  NotFoundError,
  RetryableWalrusClientError,
  type WalrusClient,
} from '@mysten/walrus';
import { json, type HttpReply } from '../http.ts';

/** Milliseconds after which a read or an upload times out. */
export const OPERATION_TIMEOUT_MS = 120_000;

export const refuse = (status: number, reason: string, message: string): HttpReply =>
  json({ error: { status: reason, code: status, message, details: [] } }, status);

export const routeMissing = (): HttpReply => refuse(404, 'NOT_FOUND', 'no such route');

const isMissing = (error: unknown): boolean =>
  error instanceof BlobNotCertifiedError || error instanceof NotFoundError;

/** Runs one operation; what the Walrus client throws becomes a reply. */
export const answer = async (operation: () => Promise<HttpReply>): Promise<HttpReply> => {
  try {
    return await operation();
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return isMissing(error) ? refuse(404, 'NOT_FOUND', message) : refuse(500, 'INTERNAL', message);
  }
};

/** After an epoch change the client's committee is old: once more with a fresh one. */
export const withRetry = async <T>(walrus: WalrusClient, read: () => Promise<T>): Promise<T> => {
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof RetryableWalrusClientError)) throw error;
    walrus.reset();
    return read();
  }
};
