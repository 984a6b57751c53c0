/**
 * @module What the attacks of a lying coordinator have in common: a coordinator whose every step
 * can be forged, honest clients whose true updates the test knows, and what the coordinator reads
 * out of what it was given.
 */
import { DEFAULT_METRICS, extrasOf } from '../../protocol/algorithm/metrics.ts';
import { sealedBoxGate } from '../../protocol/ports/sealed-box-gate.ts';
import { layoutOf, rotationSeed } from '../../protocol/algorithm/round.ts';
import { equalBytes } from '../../protocol/bytes.ts';
import { decodeSum, unpack } from '../../protocol/encoding/index.ts';
import { decryptBlob } from '../../protocol/model/envelope.ts';
import { FloeError } from '../../protocol/errors.ts';
import { identityFromSeed } from '../../protocol/ports/identity.ts';
import { sortKeys, type SignedRecord } from '../../protocol/records/records.ts';
import { makeRunSpec, type RunSpecInput } from '../../protocol/spec/run-spec.ts';
import type { Lanes } from '../../protocol/secagg/index.ts';
import type { Manifest } from '../../protocol/model/index.ts';
import { decodeRunMemory, encodeRunMemory, type Keystore } from '../../client/keystore/keystore.ts';
import { keystoreOf, start, type Started } from '../support/participants.ts';
import { ScriptedCoordinator, TENSORS } from '../support/scripted-coordinator.ts';
import { examplesOf, linearLearner, times, TRAP_TENSORS, type Learner } from './learning.ts';

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
  {
    id = 5,
    tensors = TENSORS,
    seed,
  }: { id?: number; tensors?: Manifest['tensors']; seed?: Uint8Array } = {},
): Promise<ScriptedCoordinator> => {
  const identity = await identityFromSeed(new Uint8Array(32).fill(200));
  const spec = makeRunSpec({
    id: new Uint8Array(16).fill(id),
    coordinator: identity.publicKey,
    model: {
      architecture: 'custom',
      tensors: tensors.map((tensor) => ({ ...tensor, shape: [...tensor.shape] })),
      ...(seed === undefined ? {} : { seed }),
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

/**
 * Opens a round for these members only. After a commit the others are said to be unable to take
 * part, and to make that possible, that an attempt has failed in between.
 */
export const openFor = (
  coordinator: ScriptedCoordinator,
  invited: readonly Uint8Array[],
  number?: number,
): Promise<SignedRecord<'open'>> =>
  coordinator.open(
    undefined,
    number ?? (coordinator.attempt?.number ?? 0) + (coordinator.version > 0 ? 2 : 1),
    sortKeys(invited),
  );

const decode = (
  coordinator: ScriptedCoordinator,
  lanes: Lanes,
  survivors: number,
): Float32Array => {
  const { spec, attempt } = coordinator;
  const { root, members } = attempt!.cohort!.body;
  const { meanDelta, weight } = decodeSum({
    lanes,
    spec: spec.encoding,
    n: members.length,
    survivors,
    rotationSeed: rotationSeed({
      attempt: attempt!.number,
      modelHash: attempt!.open.body.model.hash,
      cohortRoot: root,
    }),
    dimension: coordinator.weights.length,
    extras: extrasOf(DEFAULT_METRICS),
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
    (await coordinator.sum(answering)).lanes,
    coordinator.attempt!.survivors!.body.members.length,
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
  const { spec, run, attempt } = coordinator;
  const [{ body }] = (await coordinator.collect([member], 'upload')) as [SignedRecord<'upload'>];
  const purpose = { run, attempt: attempt!.number, role: 'update' } as const;
  const gate = sealedBoxGate(coordinator.identity);
  const key = await gate.unwrap(body.envelope ?? new Uint8Array(), purpose);
  const packed = await decryptBlob(key, purpose, await coordinator.store.get(body.blob));
  const layout = layoutOf(
    spec,
    attempt!.cohort!.body.members.length,
    attempt!.open.body.meanExamples,
  );
  return decode(coordinator, unpack(packed, layout.modulusBits, layout.lanes) as Lanes, 1);
};

/** What broke a rule in the eyes of these participants. */
export const violations = (people: readonly Started[]): string[] =>
  people.flatMap(({ events }) =>
    events.flatMap((event) => (event.type === 'violation' ? [event.error.code] : [])),
  );

/** Why each of these sat the attempt out or stopped: the code. Each refusal is told once. */
export const refusals = (people: readonly Started[]): Promise<string[]> =>
  Promise.all(people.map((person) => refusalOf(person)));

/** How many events of each were told. */
const told = new WeakMap<Started['events'], number>();

const refusalOf = async ({ participant, events }: Started): Promise<string> => {
  const stopped = participant.finished.then(
    ({ type }) => type,
    (thrown: unknown) => (thrown instanceof FloeError ? thrown.code : 'no FloeError'),
  );
  const late = Date.now() + 10_000;
  for (;;) {
    const turn = new Promise<undefined>((resolve) => setTimeout(() => resolve(undefined), 2));
    const ended = await Promise.race([stopped, turn]);
    if (ended !== undefined) return ended;
    const fresh = events.slice(told.get(events) ?? 0);
    const found = fresh.find(({ type }) => type === 'withdrawn' || type === 'violation');
    if (found?.type === 'withdrawn' || found?.type === 'violation') {
      told.set(events, events.length);
      return found.error.code;
    }
    if (Date.now() > late) throw new Error(`nobody refused: ${events.map((e) => e.type).join()}`);
  }
};

/** What these have sent in the newest attempt, by type of record. */
export const sentOf = (
  coordinator: ScriptedCoordinator,
  members: readonly Uint8Array[],
  type: 'register' | 'share' | 'upload' | 'unmask',
): number => members.reduce((sum, key) => sum + coordinator.recordsOf(key, type).length, 0);

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
