/**
 * @module What the attacks have in common: participants with private data whose true updates the test knows, a coordinator that
 * lies to them, and what an attacker reads out of what it was given. The form of records and keys is here and nowhere else in
 * this folder, but for `forge.ts`, which signs whole transcripts anew.
 */
import { sealedBoxGate } from '../../protocol/access/sealed-box-gate.ts';
import { layoutOf, METRICS, rotationSeed } from '../../protocol/aggregate/round.ts';
import { equalBytes } from '../../protocol/bytes.ts';
import { decodeSum, unpack } from '../../protocol/encoding/index.ts';
import { decryptBlob } from '../../protocol/envelope.ts';
import { identityFromSeed } from '../../protocol/identity.ts';
import { cohortEntropy, localBeacon } from '../../protocol/ledger/beacon.ts';
import { cipherStream, deriveSeed, type RandomSource } from '../../protocol/random.ts';
import { signRecord, sortKeys, type SignedRecord } from '../../protocol/records.ts';
import { makeRunSpec, type RunSpecInput } from '../../protocol/run-spec.ts';
import { cohortRoot, derive, OWN_ENTRY_BYTES, type Lanes } from '../../protocol/secagg/index.ts';
import type { Manifest } from '../../protocol/tensors/index.ts';
import { decodeRunMemory, encodeRunMemory, type Keystore } from '../../client/keystore/keystore.ts';
import { functionTrainer, type Trainer } from '../../client/trainer.ts';
import { keystoreOf, start, type Started } from '../support/participants.ts';
import { ScriptedCoordinator, TENSORS } from '../support/scripted-coordinator.ts';

// Vectors.

export const dot = (a: Float32Array, b: Float32Array): number =>
  a.reduce((sum, value, i) => sum + value * b[i]!, 0);
export const norm = (a: Float32Array): number => Math.sqrt(dot(a, a));
/** 1 when the two point the same way: the attacker has the vector up to its length. */
export const cosine = (a: Float32Array, b: Float32Array): number =>
  dot(a, b) / (norm(a) * norm(b) || 1);
export const minus = (a: Float32Array, ...others: readonly Float32Array[]): Float32Array =>
  others.reduce((rest, other) => rest.map((value, i) => value - other[i]!), a);
export const times = (a: Float32Array, factor: number): Float32Array =>
  a.map((value) => value * factor);

/** Uniform in [-1, 1). */
const uniform = (random: RandomSource): number => {
  const [a = 0, b = 0] = random(2);
  return (a * 256 + b) / 32_768 - 1;
};

// Private data and honest training on it.

export interface Example {
  readonly features: Float32Array;
  /** What the model should say: one number for each output. */
  readonly target: Float32Array;
}

const FEATURES = 6;
const OUTPUTS = 5;

/** The private examples of one participant: features in [-1, 1), one of five classes. */
export const examplesOf = (seed: string, count: number, scale = 1): Example[] => {
  const random = cipherStream(deriveSeed(new Uint8Array(32), 'examples', seed));
  return Array.from({ length: count }, (_, i) => ({
    features: new Float32Array(FEATURES).map(() => scale * uniform(random)),
    target: new Float32Array(OUTPUTS).fill(1, i % OUTPUTS, (i % OUTPUTS) + 1),
  }));
};

/** A trainer whose true updates the test may look at, to say how close an attacker has come. */
export interface Learner {
  readonly trainer: Trainer;
  /** Weights that training started from, and the update it gave, call by call. */
  readonly seen: Float32Array[];
  readonly updates: Float32Array[];
}

type Gradient = (weights: Float32Array, batch: readonly Example[]) => Float32Array;

/** Plain gradient descent, batch by batch in the order of the examples. */
const learner = (manifest: Manifest, examples: readonly Example[], gradient: Gradient): Learner => {
  const seen: Float32Array[] = [];
  const updates: Float32Array[] = [];
  return {
    seen,
    updates,
    trainer: functionTrainer({
      manifest,
      train: ({ weights, epochs, batchSize, learningRate }) => {
        let trained: Float32Array = weights.slice();
        for (let epoch = 0; epoch < epochs; epoch += 1)
          for (let at = 0; at < examples.length; at += batchSize)
            trained = minus(
              trained,
              times(gradient(trained, examples.slice(at, at + batchSize)), learningRate),
            );
        seen.push(weights.slice());
        updates.push(minus(trained, weights));
        return { weights: trained, examples: examples.length, lossSum: 1, correct: 1 };
      },
    }),
  };
};

