/**
 * @module Level 1 of verification: a reader of the unmasking bundle and the models recomputes
 * the sum from the public blobs and the step of the server optimiser, bit for bit.
 */
import type { AccessGate } from '../ports/access-gate.ts';
import { decodeBundle, isSumOf, type UnmaskingBundle } from './bundle.ts';
import { splitHashes, areLeavesOf } from '../encoding/leaves.ts';
import { livingGroups } from '../rules/groups.ts';
import {
  createFold,
  finishRound,
  type GroupSum,
  layoutOf,
  encodingSeed,
  sameAggregate,
  sameTotals,
  specAt,
  stateTensorsOf,
} from '../algorithm/round.ts';
import { addNoiseOfRound, isCentral } from '../algorithm/central-noise.ts';
import { equalBytes, toHex } from '../bytes.ts';
import { decryptBlob } from '../model/envelope.ts';
import { FloeError } from '../errors.ts';
import { leafHash } from '../records/merkle.ts';
import { unmask, type Lanes } from '../secagg/index.ts';
import { bundleJobs } from './bundle-masks.ts';
import { readBlob, type CheckedAttempt, type RuleContext } from './check-attempt.ts';
import { blaming, Culprit } from './culprit.ts';
import { lastingRef } from './lasting-ref.ts';
import { decryptModel, openVersion, type ModelContent } from '../model/open-model.ts';
import type { AttemptLog } from './attempt-log.ts';

export { openModel, openVersion } from '../model/open-model.ts';

const NOTHING = new Uint8Array();

/** The folded uploads of a checked attempt. */
interface Folded {
  /** One, or one for each group with survivors, in their order. */
  readonly sums: readonly GroupSum[];
  readonly each: readonly Lanes[] | undefined;
}

/** Folds the uploads of a checked attempt; without masks each is decrypted first. */
const foldUploads = async (
  rules: RuleContext,
  log: AttemptLog,
  attempt: CheckedAttempt,
  gate: AccessGate,
): Promise<Folded> => {
  const { open, cohort, spec, survivors } = attempt;
  const { meanExamples } = open.body;
  const layout = layoutOf(spec, cohort.body.members.length, meanExamples);
  const parts = livingGroups({ spec, cohort }, survivors.body.members).map((part) => ({
    ...part,
    fold: createFold(layout),
  }));
  const each: Lanes[] = [];
  const isEachKept = spec.robust !== undefined && spec.secagg === 'none';
  for (const upload of attempt.uploads) {
    const ref = lastingRef(attempt.commit, attempt.survivors, upload);
    const bytes = await readBlob(rules, log, upload, ref, 'the upload');
    await blaming(upload, log.indexOf(upload), 'the upload', async () => {
      const { fold } = parts.find(({ group }) => group.keys.has(toHex(upload.author)))!;
      if (spec.secagg === 'masked') {
        fold.add(bytes);
        return;
      }
      const { envelope } = upload.body;
      if (envelope === undefined)
        throw new FloeError('upload_mismatch', 'expected an envelope, got none');
      const purpose = { run: rules.run, attempt: log.attempt, role: 'update' } as const;
      const lanes = fold.add(
        await decryptBlob(await gate.unwrap(envelope, purpose), purpose, bytes),
      );
      if (isEachKept) each.push(lanes as Lanes);
    });
  }
  return {
    sums: parts.map(({ fold, present }) => ({
      lanes: fold.lanes as Lanes,
      survivors: present.length,
    })),
    each: isEachKept ? each : undefined,
  };
};

/**
 * Inputs of spot checks in addition to the secrets: hashes of leaves, extra lanes, keys of the
 * models.
 * @throws Culprit
 */
const checkBundle = async (
  rules: RuleContext,
  log: AttemptLog,
  { commit, open, cohort, uploads }: CheckedAttempt,
  bundle: UnmaskingBundle,
): Promise<void> => {
  const fail = (reason: string): never => {
    throw new Culprit(commit, log.indexOf(commit), reason);
  };
  const layout = layoutOf(rules.spec, cohort.body.members.length, open.body.meanExamples);
  if (!isSumOf(rules.spec, layout, bundle, commit.body.aggregate))
    fail('the leaf hashes of the sum in the bundle are not those of the sum');
  const fits =
    bundle.uploads.length === uploads.length &&
    uploads.every(({ body }, i) => {
      const { leaves, extras } = bundle.uploads[i] as UnmaskingBundle['uploads'][number];
      const last = splitHashes(leaves).at(-1);
      return (
        areLeavesOf(layout, leaves, body.chunkRoot) &&
        last !== undefined &&
        equalBytes(leafHash(extras), last)
      );
    });
  if (!fits) fail('the leaves in the bundle are not those of the uploads');
  const stateTensors = stateTensorsOf(rules.spec);
  for (const [record, { model }, key, which] of [
    [open, open.body, bundle.keys.before, 'before'],
    [commit, commit.body, bundle.keys.after, 'after'],
  ] as const) {
    const cipher = await readBlob(rules, log, record, model.blob, 'the model');
    await blaming(commit, log.indexOf(commit), `the bundle's key of the model ${which}`, () =>
      decryptModel({ run: rules.run, model, cipher, key, stateTensors }, rules.spec.model),
    );
  }
};

