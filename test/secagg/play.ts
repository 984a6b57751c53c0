/**
 * @module One runner for the whole protocol in memory: n participants, drop-outs at every phase,
 * and hooks where an attacker changes what travels. Deterministic in `seed`. Run by the tests and
 * by the vectors.
 */
import { localBeacon } from '../../protocol/rules/beacon.ts';
import { sha256, utf8 } from '../../protocol/bytes.ts';
import { deriveSeed, seededRandom } from '../../protocol/ports/random.ts';
import {
  answerUnmask,
  cohortRoot,
  createParty,
  deriveKeys,
  freezeCohort,
  makeShares,
  maskUpdate,
  openEntry,
  openGuard,
  pairSign,
  placeOf,
  platformPrimitives,
  ready,
  recordUpload,
  recover,
  attemptContext,
  selfMaskSeed,
  selfSecretOf,
  unmask,
} from '../../protocol/secagg/index.ts';
import type {
  Cohort,
  Graph,
  GuardState,
  Id,
  Lanes,
  OpenedEntry,
  Party,
  Primitives,
  RecoveryResult,
  RevealedShare,
  AttemptKeyPairs,
  AttemptView,
  ShareMessage,
  SharePair,
  UnmaskAnswer,
} from '../../protocol/secagg/index.ts';

/** Indices in cohort order. */
export interface Drops {
  readonly beforeShare?: readonly number[];
  readonly beforeUpload?: readonly number[];
  readonly beforeUnmask?: readonly number[];
}

/** Where an attacker sits. Each hook returns what travels instead. */
export interface Attack {
  /** The Share message of a participant. */
  readonly message?: (index: number, message: ShareMessage) => ShareMessage;
  /** The context under which a participant masks. */
  readonly maskContext?: (index: number, context: Uint8Array) => Uint8Array;
  /** What a survivor answers. */
  readonly answer?: (index: number, answer: UnmaskAnswer) => UnmaskAnswer;
}

export interface PlayInit {
  readonly n: number;
  readonly length: number;
  readonly modulusBits: number;
  readonly lanes?: 16 | 32;
  readonly seed: string;
  readonly attempt?: number;
  readonly drops?: Drops;
  readonly attack?: Attack;
  /** The update of a participant; default: uniform lanes below 2^modulusBits. */
  readonly update?: (index: number) => Lanes;
  /** What keys and seals are made with; the platform's by default. */
  readonly primitives?: Primitives;
  /** Who masks with whom; all with all by default. */
  readonly graph?: Graph;
}

export interface Participant {
  readonly id: Id;
  readonly sigma: Uint8Array;
  /** c. */
  readonly seal: Uint8Array;
  /** b || e. */
  readonly selfSecret: Uint8Array;
  /** Masking keys, from sigma. */
  readonly keys: AttemptKeyPairs;
  /** Sealing keys, from c. */
  readonly sealKeys: AttemptKeyPairs;
}

export interface Played {
  readonly participants: readonly Participant[];
  readonly cohort: Cohort;
  readonly context: Uint8Array;
  readonly parties: readonly Party[];
  /** What each participant keeps of the entries of the others, by cohort index. */
  readonly opened: readonly ReadonlyMap<number, OpenedEntry>[];
  readonly view: AttemptView;
  /** By cohort index. */
  readonly messages: ReadonlyMap<number, ShareMessage>;
  readonly masked: ReadonlyMap<number, Lanes>;
  readonly guards: ReadonlyMap<number, GuardState>;
  readonly answers: readonly UnmaskAnswer[];
  readonly result: RecoveryResult;
  /** The sum of the masked vectors, before unmasking. */
  readonly maskedSum: Lanes;
  /** After unmasking; null where the recovery failed. */
  readonly sum: Lanes | null;
  /** The plain sum over the survivors. */
  readonly expected: Lanes;
}

export const newLanes = (width: 16 | 32, length: number): Lanes =>
  width === 16 ? new Uint16Array(length) : new Uint32Array(length);

/** target += vector mod 2^bits, lane by lane, in exact integer arithmetic. */
export const addInto = (target: Lanes, vector: Lanes, bits: number): void => {
  for (let i = 0; i < target.length; i++) target[i] = (target[i]! + vector[i]!) % 2 ** bits;
};

const uniform = (seed: Uint8Array, width: 16 | 32, length: number, bits: number): Lanes => {
  const bytes = seededRandom(seed)((length * width) / 8);
  const raw =
    width === 16 ? new Uint16Array(bytes.buffer, 0, length) : new Uint32Array(bytes.buffer);
  return newLanes(width, length).map((_, i) => raw[i]! % 2 ** bits);
};

/** Round keys and secrets of n participants, ids in ascending order. */
export const makeParticipants = (
  seed: string,
  n: number,
  primitives = platformPrimitives,
): Participant[] => {
  const root = sha256(utf8(seed));
  const ids = Array.from({ length: n }, (_, i) => deriveSeed(root, 'id', i));
  return ids
    .toSorted((a, b) => Buffer.compare(a, b))
    .map((id, index) => {
      const sigma = deriveSeed(root, 'sigma', index);
      const seal = deriveSeed(root, 'c', index);
      return {
        id,
        sigma,
        seal,
        selfSecret: selfSecretOf(deriveSeed(root, 'b', index), deriveSeed(root, 'e', index)),
        keys: deriveKeys(sigma, 'mask', primitives),
        sealKeys: deriveKeys(seal, 'seal', primitives),
      };
    });
};