/** Mean gradient of the squared error of a linear model with six features and five outputs. */
export const linearGradient: Gradient = (weights, batch) => {
  const sum = new Float32Array(weights.length);
  for (const { features, target } of batch)
    for (let k = 0; k < OUTPUTS; k += 1) {
      let error = weights[FEATURES * OUTPUTS + k]! - target[k]!;
      for (let f = 0; f < FEATURES; f += 1) error += features[f]! * weights[f * OUTPUTS + k]!;
      for (let f = 0; f < FEATURES; f += 1)
        sum[f * OUTPUTS + k]! += (error * features[f]!) / batch.length;
      sum[FEATURES * OUTPUTS + k]! += error / batch.length;
    }
  return sum;
};

export const linearLearner = (examples: readonly Example[]): Learner =>
  learner({ tensors: TENSORS }, examples, linearGradient);

/** The part of a linear update that belongs to one output's features. */
export const columnOf = (update: Float32Array, output: number): Float32Array =>
  new Float32Array(FEATURES).map((_, f) => update[f * OUTPUTS + output]!);

/** The linear model that says nothing yet. */
export const zeros = (): Float32Array<ArrayBuffer> => new Float32Array((FEATURES + 1) * OUTPUTS);

// A model with one hidden layer, for "Robbing the Fed" (Fowl et al. 2022).

export const TRAP = { features: 16, neurons: 400 } as const;
const TRAP_TENSORS = [
  { name: 'hidden/kernel', shape: [TRAP.features, TRAP.neurons], dtype: 'float32' },
  { name: 'hidden/bias', shape: [TRAP.neurons], dtype: 'float32' },
  { name: 'output/kernel', shape: [TRAP.neurons], dtype: 'float32' },
] as const;

/** Examples of the wide model: features in [0, 1), all of one target. */
export const wideExamples = (seed: string, count: number): Example[] => {
  const random = cipherStream(deriveSeed(new Uint8Array(32), 'wide', seed));
  return Array.from({ length: count }, () => ({
    features: new Float32Array(TRAP.features).map(() => (uniform(random) + 1) / 2),
    target: new Float32Array([10]),
  }));
};

const { features: WIDE, neurons: NEURONS } = TRAP;
const BIAS = WIDE * NEURONS;
const OUTPUT = BIAS + NEURONS;

/** Mean gradient of the squared error of sum_j v_j relu(w_j x + b_j). */
const wideGradient: Gradient = (weights, batch) => {
  const sum = new Float32Array(weights.length);
  for (const { features, target } of batch) {
    const hidden = new Float32Array(NEURONS).map((_, j) => {
      let value = weights[BIAS + j]!;
      for (let f = 0; f < WIDE; f += 1) value += features[f]! * weights[f * NEURONS + j]!;
      return Math.max(0, value);
    });
    const error = (dot(hidden, weights.subarray(OUTPUT)) - target[0]!) / batch.length;
    for (let j = 0; j < NEURONS; j += 1) {
      if (hidden[j] === 0) continue;
      const back = error * weights[OUTPUT + j]!;
      for (let f = 0; f < WIDE; f += 1) sum[f * NEURONS + j]! += back * features[f]!;
      sum[BIAS + j]! += back;
      sum[OUTPUT + j]! += error * hidden[j]!;
    }
  }
  return sum;
};

export const wideLearner = (examples: readonly Example[]): Learner =>
  learner({ tensors: TRAP_TENSORS }, examples, wideGradient);

/** Every neuron measures the mean of an example, each with another threshold: neighbours differ by the examples between. */
export const trapModel = (): Float32Array<ArrayBuffer> => {
  const weights = new Float32Array(OUTPUT + NEURONS);
  weights.fill(1 / WIDE, 0, BIAS);
  weights.fill(0.01, OUTPUT);
  // Means of 16 uniform numbers: 0.5 with a deviation of 0.072.
  for (let j = 0; j < NEURONS; j += 1) weights[BIAS + j] = -(0.25 + (0.5 * j) / NEURONS);
  return weights;
};

/** What the trap holds after training: the difference of two neighbours is one example, where one fell between them. */
export const trapped = (update: Float32Array): Float32Array[] =>
  Array.from({ length: NEURONS - 1 }, (_, j) => {
    const bias = update[BIAS + j]! - update[BIAS + j + 1]!;
    const kernel = (f: number): number => update[f * NEURONS + j]! - update[f * NEURONS + j + 1]!;
    return Float32Array.from({ length: WIDE }, (__, f) => kernel(f) / bias);
  });

/** How many of the examples stand among the found ones, to within a twentieth of their length. */
export const recovered = (found: readonly Float32Array[], examples: readonly Example[]): number =>
  examples.filter(({ features }) =>
    found.some((one) => norm(minus(one, features)) < norm(features) / 20),
  ).length;

