/**
 * @module A keystore in memory: for the simulator, and for participants that end with their
 * process. It encodes and decodes like the file keystore, because a difference between the two
 * would hide lost state from tests.
 */
import { ownBytes, toHex } from '../../protocol/bytes.ts';
import { identityFromSeed } from '../../protocol/ports/identity.ts';
import {
  decodeRunMemory,
  encodeRunMemory,
  secretsOf,
  type Keystore,
  type RunMemory,
} from './keystore.ts';

/**
 * @param secret 32 bytes; identity and training secret derive from it, so that a seeded simulation
 * can be repeated.
 * @throws FloeError `key_invalid` on another length
 */
export const memoryKeystore = async (secret: Uint8Array): Promise<Keystore> => {
  const { seed, trainingSecret, sealingSecret } = secretsOf(secret);
  const identity = await identityFromSeed(seed);
  const runs = new Map<string, RunMemory>();
  const vectors = new Map<string, Uint8Array>();
  const locals = new Map<string, Uint8Array>();
  const owners = new Map<string, Uint8Array>();
  let ledger: Uint8Array | undefined;
  return {
    kind: 'memory',
    identity,
    trainingSecret,
    sealingSecret,
    load: async (run) => {
      const memory = runs.get(toHex(run));
      return memory && decodeRunMemory(encodeRunMemory(memory));
    },
    // As it is: a memory is never changed, and an attempt saves more often than anybody loads.
    save: async (run, memory) => void runs.set(toHex(run), memory),
    saveVector: async (run, vector) => void vectors.set(toHex(run), ownBytes(vector)),
    loadVector: async (run) => vectors.get(toHex(run)),
    eraseVector: async (run) => void vectors.delete(toHex(run)),
    saveLocal: async (run, part, values) =>
      void locals.set(`${toHex(run)} ${part}`, ownBytes(values)),
    loadLocal: async (run, part) => locals.get(`${toHex(run)} ${part}`)?.slice(),
    eraseLocal: async (run, part) => void locals.delete(`${toHex(run)} ${part}`),
    ownerOf: async (model) => owners.get(toHex(model)),
    claimModel: async (model, run) => {
      const owner = owners.get(toHex(model)) ?? ownBytes(run);
      owners.set(toHex(model), owner);
      return owner;
    },
    loadLedger: async () => ledger?.slice(),
    changeLedger: async (change) => {
      const next = change(ledger?.slice());
      ledger = next === undefined ? ledger : ownBytes(next);
      return next !== undefined;
    },
    close: async () => undefined,
  };
};
