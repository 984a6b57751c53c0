/**
 * @module The key that pays and signs on a chain: from a keystore file of the `sui` command line,
 * from an environment variable, or from the 32-byte seed of a Floe identity, which is the same key.
 * Keys never appear in messages.
 */
import { decodeSuiPrivateKey } from '@mysten/sui/cryptography';
import { Ed25519Keypair } from '@mysten/sui/keypairs/ed25519';
import { fromBase64, normalizeSuiAddress } from '@mysten/sui/utils';
import * as v from 'valibot';
import { FloeError } from '../../errors.ts';

const ED25519_FLAG = 0;

const malformed = (what: string): FloeError =>
  new FloeError('key_invalid', `expected ${what}: an Ed25519 key as suiprivkey1... or in base64`);

/**
 * Reads one key: `suiprivkey1...`, or base64 of flag and key as keystore files hold it.
 * @param what names the source in errors, never its content
 * @throws FloeError `key_invalid`
 */
export const parseSuiKey = (text: string, what: string): Ed25519Keypair => {
  try {
    if (text.startsWith('suiprivkey')) {
      const { scheme, secretKey } = decodeSuiPrivateKey(text);
      if (scheme === 'ED25519') return Ed25519Keypair.fromSecretKey(secretKey);
    } else {
      const bytes = fromBase64(text);
      if (bytes.length === 33 && bytes[0] === ED25519_FLAG)
        return Ed25519Keypair.fromSecretKey(bytes.subarray(1));
    }
  } catch {
    // What the decoder says may quote the key.
    throw malformed(what);
  }
  throw malformed(what);
};

/**
 * The key of a keystore file (`~/.sui/sui_config/sui.keystore`: a JSON list of keys).
 * @param text the file's content
 * @param address which one, where the file holds several
 * @throws FloeError `key_invalid`
 */
export const keyFromSuiKeystore = (text: string, address?: string): Ed25519Keypair => {
  let list: unknown;
  try {
    list = JSON.parse(text);
  } catch {
    throw malformed('a Sui keystore file');
  }
  const parsed = v.safeParse(v.array(v.string()), list);
  if (!parsed.success) throw malformed('a Sui keystore file');
  // A keystore may hold keys of other schemes for other uses: the flag, 0 for Ed25519, shows in the
  // first two letters.
  const own = parsed.output.filter((key) => /^(A[A-P]|suiprivkey)/u.test(key));
  const keys = own.map((key) => parseSuiKey(key, 'a Sui keystore file'));
  const wanted = address === undefined ? undefined : normalizeSuiAddress(address);
  const fitting = keys.filter((key) => wanted === undefined || key.toSuiAddress() === wanted);
  const [key] = fitting;
  if (key === undefined || fitting.length > 1)
    throw new FloeError(
      'key_invalid',
      `expected one Ed25519 key${wanted === undefined ? ', or an address to choose by' : ` of ${wanted}`}, ` +
        `found ${fitting.length} of ${keys.length}`,
    );
  return key;
};

/** Names the environment variable that may hold a key. */
export const SUI_KEY_VARIABLE = 'FLOE_SUI_KEY';

/**
 * The key of the environment variable; undefined when it is not set. @throws FloeError
 * `key_invalid`
 */
export const keyFromEnvironment = (
  environment: Readonly<Record<string, string | undefined>>,
): Ed25519Keypair | undefined => {
  const text = environment[SUI_KEY_VARIABLE];
  return text === undefined || text === '' ? undefined : parseSuiKey(text.trim(), SUI_KEY_VARIABLE);
};

/** The same key as the Floe identity of this seed: same signatures, same address. */
export const keyFromSeed = (seed: Uint8Array): Ed25519Keypair => Ed25519Keypair.fromSecretKey(seed);

/** A key as commands and programs pass it on. */
export interface SuiKey {
  readonly address: string;
  /** 32 bytes, secret: a Floe identity of this seed has the same key. */
  readonly seed: Uint8Array;
}

/** The same key without anything of the SDK. */
export const suiKeyOf = (pair: Ed25519Keypair): SuiKey => ({
  address: pair.toSuiAddress(),
  seed: decodeSuiPrivateKey(pair.getSecretKey()).secretKey,
});
