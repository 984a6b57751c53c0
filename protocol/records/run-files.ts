/**
 * @module The files of a run's folder by name, and the form in which people read its specification.
 */
import { toHex } from '../bytes.ts';
import type { RunSpec } from '../spec/run-spec.ts';

export const RUN_FILES = {
  spec: 'spec.cbor',
  specJson: 'spec.json',
  /** Of a run with a data contract: as `floe contract check` takes it. */
  contract: 'contract.json',
  transcript: 'transcript.bin',
  blobs: 'blobs',
  journal: 'journal.sqlite',
  auditor: 'auditor.key',
  model: 'model.safetensors',
  tfjs: 'tfjs',
  onnx: 'model.onnx',
  summary: 'summary.json',
  report: 'report.html',
  network: 'network.json',
  devnet: 'devnet',
  /** The journal of uploads to Walrus. */
  uploads: 'uploads',
  /** Of a simulation: its settings, and its rounds as they came. */
  scenario: 'scenario.json',
  history: 'history.jsonl',
  /** Of a simulation that is not over: what it resumes from. */
  checkpoint: 'checkpoint.cbor',
  participants: 'participants',
  observations: 'observations.jsonl',
} as const;

/** Byte strings as hex: the specification as people read it. */
export const specAsJson = (spec: RunSpec): string =>
  `${JSON.stringify(spec, (_, value: unknown) => (value instanceof Uint8Array ? toHex(value) : value), 2)}\n`;

/** A seed as it stands in the auditor's file. */
export const seedAsText = (seed: Uint8Array): string => `${toHex(seed)}\n`;
