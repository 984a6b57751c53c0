/**
 * @module The faucet: Sui's own protocol (`POST /v2/gas`), from one account that holds all coins at
 * genesis. Every request gets SUI and WAL in one ordinary signed transaction.
 */
import type { Ed25519Keypair } from '@mysten/sui/keypairs/ed25519';
import { Transaction } from '@mysten/sui/transactions';
import { fromBase64, isValidSuiAddress, normalizeSuiAddress } from '@mysten/sui/utils';
import * as v from 'valibot';
import { DevnetError } from './errors.ts';
import type { Chain, TransactionRecord } from './chain/chain.ts';
import { coinType, SUI_COIN, SUI_TYPE } from './chain/commands.ts';
import { coinTypeOf } from './chain/encode.ts';
import { coinBalance } from './chain/executor.ts';
import { REFERENCE_GAS_PRICE } from './chain/gas.ts';
import { json, type HttpHandler } from './http.ts';
import type { TaskQueue } from './queue.ts';

/** MIST and FROST for one request: 1000 SUI, 1000 WAL. */
export const FAUCET_AMOUNT = 1_000_000_000_000n;
const BUDGET = 100_000_000n;

/**
 * Builds, signs and executes a transaction of one of the devnet's own accounts, paid from its
 * largest SUI coin.
 *
 * @throws {DevnetError} internal, when it fails: the devnet's own transactions must not.
 */
export const executeOwn = async (
  chain: Chain,
  signer: Ed25519Keypair,
  build: (transaction: Transaction) => void,
  budget = BUDGET,
): Promise<TransactionRecord> => {
  const address = signer.toSuiAddress();
  const [gas] = chain.state
    .ownedBy({ type: 'address', address })
    .filter(({ objectType }) => objectType === SUI_COIN)
    .toSorted((a, b) => (coinBalance(a.contents) < coinBalance(b.contents) ? 1 : -1));
  if (!gas) throw new DevnetError('internal', `account ${address} of the devnet has no SUI`);
  const transaction = new Transaction();
  transaction.setSender(address);
  transaction.setGasPrice(REFERENCE_GAS_PRICE);
  transaction.setGasBudget(budget);
  transaction.setGasPayment([
    { objectId: gas.id, version: gas.version.toString(), digest: gas.digest },
  ]);
  build(transaction);
  const bytes = await transaction.build();
  const { signature } = await signer.signTransaction(bytes);
  const record = await chain.execute(bytes, [fromBase64(signature)]);
  const status = record.executed.effects?.status;
  if (!status?.success)
    throw new DevnetError('internal', `a devnet transaction failed: ${status?.error?.description}`);
  return record;
};

const GasRequest = v.object({ FixedAmountRequest: v.object({ recipient: v.string() }) });

/** Sends one helping of SUI and WAL. */
export const fund = async (
  chain: Chain,
  signer: Ed25519Keypair,
  wal: string,
  recipient: string,
): Promise<TransactionRecord> => {
  const address = signer.toSuiAddress();
  const source = chain.state
    .ownedBy({ type: 'address', address })
    .find(({ objectType }) => objectType === coinType(wal));
  if (!source) throw new DevnetError('internal', 'the faucet has no WAL');
  return executeOwn(chain, signer, (transaction) => {
    const { id: objectId, version, digest } = source;
    const ref = transaction.objectRef({ objectId, version: version.toString(), digest });
    const [sui] = transaction.splitCoins(transaction.gas, [FAUCET_AMOUNT]);
    const [walCoin] = transaction.splitCoins(ref, [FAUCET_AMOUNT]);
    if (!sui || !walCoin) throw new DevnetError('internal', 'a split gave no coin');
    transaction.transferObjects([sui, walCoin], recipient);
  });
};

const created = (record: TransactionRecord, chain: Chain, recipient: string) =>
  (record.executed.effects?.changedObjects ?? []).flatMap(({ objectId = '' }) => {
    const object = chain.state.get(objectId);
    const type = object && coinTypeOf(object.objectType);
    if (!object || type === undefined) return [];
    if (object.owner.type !== 'address' || object.owner.address !== recipient) return [];
    return [{ type, id: object.id, amount: coinBalance(object.contents) }];
  });

const failed = (message: string, status: number) =>
  json({ status: { Failure: { internal: message } }, coins_sent: null }, status);

/** The faucet's HTTP side; `next` answers everything else. */
export const faucetHandler = (options: {
  readonly chain: Chain;
  readonly signer: Ed25519Keypair;
  readonly wal: string;
  readonly queue: TaskQueue;
  readonly next: HttpHandler;
}): HttpHandler => {
  const { chain, signer, wal, queue, next } = options;
  return async (request) => {
    if (request.method !== 'POST' || request.url.pathname !== '/v2/gas') return next(request);
    let recipient: string;
    try {
      const body: unknown = JSON.parse(Buffer.from(request.body).toString('utf8'));
      recipient = normalizeSuiAddress(v.parse(GasRequest, body).FixedAmountRequest.recipient);
    } catch (error) {
      return failed(`expected a FixedAmountRequest: ${String(error)}`, 400);
    }
    if (!isValidSuiAddress(recipient)) return failed('expected an address as recipient', 400);
    const record = await queue.run(() => fund(chain, signer, wal, recipient));
    const coins = created(record, chain, recipient);
    return json(
      {
        status: 'Success',
        coins_sent: coins
          .toSorted((a, b) => Number(b.type === SUI_TYPE) - Number(a.type === SUI_TYPE))
          .map(({ id, amount }) => ({
            amount: Number(amount),
            id,
            transferTxDigest: record.executed.digest,
          })),
      },
      201,
    );
  };
};
