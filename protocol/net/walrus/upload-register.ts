/**
 * @module The first step of an upload to Walrus: the registration on Sui, which pays. It is in the
 * journal before it is sent, so a crash neither loses it nor pays twice.
 */
import { fromBase64, toBase64 } from '@mysten/sui/utils';
import { Transaction } from '@mysten/sui/transactions';
import { FloeError } from '../../errors.ts';
import { bounded } from '../sui/bounds.ts';
import { TransactionFailed, TransactionSuperseded, type Executed } from '../sui/transactions.ts';
import { UNAVAILABLE } from './object.ts';
import type { State, UploadContext, UploadRequest } from './upload-context.ts';

/** How long a relay may take to say what it asks for. */
const RELAY_MS = 8_000;

const createdBlob = ({ created, digest }: Executed): string => {
  const [id] = [...created].find(([, type]) => type.endsWith('::blob::Blob')) ?? [];
  if (id === undefined)
    throw new FloeError('transaction_failed', `transaction ${digest} registered no blob`);
  return id;
};

export interface Registration {
  /** Pays for a planned upload. @throws FloeError of the ledger */
  register(request: UploadRequest, planned: State<'planned'>): Promise<State<'registered'>>;
  /** Settles a registration of which it is not known whether it took effect. */
  settle(
    request: UploadRequest,
    state: State<'registering'>,
  ): Promise<State<'registered' | 'planned'>>;
}

export const createRegistration = (context: UploadContext): Registration => {
  const { walrus, sender, hasRelay, warn, clock, save, reset, planAnew } = context;

  const registered = (
    key: string,
    { transaction: _sent, ...state }: State<'registering'>,
    executed: Executed,
  ): Promise<State<'registered'>> =>
    save(key, { ...state, step: 'registered', objectId: createdBlob(executed) });

  const relaySpeaks = async (tip: (transaction: Transaction) => unknown): Promise<boolean> => {
    try {
      const bounds = { timeoutMs: RELAY_MS, clock, code: UNAVAILABLE, what: 'the upload relay' };
      await bounded(bounds, async () => tip(new Transaction()));
      return true;
    } catch (thrown) {
      warn(`the upload relay does not say its price: ${(thrown as Error).message}`);
      return false;
    }
  };

  const register = async (
    { key, bytes }: UploadRequest,
    planned: State<'planned'>,
  ): Promise<State<'registered'>> => {
    const { rootHash, ...upload } = planned;
    const { blobId, size, quilt, epochs, deletable } = upload;
    const nonce = crypto.getRandomValues(new Uint8Array(32));
    const blobDigest = async (): Promise<Uint8Array> =>
      new Uint8Array(await crypto.subtle.digest('SHA-256', new Uint8Array(bytes)));
    let state: State<'registering'> | undefined;
    const tip = walrus.sendUploadRelayTip({ size, blobDigest, nonce });
    // A relay that does not say what it asks for must not keep the blob from being paid for: the
    // nodes are there too.
    const tips = hasRelay && (await relaySpeaks(tip));
    const build = (transaction: Transaction): void => {
      if (tips) transaction.add(tip);
      const attributes = quilt ? { attributes: { _walrusBlobType: 'quilt' } } : {};
      walrus.registerBlobTransaction({
        transaction,
        size,
        epochs,
        blobId,
        rootHash: fromBase64(rootHash),
        deletable,
        owner: sender.address,
        ...attributes,
      });
    };
    const submit = (): Promise<Executed> =>
      sender.execute(build, async (prepared) => {
        const transaction = toBase64(prepared.bytes);
        const { digest } = prepared;
        const sent = { nonce: toBase64(nonce), transaction, digest };
        state = await save(key, { ...upload, step: 'registering', ...sent });
      });
    let executed: Executed;
    try {
      executed = await submit();
    } catch (thrown) {
      if (!(thrown instanceof TransactionFailed)) throw thrown;
      // The price or the epoch may have changed since they were read; a failed transaction has cost
      // gas only.
      await save(key, planned);
      reset(size);
      executed = await submit();
    }
    return registered(key, state as unknown as State<'registering'>, executed);
  };

  /** A registration that may or may not have happened: the same bytes again, which happen once. */
  const settleRegistration = async (
    request: UploadRequest,
    state: State<'registering'>,
  ): Promise<State<'registered' | 'planned'>> => {
    try {
      const { digest, transaction } = state;
      const executed = await sender.submit({ digest, bytes: fromBase64(transaction) });
      return await registered(request.key, state, executed);
    } catch (thrown) {
      if (!(thrown instanceof TransactionSuperseded || thrown instanceof TransactionFailed))
        throw thrown;
      warn(`registration ${state.digest} never happened; registering anew`);
      return planAnew(request);
    }
  };

  return { register, settle: settleRegistration };
};
