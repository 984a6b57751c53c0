/**
 * @module Training, the masked vector and its upload: each beside the frames, each after what it
 * needs is there. The vector is made once and saved before it leaves; a restart uploads those bytes
 * and no others. Bonawitz et al. 2017, round 2.
 */
import { sha256 } from '../../protocol/bytes.ts';
import { signRecord } from '../../protocol/records/records.ts';
import { recordUpload } from '../../protocol/secagg/index.ts';
import { guardOf, type Live } from './current-attempt.ts';
import type { Progress } from './progress.ts';
import * as spending from './spending.ts';
import * as steps from './crypto-steps.ts';

/**
 * Fetches the model and trains, beside the frames; nothing happens where a vector was made already.
 */
export const train = (progress: Progress, live: Live): void => {
  if (progress.round().vector !== undefined || live.trained !== undefined) return;
  const { emit } = progress.ports;
  const { round } = live.open;
  progress.beside.start(live, 'training', {
    work: (task) =>
      progress.beside.train(live.open, live.content, task, live.shared.promise, (done, total) => {
        if (progress.live === live) emit({ type: 'training', round, done, total });
      }),
    done: async (trained) => {
      live.trained = trained;
      delete live.content;
      const { examples, lossSum, correct } = trained.result;
      const { milliseconds } = trained;
      emit({ type: 'trained', round, examples, lossSum, correct, milliseconds });
      await makeVector(progress, live);
    },
  });
};

/**
 * Masks and packs once training and sharers are there, saves the bytes, and continues to the
 * upload.
 */
export const makeVector = async (progress: Progress, live: Live): Promise<void> => {
  const { sharing, opened, vector: made } = progress.round();
  if (made !== undefined) return uploadVector(progress, live);
  const { cohort, sharers, trained, open } = live;
  if (!cohort || !trained || (progress.masked && !(sharers && sharing && opened))) return;
  const { view, own, gate, keystore } = progress.ports;
  progress.beside.start(live, 'vector', {
    work: ({ signal, wait }) =>
      steps.makeVector(view, own, {
        open,
        checked: cohort,
        masks: sharing && opened ? { selfSecret: sharing.selfSecret, opened } : undefined,
        before: trained.before,
        trained: trained.result,
        wrap: (...args) => wait(() => gate.wrap(...args)),
        signal,
      }),
    done: async ({ bytes, chunkRoot, envelope }) => {
      const hash = sha256(bytes);
      const guard = recordUpload(
        progress.round().guard!,
        {
          context: cohort.context,
          hash,
          sharers: (sharers?.record ?? cohort.record).body.members,
        },
        { minimum: view.spec.cohort.minimum, threshold: cohort.threshold },
      );
      const vector = {
        sha256: hash,
        size: bytes.length,
        chunkRoot,
        ...(envelope === undefined ? {} : { envelope }),
      };
      const { hash: model } = open.body.model;
      if (progress.masked)
        spending.checkOwner(view, model, await keystore.claimModel(model, view.run));
      await keystore.saveVector(view.run, bytes);
      await progress.memory.add(
        { guard: guardOf(guard), vector },
        progress.masked ? spending.uploadedIn(progress.memory.run, model, cohort) : {},
      );
      delete live.trained;
      await uploadVector(progress, live, bytes);
    },
  });
};

/**
 * Puts the saved bytes, and no others, into the store, and says so.
 * @param made the saved bytes, where they were made just now; else they are read and checked
 */
const uploadVector = async (progress: Progress, live: Live, made?: Uint8Array): Promise<void> => {
  const { upload, vector } = progress.round();
  if (upload !== undefined) return progress.sendRecord(upload);
  const { cohort } = live;
  if (cohort === undefined || vector === undefined) return;
  const { view, own, emit } = progress.ports;
  const { round } = live.open;
  progress.beside.start(live, 'upload', {
    work: (task) => progress.beside.upload(vector, made, task),
    done: async (blob) => {
      const { context } = cohort;
      const { chunkRoot, envelope } = vector;
      const record = signRecord(own.identity, 'upload', view.run, round, {
        context,
        blob: { id: blob.id, sha256: blob.sha256, size: blob.size },
        chunkRoot,
        ...(envelope === undefined ? {} : { envelope }),
        ...(progress.masked ? {} : { entropy: steps.beaconEntropy(view, own, round) }),
      });
      await progress.memory.add({ upload: record.bytes });
      progress.sendRecord(record.bytes);
      emit({ type: 'uploaded', round, bytes: blob.size });
    },
  });
};
