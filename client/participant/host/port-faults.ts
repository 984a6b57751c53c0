/**
 * @module The ports of a participant, wrapped where they are called, so that it is the port, and
 * never the code, that decides on whom an error is blamed: see `judge`.
 */
import type { AccessGate } from '../../../protocol/ports/access-gate.ts';
import type { BlobStore } from '../../../protocol/ports/blob-store.ts';
import { toFloeError, type ErrorCode } from '../../../protocol/errors.ts';
import type { Keystore } from '../../keystore/keystore.ts';
import type { Trainer } from '../../trainer.ts';
import { PortFault, type PortName } from '../machine/verdict.ts';
import type { LedgerReader } from '../options.ts';
import { UNAVAILABLE } from './hanging-ports.ts';

/** The code of what is thrown at a port and is no FloeError. */
const UNNAMED: Readonly<Record<PortName, ErrorCode>> = {
  ...UNAVAILABLE,
  keystore: 'keystore_unavailable',
  trainer: 'trainer_failed',
};

const at =
  (port: PortName) =>
  async <Result>(call: () => Promise<Result>): Promise<Result> => {
    try {
      return await call();
    } catch (thrown) {
      throw new PortFault(port, toFloeError(thrown, UNNAMED[port]), thrown);
    }
  };

/** The same store; what it throws is a fault of the store. */
export const faultsOfStore = (
  store: BlobStore,
): Pick<BlobStore, 'kind' | 'put' | 'get' | 'getRange'> => {
  const guarded = at('store');
  return {
    kind: store.kind,
    put: (...args) => guarded(() => store.put(...args)),
    get: (...args) => guarded(() => store.get(...args)),
    getRange: (...args) => guarded(() => store.getRange(...args)),
  };
};

export const faultsOfGate = (gate: AccessGate): AccessGate => {
  const guarded = at('gate');
  return {
    kind: gate.kind,
    policies: gate.policies,
    reader: gate.reader,
    wrap: (...args) => guarded(() => gate.wrap(...args)),
    unwrap: (...args) => guarded(() => gate.unwrap(...args)),
  };
};

export const faultsOfLedger = (ledger: LedgerReader): LedgerReader => {
  const guarded = at('ledger');
  return {
    kind: ledger.kind,
    beacon: ledger.beacon,
    readCohort: (...args) => guarded(() => ledger.readCohort(...args)),
    readSurvivors: (...args) => guarded(() => ledger.readSurvivors(...args)),
    readFamily: (...args) => guarded(() => ledger.readFamily(...args)),
  };
};

export const faultsOfKeystore = (keystore: Keystore): Keystore => {
  const guarded = at('keystore');
  return {
    kind: keystore.kind,
    identity: keystore.identity,
    trainingSecret: keystore.trainingSecret,
    sealingSecret: keystore.sealingSecret,
    load: (...args) => guarded(() => keystore.load(...args)),
    save: (...args) => guarded(() => keystore.save(...args)),
    saveVector: (...args) => guarded(() => keystore.saveVector(...args)),
    loadVector: (...args) => guarded(() => keystore.loadVector(...args)),
    eraseVector: (...args) => guarded(() => keystore.eraseVector(...args)),
    saveLocal: (...args) => guarded(() => keystore.saveLocal(...args)),
    loadLocal: (...args) => guarded(() => keystore.loadLocal(...args)),
    eraseLocal: (...args) => guarded(() => keystore.eraseLocal(...args)),
    ownerOf: (...args) => guarded(() => keystore.ownerOf(...args)),
    claimModel: (...args) => guarded(() => keystore.claimModel(...args)),
    loadLedger: () => guarded(() => keystore.loadLedger()),
    changeLedger: (...args) => guarded(() => keystore.changeLedger(...args)),
    close: () => keystore.close(),
  };
};

export const faultsOfTrainer = (trainer: Trainer): Pick<Trainer, 'train' | 'backend'> => {
  const guarded = at('trainer');
  return {
    backend: trainer.backend,
    train: (...args) => guarded(() => trainer.train(...args)),
  };
};
