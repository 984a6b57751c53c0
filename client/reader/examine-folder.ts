/**
 * @module The verification of the files in a run's folder. Signed records cover the transcript, the
 * specification (by the hash they name), blobs (by their hashes) and the exported model (by its
 * hash). A file that no signed record covers is listed by name as not vouched for, because a reader
 * must not take it for verified.
 */
import { equalBytes, fromHex, sha256, toHex } from '../../protocol/bytes.ts';
import { identityFromSeed } from '../../protocol/ports/identity.ts';
import { decodeRecord } from '../../protocol/records/records.ts';
import { contractText } from '../../protocol/spec/parse-contract.ts';
import { encodeRunSpec, hashRunSpec, type RunSpec } from '../../protocol/spec/run-spec.ts';
import {
  decodeSafetensors,
  encodeSafetensors,
  hashModel,
  MODEL_FILE_LIMITS,
} from '../../protocol/model/index.ts';
import { decodeTranscript } from '../../protocol/records/transcript.ts';
import type { Verification } from '../../protocol/verify/index.ts';
import { factsOf, type Facts } from '../export/facts.ts';
import type { Topology } from '../tfjs/models.ts';
import { modelsOf, roundOf } from './signed-models.ts';
import { RUN_FILES, seedAsText, specAsJson } from '../../protocol/records/run-files.ts';

/** The files of a folder, by their paths below it. */
export interface FolderFiles {
  readonly entries: readonly { readonly path: string; readonly isFile: boolean }[];
  read(path: string): Promise<Uint8Array>;
}

export interface FileFinding {
  readonly path: string;
  readonly reason: string;
}

export interface FolderReport {
  /** Paths of files that signed records cover completely. */
  readonly vouched: readonly string[];
  /** Files that differ from the signed records. */
  readonly wrong: readonly FileFinding[];
  /** Files that verification does not speak for: they can hold anything. */
  readonly unverified: readonly FileFinding[];
}

export interface ExamineInit {
  readonly files: FolderFiles;
  readonly spec: RunSpec;
  readonly transcript: Uint8Array;
  /** The result of verifying the transcript. */
  readonly verification: Verification;
  /**
   * The topology of the specification's model in tfjs's format; called only to compare an export.
   */
  readonly topology: () => Promise<Topology>;
  readonly signal?: AbortSignal;
}

/**
 * True: vouched for. `wrong`: differs from the signed records. `unverified`: no signed record
 * covers it.
 */
type Verdict = true | { readonly type: 'wrong' | 'unverified'; readonly reason: string };

const wrong = (reason: string): Verdict => ({ type: 'wrong', reason });
const unverified = (reason: string): Verdict => ({ type: 'unverified', reason });

const NOT_HELD = 'the run itself does not hold';

/** The run that the first record of a transcript names, if it can be read at all. */
const runOfRecords = (transcript: Uint8Array): Uint8Array | undefined => {
  const PREFIX = 36;
  if (transcript.length < PREFIX) return undefined;
  const { buffer, byteOffset } = transcript;
  const length = new DataView(buffer, byteOffset).getUint32(0, true);
  try {
    return decodeRecord(transcript.slice(PREFIX, PREFIX + length)).run;
  } catch {
    // The verification of the transcript reports its faults.
    return undefined;
  }
};

/** SHA-256 of the blobs that a whole transcript names. */
const blobsOfRecords = (run: Uint8Array, transcript: Uint8Array): ReadonlySet<string> =>
  new Set(
    decodeTranscript(run, transcript).entries.flatMap(({ record }) => {
      switch (record.type) {
        case 'open':
          return [toHex(record.body.model.blob.sha256)];
        case 'upload':
          return [toHex(record.body.blob.sha256)];
        case 'commit':
          return [record.body.model.blob, record.body.bundle.blob].map((ref) => toHex(ref.sha256));
        default:
          return [];
      }
    }),
  );

const KNOWN_UNVERIFIED: readonly (readonly [start: string, reason: string])[] = [
  [RUN_FILES.journal, "the coordinator's journal: only its freezes are compared"],
  [RUN_FILES.summary, 'figures for people, computed when the run ended'],
  [RUN_FILES.report, 'figures for people, computed when the run ended'],
  [RUN_FILES.network, 'names the network of the run; --network compares it with your own'],
  [`${RUN_FILES.devnet}/`, 'the state of the simulated network, which the verification queried'],
  ['uploads/', "the coordinator's log of uploads to Walrus"],
  ['keystore/lock', 'empty: it locks the keystore against a second process'],
  ['keystore/', 'encrypted under its passphrase'],
  ['settings.json', 'the settings at the start of the run; the specification is authoritative'],
];

const whyUnknown = (path: string): string =>
  KNOWN_UNVERIFIED.find(([start]) => path.startsWith(start))?.[1] ?? 'no record names it';

/** What an export of the newest model says of itself. */
const factsOfNewest = ({ spec, transcript }: ExamineInit): Facts => {
  const model = modelsOf({ spec, transcript }).at(-1);
  if (model === undefined) return {};
  return factsOf(spec, { ...model, round: roundOf({ spec, transcript }, model) });
};

const checkSafetensors = (init: ExamineInit, bytes: Uint8Array, modelHash: string): Verdict => {
  const { spec } = init;
  const { flat } = decodeSafetensors(bytes, MODEL_FILE_LIMITS);
  const manifest = { tensors: spec.model.tensors };
  const found = toHex(hashModel(manifest, flat));
  if (found !== modelHash) return wrong(`holds the model ${found}, not the committed ${modelHash}`);
  return (
    equalBytes(bytes, encodeSafetensors(manifest, flat, factsOfNewest(init), MODEL_FILE_LIMITS)) ||
    wrong('is written otherwise than the committed model')
  );
};

