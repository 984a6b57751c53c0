/**
 * @module What an exported model says of itself, as texts by name: the run and the round that it is
 * from, its hash, how to build it, its task, and the data contract with class names and
 * normalisation. In safetensors it is `__metadata__`, in tfjs `userDefinedMetadata`, in ONNX
 * `metadata_props`. A function of signed facts alone, so that a reader of the run can repeat it.
 */
import * as v from 'valibot';
import { toHex } from '../../protocol/bytes.ts';
import { FloeError } from '../../protocol/errors.ts';
import type { ModelRef } from '../../protocol/records/records.ts';
import { contractSchema, type Contract } from '../../protocol/spec/contract.ts';
import { hashRunSpec, type RunSpec } from '../../protocol/spec/run-spec.ts';
import { issueText } from '../../protocol/wire/issue.ts';
import { makeTask, type Task } from '../task.ts';

export type Facts = Readonly<Record<string, string>>;

/** Names of the classes or labels of a contract; undefined for values. */
export const namesOfTarget = ({ target }: Contract): readonly string[] | undefined =>
  target.type === 'classes' ? target.classes : target.type === 'labels' ? target.names : undefined;

/** A model as the coordinator signed it, after so many rounds. */
export interface ExportedModel extends Pick<ModelRef, 'version' | 'hash'> {
  readonly round: number;
}

export const factsOf = (spec: RunSpec, model: ExportedModel): Facts => {
  const { architecture, topology } = spec.model;
  const { task } = spec.training;
  const contract = spec.data;
  const names = contract && namesOfTarget(contract);
  return {
    'floe.run': toHex(hashRunSpec(spec)),
    'floe.run_name': spec.name,
    'floe.round': String(model.round),
    'floe.attempt': String(model.version),
    'floe.model_hash': toHex(model.hash),
    'floe.architecture': architecture,
    ...(topology === undefined ? {} : { 'floe.topology': topology }),
    ...(task === undefined ? {} : { 'floe.task': JSON.stringify(task) }),
    ...(contract === undefined ? {} : { 'floe.contract': JSON.stringify(contract) }),
    ...(names === undefined ? {} : { 'floe.class_names': JSON.stringify(names) }),
  };
};

/** What fine-tuning leaves as it is. */
const KEPT: ReadonlySet<string> = new Set([
  'floe.architecture',
  'floe.topology',
  'floe.task',
  'floe.contract',
  'floe.class_names',
]);

/** Facts of a fine-tuned model. It is a site's own: no run committed it. */
export const tunedFacts = (of: Facts, from: string, modelHash: string): Facts => {
  return {
    ...Object.fromEntries(Object.entries(of).filter(([name]) => KEPT.has(name))),
    'floe.tuned_from': from,
    'floe.model_hash': modelHash,
  };
};

/** What a file says, checked. Everything but the architecture may be missing. */
export interface ReadFacts {
  readonly run: string | undefined;
  readonly round: number | undefined;
  readonly modelHash: string | undefined;
  /** Of a fine-tuned model: the hash of the model that the site began with. */
  readonly tunedFrom: string | undefined;
  readonly architecture: string;
  readonly topology: string | undefined;
  readonly task: Task | undefined;
  readonly contract: Contract | undefined;
}

const malformed = (message: string): FloeError => new FloeError('model_malformed', message);

const jsonOf = (facts: Facts, name: string): unknown => {
  const text = facts[name];
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw malformed(`${name} is not JSON`);
  }
};

/** @throws FloeError `model_malformed` for a file that Floe did not export, or was changed */
export const readFacts = (facts: Facts): ReadFacts => {
  const architecture = facts['floe.architecture'];
  if (architecture === undefined)
    throw malformed(
      'the file does not say how to build the model; pull it again, or name the run it is from',
    );
  const given = jsonOf(facts, 'floe.contract');
  const checked = given === undefined ? undefined : v.safeParse(contractSchema, given);
  if (checked?.success === false) throw malformed(`floe.contract: ${issueText(checked.issues[0])}`);
  const task = jsonOf(facts, 'floe.task');
  const round = facts['floe.round'];
  return {
    run: facts['floe.run'],
    round: round === undefined ? undefined : Number(round),
    modelHash: facts['floe.model_hash'],
    tunedFrom: facts['floe.tuned_from'],
    architecture,
    topology: facts['floe.topology'],
    task: task === undefined ? undefined : makeTask(task as Task),
    contract: checked?.output,
  };
};