// A coordinator that lies, and honest clients.

export interface Person extends Started, Learner {
  readonly index: number;
}

export interface Stage {
  readonly coordinator: ScriptedCoordinator;
  readonly people: readonly Person[];
  /** The first of them. */
  readonly victim: Person;
  /** All keys, ascending. */
  readonly members: readonly Uint8Array[];
}

type SpecChange = Omit<Partial<RunSpecInput>, 'id' | 'coordinator' | 'model'>;

/** Fine enough to see that a difference is one update and no other. */
const FINE = { ring: 'ring32', bits: 20, clipNorm: 4, rotation: true, weightCap: 20 } as const;

/** A coordinator of a run of its own making; `id` tells runs apart. */
export const liar = async (
  change: SpecChange = {},
  { id = 5, tensors = TENSORS }: { id?: number; tensors?: Manifest['tensors'] } = {},
): Promise<ScriptedCoordinator> => {
  const identity = await identityFromSeed(new Uint8Array(32).fill(200));
  const spec = makeRunSpec({
    id: new Uint8Array(16).fill(id),
    coordinator: identity.publicKey,
    model: {
      architecture: 'custom',
      tensors: tensors.map((tensor) => ({ ...tensor, shape: [...tensor.shape] })),
    },
    cohort: { size: 10, minimum: 3 },
    ...change,
    encoding: { ...FINE, ...change.encoding },
  });
  return new ScriptedCoordinator(identity, spec);
};

export const liarWithTrap = (change: SpecChange = {}): Promise<ScriptedCoordinator> =>
  liar(change, { tensors: TRAP_TENSORS });

const started: Started[] = [];

/** For `afterEach`: everyone leaves. */
export const everyoneLeaves = async (): Promise<void> => {
  await Promise.all(started.splice(0).map(({ participant }) => participant.stop()));
};

export const enter = async (
  coordinator: ScriptedCoordinator,
  index: number,
  own: Learner,
  options: Parameters<typeof start>[2] = {},
): Promise<Person> => {
  const one = await start(coordinator, index, { ...options, trainer: own.trainer });
  started.push(one);
  return { ...one, ...own, index };
};

/** Honest clients with ten examples each, or what `own` gives them. */
export const stageOf = async (
  coordinator: ScriptedCoordinator,
  count: number,
  own: (index: number) => Learner = (index) => linearLearner(examplesOf(`${index}`, 10)),
  options: (index: number) => Parameters<typeof start>[2] = () => ({}),
): Promise<Stage> => {
  const people = await Promise.all(
    Array.from({ length: count }, (_, index) =>
      enter(coordinator, index, own(index), options(index)),
    ),
  );
  await coordinator.loggedIn(count);
  return { coordinator, people, victim: people[0]!, members: coordinator.keys };
};

export const isKeyOf = (one: { readonly key: Uint8Array }, key: Uint8Array): boolean =>
  equalBytes(one.key, key);
export const without = (
  members: readonly Uint8Array[],
  ...gone: readonly { readonly key: Uint8Array }[]
): Uint8Array[] => members.filter((key) => !gone.some((one) => isKeyOf(one, key)));

/** Opens a round for these members only. */
export const openFor = (
  coordinator: ScriptedCoordinator,
  invited: readonly Uint8Array[],
  number?: number,
): Promise<SignedRecord<'open'>> =>
  coordinator.open((body) => ({ ...body, invited: [...invited] }), number);

const decode = (
  coordinator: ScriptedCoordinator,
  lanes: Lanes,
  survivors: number,
): Float32Array => {
  const { spec, round } = coordinator;
  const { root, beacon, members } = round!.cohort!.body;
  const { meanDelta, weight } = decodeSum({
    lanes,
    spec: spec.encoding,
    n: members.length,
    survivors,
    rotationSeed: rotationSeed({
      round: round!.number,
      modelHash: round!.open.body.model.hash,
      cohortRoot: root,
      beacon,
    }),
    dimension: coordinator.weights.length,
    extras: METRICS,
  });
  return times(meanDelta, weight);
};

/** What the coordinator knows once these have answered: the sum of the weighted updates. */
export const openedSum = async (
  coordinator: ScriptedCoordinator,
  answering: readonly Uint8Array[],
): Promise<Float32Array> =>
  decode(
    coordinator,
    await coordinator.sum(answering),
    coordinator.round!.survivors!.body.members.length,
  );

