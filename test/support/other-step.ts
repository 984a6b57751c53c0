/**
 * @module A commit whose step was really taken, from the sum of the round, but with other
 * parameters of the strategy: blob, envelope and hashes all fit each other, so that only who
 * repeats the step can tell. For runs without masks.
 */
import {
  createFold,
  encodingSeed,
  finishRound,
  layoutOf,
  stateTensorsOf,
} from '../../protocol/algorithm/round.ts';
import { decryptBlob, encryptBlob } from '../../protocol/model/envelope.ts';
import { encodeVersion, openVersion } from '../../protocol/model/open-model.ts';
import { sealedBoxGate } from '../../protocol/ports/sealed-box-gate.ts';
import type { Body, RecordType, SignedRecord } from '../../protocol/records/records.ts';
import type { RunSpec } from '../../protocol/spec/run-spec.ts';
import type { Stage } from './run.ts';

/**
 * The body of the commit of `attempt` in which the coordinator takes the step with `strategy`
 * instead of the run's.
 */
export const commitOfOtherStep = async (
  { spec, store, coordinatorIdentity }: Stage,
  records: readonly SignedRecord[],
  attempt: number,
  strategy: RunSpec['strategy'],
): Promise<Body<'commit'>> => {
  const gate = sealedBoxGate(coordinatorIdentity);
  const all = <Type extends RecordType>(type: Type) =>
    records.filter(
      (record) => record.type === type && record.attempt === attempt,
    ) as unknown as readonly SignedRecord<Type>[];
  const [open, cohort, survivors, commit] = [
    all('open')[0]!,
    all('cohort')[0]!.body,
    all('survivors')[0]!.body,
    all('commit')[0]!.body,
  ];
  const { meanExamples, beacon, model } = open.body;
  const { run } = open;
  const fold = createFold(layoutOf(spec, cohort.members.length, meanExamples));
  for (const { body } of all('upload')) {
    const purpose = { run, attempt, role: 'update' } as const;
    const key = await gate.unwrap(body.envelope!, purpose);
    fold.add(await decryptBlob(key, purpose, await store.get(body.blob)));
  }
  const stateTensors = stateTensorsOf(spec);
  const sealed = { run, model, cipher: await store.get(model.blob), stateTensors };
  const { after, afterHash, stateHash } = finishRound({
    spec: { ...spec, strategy },
    n: cohort.members.length,
    survivors: survivors.members.length,
    lanes: fold.lanes,
    before: await openVersion(sealed, spec.model, gate),
    meanExamples,
    rotationSeed: encodingSeed(spec, {
      attempt,
      beacon,
      modelHash: model.hash,
      cohortRoot: cohort.root,
    }),
  });
  const purpose = { run, attempt, role: 'model' } as const;
  const key = await gate.unwrap(commit.model.envelope, purpose);
  const file = encodeVersion(spec.model, stateTensors, after);
  const blob = await store.put(await encryptBlob(key, purpose, file));
  return {
    ...commit,
    step: { ...commit.step, after: afterHash },
    model: {
      ...commit.model,
      blob: { ...blob },
      hash: afterHash,
      ...(stateHash === undefined ? {} : { state: stateHash }),
    },
  };
};
