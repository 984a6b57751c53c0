/**
 * @module What an error in a round says about whom. Errors of the ports are wrapped where they are
 * thrown, so that it is the port, and never the code, that decides; a breach is an error that
 * carries the coordinator's signed record (`protocol/rules/breach.ts`). Whatever else comes of a
 * frame is refused and proves nothing: the line may have changed it.
 */
import type { AccessGate } from '../../protocol/ports/access-gate.ts';
import type { BlobStore } from '../../protocol/ports/blob-store.ts';
import { FloeError, toFloeError, type ErrorCode } from '../../protocol/errors.ts';
import { isOwnFault } from '../../protocol/own-faults.ts';
import { Breach } from '../../protocol/rules/breach.ts';
import type { Keystore } from '../keystore/keystore.ts';
import type { Trainer } from '../trainer.ts';
import type { LedgerReader } from './ports.ts';

export type RemotePort = 'store' | 'gate' | 'ledger';
export type LocalPort = 'keystore' | 'trainer';
export type PortName = RemotePort | LocalPort;

/** A port threw this. */
export class PortFault extends FloeError {
  readonly port: PortName;

  constructor(port: PortName, { code, message, details }: FloeError, cause: unknown) {
    super(code, message, details, { cause });
    this.port = port;
  }
}

/** The code of what is thrown at a port and is no FloeError. */
const UNNAMED: Readonly<Record<PortName, ErrorCode>> = {
  store: 'store_unavailable',
  gate: 'gate_unavailable',
  ledger: 'ledger_unavailable',
  keystore: 'keystore_unavailable',
  trainer: 'trainer_failed',
};

const isRemote = (port: PortName): port is RemotePort =>
  port === 'store' || port === 'gate' || port === 'ledger';

/**
 * - `breach`: the coordinator's signed records prove it.
 * - `outage`: a store, gate or ledger does not answer, or not as it should: waited for, then the
 *   attempt is left.
 * - `local`: this machine, its disk, its trainer or its data: the attempt is left, the next one is
 *   tried.
 * - `unproven`: something that came is against the rules and nothing signed shows who did it: the
 *   attempt is left.
 * - `declined`: this participant's own rules forbid the attempt.
 * - `end`: nothing more can be done in this run.
 */
export type Verdict = 'breach' | 'outage' | 'local' | 'unproven' | 'declined' | 'end';

/**
 * Own rules: what was spent before, an attempt that this participant does not want, or is too late
 * for.
 */
const DECLINED: ReadonlySet<ErrorCode> = new Set([
  'update_already_spent',
  'admission_refused',
  'phase_closed',
  'mask_reuse',
  'already_answered',
]);

/**
 * @param source `frame`: while a frame was handled; `work`: in the participant's own work beside
 * the frames
 */
export const judge = (error: FloeError, source: 'frame' | 'work'): Verdict => {
  if (error instanceof Breach) return 'breach';
  if (error instanceof PortFault)
    return isRemote(error.port) && !isOwnFault(error.code) ? 'outage' : 'local';
  if (error.code === 'commit_fabricated') return 'end';
  if (DECLINED.has(error.code)) return 'declined';
  return source === 'frame' ? 'unproven' : 'local';
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
    ownerOf: (...args) => guarded(() => keystore.ownerOf(...args)),
    claimModel: (...args) => guarded(() => keystore.claimModel(...args)),
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
