/**
 * @module The keystore on disk, a folder. It holds `identity` (encrypted under the passphrase) and
 * `lock`; for each run its memory (encrypted), the vector of the current attempt (masked or
 * encrypted before it arrives here), and what this site carries from round to round (encrypted);
 * for each model with an upload the run that uploaded (encrypted); and the privacy ledger of all
 * runs (encrypted).
 */
import { decodeVersioned } from '../../protocol/wire/versioned.ts';
import sodium from 'libsodium-wrappers';
import * as v from 'valibot';
import { toHex } from '../../protocol/bytes.ts';
import { bytesUpTo, decodeCbor, encodeCbor, fixedBytes } from '../../protocol/wire/cbor.ts';
import { FloeError } from '../../protocol/errors.ts';
import { identityFromSeed, type Identity } from '../../protocol/ports/identity.ts';
import { serialQueue } from '../../protocol/queue.ts';
import type { RandomSource } from '../../protocol/ports/random.ts';
import type { Disk } from '../../protocol/ports/disk.ts';
import {
  decodeRunMemory,
  encodeRunMemory,
  secretsOf,
  type Keystore,
  type LocalPart,
} from './keystore.ts';
import {
  DEFAULT_KDF_COST,
  deriveFileKey,
  kdfSchema,
  seal,
  unseal,
  type KdfCost,
} from './sealed.ts';

const MAX_IDENTITY_BYTES = 4096;
const fileSchema = v.strictObject({ v: v.literal(1), kdf: kdfSchema, sealed: bytesUpTo(2048) });
const secretsSchema = v.strictObject({
  seed: fixedBytes(32),
  trainingSecret: fixedBytes(32),
  sealingSecret: fixedBytes(32),
});

export interface KeystoreOptions {
  /** A CSPRNG: identity, salts and nonces come from it. */
  readonly random: RandomSource;
  readonly disk: Disk;
  /** For a new keystore only; an old one keeps its own. */
  readonly kdf?: KdfCost;
  /**
   * 32 bytes from which a new keystore's identity derives, as in `memoryKeystore`. Default: drawn.
   */
  readonly secret?: Uint8Array;
  /**
   * 32 bytes: the Ed25519 seed that a new keystore's identity is, such as a key that exists
   * already; the rest is drawn.
   */
  readonly identitySeed?: Uint8Array;
}

/**
 * Opens the keystore in the folder `path`, or makes one.
 *
 * @throws FloeError `passphrase_missing`, `keystore_locked`, `decryption_failed` (wrong passphrase
 * or altered file), `data_malformed` (truncated or not a keystore)
 */
export const openKeystore = async (
  path: string,
  passphrase: string,
  options: KeystoreOptions,
): Promise<Keystore> => {
  if (passphrase === '')
    throw new FloeError('passphrase_missing', 'expected a passphrase of at least one character');
  await sodium.ready;
  const { disk } = options;
  await disk.makeFolder(path);
  const unlock = await disk.lock(`${path}/lock`);
  try {
    return await unlocked(path, passphrase, options, unlock);
  } catch (thrown) {
    unlock();
    throw thrown;
  }
};

/** The keys in an identity file. @throws FloeError `decryption_failed`, `data_malformed` */
const openFile = async (
  bytes: Uint8Array,
  passphrase: string,
): Promise<{
  readonly key: Uint8Array;
  readonly identity: Identity;
  readonly trainingSecret: Uint8Array;
  readonly sealingSecret: Uint8Array;
}> => {
  const stored = decodeVersioned(
    fileSchema,
    { field: 'v', version: 1, what: 'the keystore' },
    bytes,
    'data_malformed',
    MAX_IDENTITY_BYTES,
  );
  const key = await deriveFileKey(passphrase, stored.kdf);
  const { seed, ...secrets } = decodeCbor(
    secretsSchema,
    unseal(key, 'identity', stored.sealed, encodeCbor(stored.kdf)),
    'data_malformed',
    MAX_IDENTITY_BYTES,
  );
  return { key, identity: await identityFromSeed(seed), ...secrets };
};

/**
 * Whose keystore it is, for signing and for opening models: also while a run has it open, for it
 * takes no part in any.
 *
 * @throws FloeError `file_not_found`, `passphrase_missing`, `decryption_failed`, `data_malformed`
 */
export const readIdentity = async (
  path: string,
  passphrase: string,
  disk: Pick<Disk, 'read'>,
): Promise<Identity> => {
  if (passphrase === '')
    throw new FloeError('passphrase_missing', 'expected a passphrase of at least one character');
  await sodium.ready;
  const bytes = await disk.read(`${path}/identity`);
  if (bytes === undefined) throw new FloeError('file_not_found', `there is no keystore in ${path}`);
  return (await openFile(bytes, passphrase)).identity;
};