/**
 * Recomputes one attempt.
 *
 * @param before w_t, and the state before the attempt
 * @returns w_{t+1} and the state after, which equal the published ones bit for bit
 * @throws Culprit when anything differs
 * @throws FloeError `access_denied` when the gate's identity may not open the attempt
 */
export const recomputeRound = async (
  rules: RuleContext,
  log: AttemptLog,
  attempt: CheckedAttempt,
  before: ModelContent,
  gate: AccessGate,
): Promise<ModelContent> => {
  const { commit, cohort, open, survivors } = attempt;
  const check = (condition: boolean, reason: string): void => {
    if (!condition) throw new Culprit(commit, log.indexOf(commit), reason);
  };
  const blame = <Result>(what: string, work: () => Result | Promise<Result>): Promise<Result> =>
    blaming(commit, log.indexOf(commit), what, work);
  const { sums, each } = await foldUploads(rules, log, attempt, gate);
  let opened: UnmaskingBundle | undefined;
  if (rules.spec.secagg === 'masked') {
    const purpose = { run: rules.run, attempt: log.attempt, role: 'bundle' } as const;
    const { blob, envelope } = commit.body.bundle;
    const cipher = await readBlob(rules, log, commit, blob, 'the unmasking bundle');
    const bundle = await blame('the unmasking bundle', async () =>
      decodeBundle(await decryptBlob(await gate.unwrap(envelope, purpose), purpose, cipher)),
    );
    const layout = layoutOf(rules.spec, cohort.body.members.length, open.body.meanExamples);
    const found = await blame('the unmasking bundle', () =>
      bundleJobs(attempt, bundle, rules.signal),
    );
    if (found.type === 'wrong') throw new Culprit(commit, log.indexOf(commit), found.reason);
    for (const [i, { lanes }] of sums.entries())
      await unmask(lanes as Lanes, found.jobs[i] ?? [], layout.modulusBits, {
        signal: rules.signal,
      });
    opened = bundle;
  }
  if (isCentral(rules.spec))
    await blame('the central noise', async () => {
      const purpose = { run: rules.run, attempt: log.attempt, role: 'update' } as const;
      const key = await gate.unwrap(commit.body.noise?.envelope ?? NOTHING, purpose);
      addNoiseOfRound(
        {
          spec: specAt(rules.spec, open.body),
          n: cohort.body.members.length,
          meanExamples: open.body.meanExamples,
          survivors: survivors.body.members.length,
        },
        sums[0]!.lanes,
        key,
      );
    });
  const result = await blame('the sum', () =>
    finishRound({
      spec: specAt(rules.spec, open.body),
      n: cohort.body.members.length,
      survivors: survivors.body.members.length,
      lanes: sums[0]!.lanes,
      each,
      groups: sums,
      before,
      meanExamples: open.body.meanExamples,
      rotationSeed: encodingSeed(rules.spec, {
        attempt: log.attempt,
        beacon: open.body.beacon,
        modelHash: open.body.model.hash,
        cohortRoot: cohort.body.root,
      }),
    }),
  );
  const { weight } = commit.body;
  check(
    sameAggregate(result.aggregate, commit.body.aggregate),
    'the recomputed sum differs from the published one',
  );
  check(
    result.weight === weight,
    `the recomputed weight is ${result.weight}, published is ${weight}`,
  );
  check(sameTotals(result, commit.body), 'the recomputed metrics differ from the published');
  check(
    equalBytes(result.afterHash, commit.body.model.hash),
    'the recomputed model differs from the published one',
  );
  check(
    equalBytes(result.stateHash ?? NOTHING, commit.body.model.state ?? NOTHING),
    'the recomputed state of the strategy differs from the published one',
  );
  if (opened !== undefined) await checkBundle(rules, log, attempt, opened);
  const cipher = await readBlob(rules, log, commit, commit.body.model.blob, 'the model');
  const { model } = commit.body;
  await blame('the published model', () =>
    openVersion(
      { run: rules.run, model, cipher, stateTensors: stateTensorsOf(rules.spec) },
      rules.spec.model,
      gate,
    ),
  );
  return result.after;
};
