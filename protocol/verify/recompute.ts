/**
 * @module Level 1 of verification: whoever may open the unmasking bundle and the models recomputes the sum from the public
 * blobs and the step of the server optimiser, bit for bit.
 */
import type { AccessGate } from '../access/access-gate.ts';
import { decodeBundle, type UnmaskingBundle } from '../aggregate/bundle.ts';
import {
  createFold,
  finishRound,
  layoutOf,
  rotationSeed,
  sameAggregate,
} from '../aggregate/round.ts';
import { equalBytes, sha256, toHex } from '../bytes.ts';
import { decryptBlob } from '../envelope.ts';
import { FloeError } from '../errors.ts';
import type { Body, SignedRecord } from '../records.ts';
import {
  commitSecret,
  freezeCohort,
  maskJobs,
  selfMaskSeed,
  unmask,
  type Lanes,
  type MaskJob,
} from '../secagg/index.ts';
import { decodeSafetensors, hashModel, matchManifest } from '../tensors/index.ts';
import { blaming, Culprit } from './culprit.ts';
import type { RoundLog } from './round-log.ts';
import { lastingRef, readBlob, type CheckedRound, type RuleContext } from './check-round.ts';

/** Opens an encrypted model and checks that it is the one its hash names. @throws FloeError */
export const openModel = async (
  input: {
    readonly run: Uint8Array;
    readonly model: Body<'open'>['model'];
    readonly cipher: Uint8Array;
  },
  manifest: Parameters<typeof hashModel>[0],
  gate: AccessGate,
): Promise<Float32Array> => {
  const purpose = { run: input.run, round: input.model.version, role: 'model' } as const;
  const key = await gate.unwrap(input.model.envelope, purpose);
  const file = decodeSafetensors(await decryptBlob(key, purpose, input.cipher));
  matchManifest({ tensors: manifest.tensors }, file.manifest);
  if (!equalBytes(hashModel(manifest, file.flat), input.model.hash))
    throw new FloeError(
      'verification_failed',
      'the model in the blob is not the one that the record names',
    );
  return file.flat;
};

/** The masks that are left in the sum, from the bundle's secrets, each checked against what was committed to. */
const jobsOf = async (
  rules: RuleContext,
  log: RoundLog,
  round: CheckedRound,
  bundle: UnmaskingBundle,
): Promise<readonly MaskJob[]> => {
  const { commit, context, shares, survivors } = round;
  const fail = (reason: string): never => {
    throw new Culprit(commit, log.indexOf(commit), reason);
  };
  if (shares.length === survivors.body.members.length) {
    return survivors.body.members.map((member, i) => {
      const share = shares[i] as SignedRecord<'share'>;
      const found = bundle.secrets.find(
        ({ author, kind }) => kind === 'self' && equalBytes(author, member),
      );
      if (found === undefined) return fail(`the bundle lacks the self mask of survivor ${i}`);
      if (!equalBytes(commitSecret(context, member, found.secret), share.body.commitment))
        return fail(`the self mask of survivor ${i} is not the one it committed to`);
      return { seed: selfMaskSeed(context, member, found.secret), sign: -1 };
    });
  }
  const cohort = freezeCohort(
    round.registers.map(({ author, body }) => ({
      id: author,
      keys: { x25519: body.x25519, mlkem: body.mlkem },
    })),
  );
  const messages = shares.map((share) => {
    const own = bundle.shares.find(({ author }) => equalBytes(author, share.author));
    const matches =
      own?.entries.every((entry, i) =>
        equalBytes(sha256(entry), share.body.entries[i] as Uint8Array),
      ) ?? false;
    if (own === undefined || !matches)
      return fail(`the bundle lacks the entries of ${toHex(share.author).slice(0, 8)}`);
    return { author: share.author, commitment: share.body.commitment, entries: own.entries };
  });
  const result = await maskJobs(
    { context, cohort, shares: messages, survivors: survivors.body.members },
    bundle.secrets,
    rules.signal,
  );
  if (result.type === 'failed')
    return fail(
      `the bundle's secrets do not open the sum: ${result.failures[0]?.type ?? 'unknown'}`,
    );
  return result.jobs;
};