const checkTfjs = async (
  init: ExamineInit,
  name: string,
  bytes: Uint8Array,
  modelHash: string,
): Promise<Verdict> => {
  const { files, spec, topology } = init;
  const { exportTfjs } = await import('../tfjs/topology.ts');
  const weights = await files.read(`${RUN_FILES.tfjs}/weights.bin`);
  const flat = new Float32Array(weights.length / 4);
  const view = new DataView(weights.buffer, weights.byteOffset, weights.byteLength);
  for (let i = 0; i < flat.length; i += 1) flat[i] = view.getFloat32(i * 4, true);
  const manifest = { tensors: spec.model.tensors };
  if (name === 'weights.bin') {
    const found = toHex(hashModel(manifest, flat));
    return found === modelHash || wrong(`holds the model ${found}, not the committed ${modelHash}`);
  }
  const facts = factsOfNewest(init);
  const expected = exportTfjs(manifest, flat, await topology(), facts)['model.json'];
  return equalBytes(bytes, expected) || wrong("is not the specification's model");
};

const checkAuditor = async (spec: RunSpec, bytes: Uint8Array): Promise<Verdict> => {
  const text = new TextDecoder().decode(bytes);
  const seed = /^[0-9a-f]{64}/u.test(text) ? fromHex(text.slice(0, 64)) : undefined;
  if (seed === undefined || text !== seedAsText(seed)) return wrong('is no seed in hex');
  const { publicKey } = await identityFromSeed(seed);
  return (
    spec.auditors.some((key) => equalBytes(key, publicKey)) || wrong('is the key of no auditor')
  );
};

const checkSpec = (init: ExamineInit, bytes: Uint8Array): Verdict => {
  const named = runOfRecords(init.transcript);
  const own = hashRunSpec(init.spec);
  if (named !== undefined && !equalBytes(named, own))
    return wrong(`its hash is ${toHex(own)}, the records name the run ${toHex(named)}`);
  if (!equalBytes(bytes, encodeRunSpec(init.spec))) return wrong('is not in canonical form');
  return named === undefined ? unverified('no record names it') : true;
};

const BLOB = new RegExp(`^${RUN_FILES.blobs}/[0-9a-f]{2}/([0-9a-f]{64})$`, 'u');

/** @throws errors of reading and decoding: the file is then wrong */
const judge = async (
  init: ExamineInit,
  blobs: ReadonlySet<string> | undefined,
  path: string,
): Promise<Verdict> => {
  const { files, spec, verification } = init;
  const { ok, modelHash } = verification;
  const blob = BLOB.exec(path)?.[1];
  if (blob !== undefined) {
    if (toHex(sha256(await files.read(path))) !== blob) return wrong('does not have its hash');
    if (blobs === undefined) return unverified(NOT_HELD);
    return blobs.has(blob) || unverified('no record names it');
  }
  if (path === RUN_FILES.spec) return checkSpec(init, await files.read(path));
  if (path === RUN_FILES.transcript)
    return ok && equalBytes(await files.read(path), init.transcript) ? true : unverified(NOT_HELD);
  if (path === RUN_FILES.specJson)
    return (
      new TextDecoder().decode(await files.read(path)) === specAsJson(spec) ||
      wrong(`is not what ${RUN_FILES.spec} says`)
    );
  if (path === RUN_FILES.contract)
    return (
      (spec.data !== undefined &&
        new TextDecoder().decode(await files.read(path)) === contractText(spec.data)) ||
      wrong(`is not the contract of ${RUN_FILES.spec}`)
    );
  if (path === RUN_FILES.auditor) return checkAuditor(spec, await files.read(path));
  const isTfjs = ['model.json', 'weights.bin'].some((name) => path === `${RUN_FILES.tfjs}/${name}`);
  if (path !== RUN_FILES.model && !isTfjs) return unverified(whyUnknown(path));
  if (!ok || modelHash === undefined)
    return unverified(ok ? 'no model is committed yet' : NOT_HELD);
  const bytes = await files.read(path);
  return isTfjs
    ? checkTfjs(init, path.slice(RUN_FILES.tfjs.length + 1), bytes, modelHash)
    : checkSafetensors(init, bytes, modelHash);
};

/**
 * Holds every file of a run's folder against the verified run.
 *
 * @throws FloeError `aborted`
 */
export const examineFolder = async (init: ExamineInit): Promise<FolderReport> => {
  const { files, spec, transcript, verification, signal } = init;
  const blobs = verification.ok ? blobsOfRecords(hashRunSpec(spec), transcript) : undefined;
  const vouched: string[] = [];
  const found = { wrong: [] as FileFinding[], unverified: [] as FileFinding[] };
  for (const { path, isFile } of files.entries) {
    signal?.throwIfAborted();
    const verdict = isFile
      ? await judge(init, blobs, path).catch((thrown: unknown) =>
          wrong(thrown instanceof Error ? thrown.message : String(thrown)),
        )
      : unverified('a link, or no file');
    if (verdict === true) vouched.push(path);
    else found[verdict.type].push({ path, reason: verdict.reason });
  }
  const { culprit } = verification;
  if (culprit !== undefined && found.wrong.length === 0)
    found.wrong.push({
      path: RUN_FILES.transcript,
      reason: `attempt ${culprit.attempt}, ${culprit.record} record: ${culprit.reason}`,
    });
  return {
    vouched,
    wrong: found.wrong,
    unverified: found.unverified.filter(
      ({ path }) => !found.wrong.some((finding) => finding.path === path),
    ),
  };
};