/** A round up to the answers, in which nobody notices anything. Returns the sum it opened. */
export const sumOver = async (
  coordinator: ScriptedCoordinator,
  members: readonly Uint8Array[],
): Promise<Float32Array> => {
  await openFor(coordinator, members);
  await coordinator.cohort(members);
  await coordinator.sharers(members);
  await coordinator.survivors(members);
  await coordinator.consistency(members);
  return openedSum(coordinator, members);
};

/** Without masks: what the coordinator reads of one participant alone. */
export const readUpload = async (
  coordinator: ScriptedCoordinator,
  member: Uint8Array,
): Promise<Float32Array> => {
  const { spec, run, round } = coordinator;
  const [{ body }] = (await coordinator.collect([member], 'upload')) as [SignedRecord<'upload'>];
  const purpose = { run, round: round!.number, role: 'update' } as const;
  const gate = sealedBoxGate(coordinator.identity);
  const key = await gate.unwrap(body.envelope ?? new Uint8Array(), purpose);
  const packed = await decryptBlob(key, purpose, await coordinator.store.get(body.blob));
  const layout = layoutOf(spec, round!.cohort!.body.members.length);
  return decode(coordinator, unpack(packed, layout.modulusBits, layout.lanes) as Lanes, 1);
};

/** What broke a rule in the eyes of these participants. */
export const violations = (people: readonly Started[]): string[] =>
  people.flatMap(({ events }) =>
    events.flatMap((event) => (event.type === 'violation' ? [event.error.code] : [])),
  );

/** A keystore that can be copied and put back, as a backup is. */
export interface CopiedKeystore {
  readonly keystore: Keystore;
  /** Makes a copy; calling what it returns puts the copy back. */
  copy(): () => Keystore;
}

export const copiedKeystore = async (index: number): Promise<CopiedKeystore> => {
  const inner = await keystoreOf(index);
  const fresh = (memory: Uint8Array | undefined, kept: Uint8Array | undefined) => {
    let saved = memory;
    let vector = kept;
    const keystore: Keystore = {
      ...inner,
      load: async () => saved && decodeRunMemory(saved),
      save: async (_, next) => void (saved = encodeRunMemory(next)),
      saveVector: async (_, next) => void (vector = next.slice()),
      loadVector: async () => vector,
      eraseVector: async () => void (vector = undefined),
    };
    return { keystore, copy: () => ({ memory: saved, vector }) };
  };
  const first = fresh(undefined, undefined);
  return {
    keystore: first.keystore,
    copy: () => {
      const { memory, vector } = first.copy();
      return () => fresh(memory, vector).keystore;
    },
  };
};

/** A sealed entry that does not open, over commitments that hold: its author answers for its own as if nothing were wrong. */
export const unopenable = (entry: Uint8Array): Uint8Array =>
  entry.length === OWN_ENTRY_BYTES
    ? entry
    : entry.map((byte, i) => (i === entry.length - OWN_ENTRY_BYTES - 1 ? byte ^ 1 : byte));

// A cohort with a key of the coordinator in it.

/** Registers a key of the coordinator's own, whose nonce is tried until the beacon is as wished. Returns the beacon. */
export const groundCohort = async (
  { coordinator, members }: Stage,
  wished: (beacon: Uint8Array) => boolean,
): Promise<Uint8Array> => {
  const own = await identityFromSeed(new Uint8Array(32).fill(201));
  const all = sortKeys([...members, own.publicKey]);
  await coordinator.open((body) => ({ ...body, invited: all }));
  const round = coordinator.round!;
  const honest = await coordinator.collect(members, 'register');
  const root = cohortRoot(all);
  const at = all.findIndex((key) => equalBytes(key, own.publicKey));
  const nonces = honest.map(({ body }) => body.nonce);
  const nonce = new Uint8Array(32);
  const beaconOf = (): Uint8Array =>
    localBeacon(root, cohortEntropy(nonces.toSpliced(at, 0, nonce)));
  for (let i = 0; !wished(beaconOf()); i += 1) new DataView(nonce.buffer).setUint32(0, i);
  const keys = derive(new Uint8Array(32).fill(9)).public;
  const forged = signRecord(own, 'register', coordinator.run, round.number, {
    open: round.open.hash,
    ...keys,
    nonce,
  });
  const registers = honest.toSpliced(at, 0, forged);
  const cohort = coordinator.sign('cohort', round.number, coordinator.cohortBody(registers));
  coordinator.send([...members], {
    type: 'cohort',
    record: cohort.bytes,
    registers: registers.map(({ bytes }) => bytes),
  });
  await coordinator.collect(members, 'share');
  return cohort.body.beacon;
};
