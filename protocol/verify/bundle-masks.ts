/**
 * @module From the bundle of an attempt to the masks that are left in its sum, each secret held
 * against what its author committed to (Bonawitz et al. 2017, round 4): for verification of the
 * whole sum and for spot checks of one leaf alike.
 */
import { entropiesOf, type UnmaskingBundle } from './bundle.ts';
import { equalBytes, toHex } from '../bytes.ts';
import { graphOf, livingGroups } from '../rules/groups.ts';
import { nextBeacon } from '../rules/beacon.ts';
import type { SignedRecord } from '../records/records.ts';
import type { RunSpec } from '../spec/run-spec.ts';
import {
  commitSecret,
  entryHash,
  freezeCohort,
  holderPlace,
  maskJobs,
  openPairs,
  selfMaskSeed,
  showsEntry,
  type MaskJob,
} from '../secagg/index.ts';

/** The records of an attempt that say whose secrets its bundle must hold. */
export interface MaskedRound {
  readonly spec: RunSpec;
  readonly context: Uint8Array;
  /** Of the cohort, in the order of its members. */
  readonly registers: readonly SignedRecord<'register'>[];
  /** Of the sharers, in the order of the authors. */
  readonly shares: readonly SignedRecord<'share'>[];
  readonly survivors: SignedRecord<'survivors'>;
  readonly cohort: SignedRecord<'cohort'>;
  readonly open: SignedRecord<'open'>;
  readonly commit: SignedRecord<'commit'>;
}

/** The bundle does not open the sum. */
interface Wrong {
  readonly type: 'wrong';
  readonly reason: string;
}

type PartJobs = { readonly type: 'jobs'; readonly jobs: readonly MaskJob[] } | Wrong;

export type BundleJobs =
  /** By group with survivors, in their order; of a cohort without groups, for its one sum. */
  { readonly type: 'jobs'; readonly jobs: readonly (readonly MaskJob[])[] } | Wrong;

const wrong = (reason: string): Wrong => ({ type: 'wrong', reason });

/** What one sum is made of. */
interface Part {
  readonly shares: readonly SignedRecord<'share'>[];
  readonly survivors: readonly Uint8Array[];
}

/** The sums of the attempt: one, or one for each group with survivors. */
const partsOf = ({ spec, cohort, shares, survivors }: MaskedRound): readonly Part[] =>
  livingGroups({ spec, cohort }, survivors.body.members).map(({ group, present }) => ({
    shares: shares.filter(({ author }) => group.keys.has(toHex(author))),
    survivors: present,
  }));

/** Everybody who shared has survived: what is left are self masks. */
const selfMasks = (
  { context }: MaskedRound,
  { shares }: Part,
  bundle: UnmaskingBundle,
): PartJobs => {
  const jobs: MaskJob[] = [];
  for (const [i, share] of shares.entries()) {
    const found = bundle.secrets.find(
      ({ author, kind }) => kind === 'self' && equalBytes(author, share.author),
    );
    if (found === undefined) return wrong(`the bundle lacks the self mask of survivor ${i}`);
    if (!equalBytes(commitSecret(context, share.author, found.secret), share.body.commitment))
      return wrong(`the self mask of survivor ${i} is not the one it committed to`);
    jobs.push({ seed: selfMaskSeed(context, share.author, found.secret), sign: -1 });
  }
  return { type: 'jobs', jobs };
};

/** @throws FloeError `aborted`, and as `maskJobs` for a view that no records give */
export const bundleJobs = async (
  attempt: MaskedRound,
  bundle: UnmaskingBundle,
  signal?: AbortSignal,
): Promise<BundleJobs> => {
  const parts = partsOf(attempt);
  const jobs: (readonly MaskJob[])[] = [];
  for (const part of parts) {
    const found = await masksOf(attempt, part, bundle, signal);
    if (found.type === 'wrong') return found;
    jobs.push(found.jobs);
  }
  const secrets = parts.reduce((sum, { shares }) => sum + shares.length, 0);
  if (bundle.secrets.length !== secrets)
    return wrong(`the bundle has ${bundle.secrets.length} secrets, of ${secrets} that were opened`);
  // The secrets are those that were committed to, so the entropy in them is too.
  const entropies = entropiesOf(attempt.survivors.body.members, bundle.secrets);
  const beacon = nextBeacon(attempt.open.body.beacon, entropies);
  return equalBytes(beacon, attempt.commit.body.beacon)
    ? { type: 'jobs', jobs }
    : wrong('the beacon is not made of what the commit opened');
};

const nameOf = (author: Uint8Array, recipient: Uint8Array): string =>
  `${toHex(author)}/${toHex(recipient)}`;

const masksOf = async (
  attempt: MaskedRound,
  part: Part,
  bundle: UnmaskingBundle,
  signal: AbortSignal | undefined,
): Promise<PartJobs> => {
  const { context, spec } = attempt;
  const { shares, survivors } = part;
  if (shares.length === survivors.length) return selfMasks(attempt, part, bundle);
  const cohort = freezeCohort(
    attempt.registers.map(({ author, body }) => ({
      id: author,
      mask: body.mask,
      seal: body.seal,
    })),
    attempt.cohort.body.beacon,
    { graph: graphOf({ spec, cohort: attempt.cohort }) },
  );
  const signed = new Map(shares.map(({ author, body }) => [toHex(author), body]));
  const pairs = new Map(bundle.pairs.map((pair) => [nameOf(pair.author, pair.recipient), pair]));
  const view = {
    context,
    cohort,
    shares: shares.map(({ author, body: { commitment } }) => ({ author, commitment })),
    survivors,
    entryOf: (author: Uint8Array, recipient: Uint8Array) =>
      pairs.get(nameOf(author, recipient))?.entry,
  };
  for (const { author, recipient } of openPairs(view)) {
    const pair = pairs.get(nameOf(author, recipient));
    const entries = signed.get(toHex(author))?.entries;
    const place = holderPlace(cohort, author, recipient);
    const isShown =
      pair !== undefined &&
      entries !== undefined &&
      place !== undefined &&
      showsEntry({ context, author }, entries, place, entryHash(pair.entry), pair.path);
    if (!isShown) return wrong(`the bundle lacks the entries of ${toHex(author).slice(0, 8)}`);
  }
  const own = bundle.secrets.filter(({ author }) => signed.has(toHex(author)));
  const result = await maskJobs(view, own, signal);
  return result.type === 'jobs'
    ? result
    : wrong(`the bundle's secrets do not open the sum: ${result.failures[0]?.type ?? 'unknown'}`);
};
