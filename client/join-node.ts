/**
 * @module `join` in Node: as in browsers, and it writes the run's final model to a folder.
 */
import { join as joinPath } from 'node:path';
import { FloeError } from '../protocol/errors.ts';
import { isThere } from '../protocol/ports/files.ts';
import { RUN_FILES } from '../protocol/records/run-files.ts';
import type { RunSpec } from '../protocol/spec/run-spec.ts';
import { pinCertificate } from './connect/pin.ts';
import { join as joinAnywhere, type FinalModel, type JoinedRun, type JoinOptions } from './join.ts';
import { savePulled, type SavedModel } from './reader/write-model.ts';

export interface NodeJoinOptions extends JoinOptions {
  /**
   * SHA-256 of the certificate of the coordinator, 64 hex digits, as `floe coordinator` prints it.
   * No other certificate is accepted, and this one needs no authority; see `pinCertificate`.
   */
  readonly fingerprint?: string;
  /**
   * Folder, made if missing. When the run has finished, its final model is written there in clear:
   * model.safetensors, and tfjs/model.json where the specification names the layers.
   */
  readonly out?: string;
  /** With `out`: replace a model that the folder holds. Default: `file_exists` before the login. */
  readonly force?: boolean;
}

export interface NodeJoinedRun extends JoinedRun {
  /** The written files, once `finished` has resolved; undefined without `out` or a model. */
  saved(): SavedModel | undefined;
}

/** Whether a tfjs model can be written: its layers are known, and its weights are all here. */
const isWhole = ({ model }: RunSpec, hasBase: boolean): boolean =>
  (model.topology !== undefined || model.architecture !== 'custom') &&
  (model.base === undefined || hasBase);

/** Every connection first looks at the certificate, so that HTTP too trusts it and no other. */
const pinned = (url: string, fingerprint: string, options: JoinOptions): JoinOptions => {
  if (!/^wss:/iu.test(url))
    throw new FloeError('usage', `--fingerprint: expected an address with wss://, got ${url}`);
  return {
    ...options,
    tls: { ...options.tls, fingerprint },
    beforeConnect: async (signal) => {
      await pinCertificate(url, fingerprint, signal);
      await options.beforeConnect?.(signal);
    },
  };
};

/**
 * Refuses a folder for the final model now and not after hours of training.
 *
 * @throws FloeError `file_exists` where it holds a model; `usage` in a survey, which has none
 */
export const requireNoModel = async (
  out: string,
  { isSurvey, force = false }: { readonly isSurvey: boolean; readonly force?: boolean | undefined },
): Promise<void> => {
  if (isSurvey)
    throw new FloeError('usage', '--out: a survey leaves no model; floe survey reads it');
  const file = joinPath(out, RUN_FILES.model);
  if (!force && (await isThere(file)))
    throw new FloeError('file_exists', `${file} exists; --force (\`force\` in code) overwrites it`);
};

/**
 * Takes part in the run of the coordinator at `url`, as `join` does everywhere.
 *
 * @example
 * const run = await join('ws://localhost:7700', { data, keystore: { path: 'me' }, out: 'model' });
 * await run.finished;
 * @throws FloeError as `join` in browsers, and `file_exists` where `out` holds a model already.
 * `finished` rejects too with what opening and writing the model throw: `access_denied`,
 * `blob_not_found`, `storage_full`, `storage_failed`
 */
export const join = async (
  url: string,
  { fingerprint, out, force = false, ...given }: NodeJoinOptions,
): Promise<NodeJoinedRun> => {
  const options = fingerprint === undefined ? given : pinned(url, fingerprint, given);
  if (out === undefined) return { ...(await joinAnywhere(url, options)), saved: () => undefined };
  await requireNoModel(out, { isSurvey: given.require?.survey === true, force });
  let saved: SavedModel | undefined;
  const onModel = async (final: FinalModel): Promise<void> => {
    const { spec, ...pulled } = final;
    const base = options.base;
    const tfjs = isWhole(spec, base !== undefined);
    const merges = tfjs && spec.model.base !== undefined && base !== undefined;
    // The coordinator sends the last commit before it says that the run has finished.
    const run = { spec, pull: async () => ({ ...pulled, round: spec.rounds }) };
    saved = await savePulled(run, out, { tfjs, force: true, ...(merges ? { base } : {}) });
    await options.onModel?.(final);
  };
  const joined = await joinAnywhere(url, { ...options, onModel });
  return { ...joined, saved: () => saved };
};
