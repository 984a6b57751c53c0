/**
 * @module From the bundle of a round to the masks that are left in its sum, each secret held against what its author committed
 * to (Bonawitz et al. 2017, round 4): for verification of the whole sum and for spot checks of one leaf alike.
 */
import { entropiesOf, type UnmaskingBundle } from './bundle.ts';
import { equalBytes, toHex } from '../bytes.ts';
import { nextBeacon } from '../rules/beacon.ts';
import type { SignedRecord } from '../records/records.ts';
import {
  commitSecret,
  entryHash,
  freezeCohort,
  maskJobs,
  selfMaskSeed,
  type MaskJob,
} from '../secagg/index.ts';

/** The records of a round that say whose secrets its bundle must hold. */
export interface MaskedRound {
  readonly context: Uint8Array;
  /** Of the cohort, in the order of its members. */
  readonly registers: readonly SignedRecord<'register'>[];
  /** Of the sharers, in the order of the authors. */
  readonly shares: readonly SignedRecord<'share'>[];
  readonly survivors: SignedRecord<'survivors'>;
  readonly open: SignedRecord<'open'>;
  readonly commit: SignedRecord<'commit'>;
}

export type BundleJobs =
  | { readonly type: 'jobs'; readonly jobs: readonly MaskJob[] }
  /** The bundle does not open the sum. */
  | { readonly type: 'wrong'; readonly reason: string };

const wrong = (reason: string): BundleJobs => ({ type: 'wrong', reason });

/** Everybody who shared has survived: what is left are self masks. */
const selfMasks = (round: MaskedRound, bundle: UnmaskingBundle): BundleJobs => {
  const { context, shares } = round;
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
  round: MaskedRound,
  bundle: UnmaskingBundle,
  signal?: AbortSignal,
): Promise<BundleJobs> => {
  const found = await masksOf(round, bundle, signal);
  if (found.type === 'wrong') return found;
  // The secrets are those that were committed to, so the entropy in them is too.
  const entropies = entropiesOf(round.survivors.body.members, bundle.secrets);
  const beacon = nextBeacon(round.open.body.beacon, entropies);
  return equalBytes(beacon, round.commit.body.beacon)
    ? found
    : wrong('the beacon is not made of what the commit opened');
};

const masksOf = async (
  round: MaskedRound,
  bundle: UnmaskingBundle,
  signal: AbortSignal | undefined,
): Promise<BundleJobs> => {
  const { context, shares, survivors } = round;
  if (shares.length === survivors.body.members.length) return selfMasks(round, bundle);
  const cohort = freezeCohort(
    round.registers.map(({ author, body }) => ({
      id: author,
      mask: body.mask,
      seal: body.seal,
    })),
  );
  const messages = [];
  for (const { author, body } of shares) {
    const own = bundle.shares.find((item) => equalBytes(item.author, author));
    const matches =
      own?.entries.length === body.entries.length &&
      own.entries.every((entry, i) => equalBytes(entryHash(entry), body.entries[i] as Uint8Array));
    if (own === undefined || !matches)
      return wrong(`the bundle lacks the entries of ${toHex(author).slice(0, 8)}`);
    messages.push({ author, commitment: body.commitment, entries: own.entries });
  }
  const result = await maskJobs(
    { context, cohort, shares: messages, survivors: survivors.body.members },
    bundle.secrets,
    signal,
  );
  return result.type === 'jobs'
    ? result
    : wrong(`the bundle's secrets do not open the sum: ${result.failures[0]?.type ?? 'unknown'}`);
};