/** Binds a run's file to the run: it does not open as another's. */
const roleOf = (run: Uint8Array): string => `run ${toHex(run)}`;

const localRoleOf = (run: Uint8Array, part: LocalPart): string => `${part} ${toHex(run)}`;

/** As {@link roleOf}: a record for one model is not accepted for another. */
const modelRoleOf = (model: Uint8Array): string => `model ${toHex(model)}`;

const LEDGER_ROLE = 'privacy ledger';

const unlocked = async (
  path: string,
  passphrase: string,
  { random, disk, kdf = DEFAULT_KDF_COST, secret = random(32), identitySeed }: KeystoreOptions,
  unlock: () => void,
): Promise<Keystore> => {
  const file = `${path}/identity`;
  // Read under the lock: another process may have made it in the meantime.
  let bytes = await disk.read(file);
  if (bytes === undefined) {
    const parameters = { type: 'argon2id', salt: random(16), ...kdf } as const;
    const key = await deriveFileKey(passphrase, parameters);
    const derived = secretsOf(secret);
    const secrets = encodeCbor({ ...derived, seed: identitySeed ?? derived.seed });
    const sealed = seal(key, 'identity', secrets, random, encodeCbor(parameters));
    bytes = encodeCbor({ v: 1, kdf: parameters, sealed });
    await disk.write(file, bytes);
  }
  const { key, identity, trainingSecret, sealingSecret } = await openFile(bytes, passphrase);

  const memoryOf = (run: Uint8Array): string => `${path}/${toHex(run)}.run`;
  const vectorOf = (run: Uint8Array): string => `${path}/${toHex(run)}.vector`;
  const localOf = (run: Uint8Array, part: LocalPart): string => `${path}/${toHex(run)}.${part}`;
  const ownerFile = (model: Uint8Array): string => `${path}/${toHex(model)}.model`;
  const readOwner = async (model: Uint8Array): Promise<Uint8Array | undefined> => {
    const sealed = await disk.read(ownerFile(model));
    return sealed && unseal(key, modelRoleOf(model), sealed);
  };
  /** Claims one after the other: two runs of one process may want the same model. */
  const claims = serialQueue();
  const ledgerFile = `${path}/privacy-ledger`;
  const readLedger = async (): Promise<Uint8Array | undefined> => {
    const sealed = await disk.read(ledgerFile);
    return sealed && unseal(key, LEDGER_ROLE, sealed);
  };
  const ledgers = serialQueue();
  let open = true;
  const requireOpen = (): void => {
    if (!open) throw new FloeError('internal', 'the keystore is closed');
  };
  return {
    kind: 'file',
    identity,
    trainingSecret,
    sealingSecret,
    load: async (run) => {
      requireOpen();
      const sealed = await disk.read(memoryOf(run));
      return sealed && decodeRunMemory(unseal(key, roleOf(run), sealed));
    },
    save: async (run, memory) => {
      requireOpen();
      await disk.write(memoryOf(run), seal(key, roleOf(run), encodeRunMemory(memory), random));
    },
    saveVector: async (run, vector) => {
      requireOpen();
      await disk.write(vectorOf(run), vector);
    },
    loadVector: async (run) => {
      requireOpen();
      return disk.read(vectorOf(run));
    },
    eraseVector: async (run) => {
      requireOpen();
      await disk.remove(vectorOf(run));
    },
    saveLocal: async (run, part, values) => {
      requireOpen();
      await disk.write(localOf(run, part), seal(key, localRoleOf(run, part), values, random));
    },
    loadLocal: async (run, part) => {
      requireOpen();
      const sealed = await disk.read(localOf(run, part));
      return sealed && unseal(key, localRoleOf(run, part), sealed);
    },
    eraseLocal: async (run, part) => {
      requireOpen();
      await disk.remove(localOf(run, part));
    },
    ownerOf: async (model) => {
      requireOpen();
      return readOwner(model);
    },
    claimModel: (model, run) => {
      requireOpen();
      return claims.run(async () => {
        const owner = await readOwner(model);
        if (owner !== undefined) return owner;
        await disk.write(ownerFile(model), seal(key, modelRoleOf(model), run, random));
        return run;
      });
    },
    loadLedger: async () => {
      requireOpen();
      return readLedger();
    },
    changeLedger: (change) => {
      requireOpen();
      return ledgers.run(async () => {
        const next = change(await readLedger());
        if (next === undefined) return false;
        await disk.write(ledgerFile, seal(key, LEDGER_ROLE, next, random));
        return true;
      });
    },
    close: async () => {
      if (open) unlock();
      open = false;
    },
  };
};