/** Folds the uploads of a checked round; without masks each is decrypted first. */
const foldUploads = async (
  rules: RuleContext,
  log: RoundLog,
  round: CheckedRound,
  gate: AccessGate,
): Promise<Lanes> => {
  const fold = createFold(layoutOf(rules.spec, round.cohort.body.members.length));
  for (const upload of round.uploads) {
    const ref = lastingRef(round.commit, round.survivors, upload);
    const bytes = await readBlob(rules, log, upload, ref, 'the upload');
    await blaming(upload, log.indexOf(upload), 'the upload', async () => {
      if (rules.spec.secagg === 'masked') return fold.add(bytes);
      const { envelope } = upload.body;
      if (envelope === undefined)
        throw new FloeError('upload_mismatch', 'expected an envelope, got none');
      const purpose = { run: rules.run, round: log.round, role: 'update' } as const;
      fold.add(await decryptBlob(await gate.unwrap(envelope, purpose), purpose, bytes));
    });
  }
  return fold.lanes as Lanes;
};

/**
 * Recomputes one round.
 *
 * @param before w_t, flat
 * @returns w_{t+1}, which equals the published model bit for bit
 * @throws Culprit when anything differs
 * @throws FloeError `access_denied` when the gate's identity may not open the round
 */
export const recomputeRound = async (
  rules: RuleContext,
  log: RoundLog,
  round: CheckedRound,
  before: Float32Array,
  gate: AccessGate,
): Promise<Float32Array> => {
  const { commit, cohort, open, survivors } = round;
  const check = (condition: boolean, reason: string): void => {
    if (!condition) throw new Culprit(commit, log.indexOf(commit), reason);
  };
  const blame = <Result>(what: string, work: () => Result | Promise<Result>): Promise<Result> =>
    blaming(commit, log.indexOf(commit), what, work);
  const lanes = await foldUploads(rules, log, round, gate);
  if (rules.spec.secagg === 'masked') {
    const purpose = { run: rules.run, round: log.round, role: 'bundle' } as const;
    const { blob, envelope } = commit.body.bundle;
    const cipher = await readBlob(rules, log, commit, blob, 'the unmasking bundle');
    const bundle = await blame('the unmasking bundle', async () =>
      decodeBundle(await decryptBlob(await gate.unwrap(envelope, purpose), purpose, cipher)),
    );
    const { modulusBits } = layoutOf(rules.spec, cohort.body.members.length);
    const jobs = await blame('the unmasking bundle', () => jobsOf(rules, log, round, bundle));
    await unmask(lanes, jobs, modulusBits, { signal: rules.signal });
  }
  const result = await blame('the sum', () =>
    finishRound({
      spec: rules.spec,
      n: cohort.body.members.length,
      survivors: survivors.body.members.length,
      lanes,
      before,
      rotationSeed: rotationSeed({
        round: log.round,
        modelHash: open.body.model.hash,
        cohortRoot: cohort.body.root,
        beacon: cohort.body.beacon,
      }),
    }),
  );
  const { metrics, weight } = commit.body;
  check(
    sameAggregate(result.aggregate, commit.body.aggregate),
    'the recomputed sum differs from the published one',
  );
  check(
    result.weight === weight,
    `the recomputed weight is ${result.weight}, published is ${weight}`,
  );
  const sameMetrics = (['lossSum', 'correct', 'clipped'] as const).every(
    (name) => result.metrics[name] === metrics[name],
  );
  check(sameMetrics, 'the recomputed metrics differ from the published ones');
  check(
    equalBytes(result.afterHash, commit.body.model.hash),
    'the recomputed model differs from the published one',
  );
  const cipher = await readBlob(rules, log, commit, commit.body.model.blob, 'the model');
  const { model } = commit.body;
  await blame('the published model', () =>
    openModel({ run: rules.run, model, cipher }, rules.spec.model, gate),
  );
  return result.after;
};