export const makeCohort = (
  participants: readonly Participant[],
  primitives = platformPrimitives,
  graph?: Graph,
): Cohort =>
  freezeCohort(
    participants.map(({ id, keys, sealKeys }) => ({
      id,
      mask: keys.public,
      seal: sealKeys.public,
    })),
    new Uint8Array(32),
    { primitives, graph },
  );

/** Context of round `round` for these participants and this model. */
export const makeContext = (cohort: Cohort, attempt: number, model = 'model'): Uint8Array => {
  const root = cohortRoot(cohort.members.map(({ id }) => id));
  return attemptContext({
    runHash: sha256(utf8('run')),
    attempt,
    modelHash: sha256(utf8(model)),
    cohortRoot: root,
    registersRoot: sha256(utf8('registers')),
    beacon: localBeacon(root, sha256(utf8('entropy'))),
  });
};

const without = (from: readonly number[], gone: readonly number[] = []): number[] =>
  from.filter((index) => !gone.includes(index));

export const play = async (init: PlayInit): Promise<Played> => {
  await ready();
  const { n, length, modulusBits, seed, drops = {}, attack = {} } = init;
  const { primitives } = init;
  const width = init.lanes ?? 16;
  const root = sha256(utf8(seed));
  const participants = makeParticipants(seed, n, primitives);
  const cohort = makeCohort(participants, primitives, init.graph);
  const context = makeContext(cohort, init.attempt ?? 1);
  const partyOf = (index: number, used: Uint8Array): Party => {
    const { id: self, sigma, seal } = participants[index]!;
    return createParty({ context: used, cohort, self, sigma, seal });
  };
  const parties = participants.map((_, index) => partyOf(index, context));
  const rules = { minimum: 3, threshold: cohort.topology.threshold };
  const everyone = participants.map((_, index) => index);
  const idsOf = (indices: readonly number[]): Id[] => indices.map((i) => participants[i]!.id);

  // Share
  const sharers = without(everyone, drops.beforeShare);
  const messages = new Map<number, ShareMessage>();
  const held = everyone.map(() => new Map<number, SharePair>());
  const opened = everyone.map(() => new Map<number, OpenedEntry>());
  for (const index of sharers) {
    const { selfSecret } = participants[index]!;
    const random = seededRandom(deriveSeed(root, 'shamir', index));
    const made = await makeShares({ party: parties[index]!, selfSecret, random });
    messages.set(index, attack.message?.(index, made.message) ?? made.message);
    held[index]!.set(index, made.own);
  }
  const neighboursOf = (index: number): number[] =>
    sharers.filter((other) => cohort.topology.neighbours[index]!.includes(other));
  for (const index of sharers)
    for (const author of neighboursOf(index)) {
      const place = placeOf(cohort.topology, author, index)!;
      const entry = messages.get(author)!.entries[place]!;
      const found = await openEntry(parties[index]!, participants[author]!.id, entry);
      held[index]!.set(author, found);
      opened[index]!.set(author, found);
    }

  // Masked upload
  const survivors = without(sharers, drops.beforeUpload);
  const guards = new Map<number, GuardState>();
  const masked = new Map<number, Lanes>();
  const maskedSum = newLanes(width, length);
  const expected = newLanes(width, length);
  for (const index of survivors) {
    const { id: self, selfSecret } = participants[index]!;
    const update =
      init.update?.(index) ?? uniform(deriveSeed(root, 'x', index), width, length, modulusBits);
    addInto(expected, update, modulusBits);
    const used = attack.maskContext?.(index, context) ?? context;
    const pairs = neighboursOf(index).map((other) => {
      const { author, seed: agreed } = opened[index]!.get(other)!;
      // Under another context the seed is another one, whatever the lie is.
      const seeded = used === context ? agreed : sha256(agreed, used);
      return { seed: seeded, sign: pairSign(self, author) };
    });
    const lanes = update.slice();
    const selfSeed = selfMaskSeed(used, self, selfSecret);
    await maskUpdate({ lanes, modulusBits, selfSeed, pairs });
    const guard = openGuard({
      run: sha256(utf8('run')),
      attempt: init.attempt ?? 1,
      context,
      self,
    });
    const hash = sha256(new Uint8Array(lanes.buffer));
    guards.set(index, recordUpload(guard, { context, hash, sharers: idsOf(sharers) }, rules));
    masked.set(index, lanes);
    addInto(maskedSum, lanes, modulusBits);
  }

  // Unmask
  const dropped = without(sharers, survivors);
  const answers: UnmaskAnswer[] = [];
  for (const index of without(survivors, drops.beforeUnmask)) {
    const request = {
      context,
      survivors: idsOf(survivors),
      dropped: idsOf(dropped),
      ownUpload: sha256(new Uint8Array(masked.get(index)!.buffer)),
    };
    const { state, reveal } = answerUnmask(guards.get(index)!, request, rules);
    guards.set(index, state);
    const shares = reveal.flatMap(({ author, kind }): RevealedShare[] => {
      const pair = held[index]!.get(cohort.members.findIndex(({ id }) => id === author));
      return pair === undefined ? [] : [{ author, kind, share: pair[kind] }];
    });
    const answer = { sender: participants[index]!.id, shares };
    answers.push(attack.answer?.(index, answer) ?? answer);
  }

  // Finish
  const shares = sharers.map((index) => messages.get(index)!);
  const view = { context, cohort, shares, survivors: idsOf(survivors) };
  const result = await recover(view, answers);
  let sum: Lanes | null = null;
  if (result.type === 'recovered') {
    sum = maskedSum.slice();
    await unmask(sum, result.jobs, modulusBits);
  }
  return {
    participants,
    cohort,
    context,
    parties,
    opened,
    view,
    messages,
    masked,
    guards,
    answers,
    result,
    maskedSum,
    sum,
    expected,
  };
};
