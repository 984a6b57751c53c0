/**
 * @module A participant's privacy ledger: what it has released in all runs of its identity, of
 * whichever coordinators. It is kept with the identity and written before an upload leaves, so a
 * crash can only overstate it. Pure; the keystore keeps the bytes.
 */
import * as v from 'valibot';
import { equalBytes, toHex } from '../../protocol/bytes.ts';
import { releasedIn } from '../../protocol/algorithm/privacy.ts';
import { FloeError } from '../../protocol/errors.ts';
import { composeRdp, epsilonOfRdp } from '../../protocol/privacy/accounting/rdp.ts';
import { curveOfNoise } from '../../protocol/privacy/noise.ts';
import { isCorrelated } from '../../protocol/rules/noise-streams.ts';
import type { RunSpec } from '../../protocol/spec/run-spec.ts';
import { encodeCbor, fixedBytes, integer } from '../../protocol/wire/cbor.ts';
import { decodeVersioned } from '../../protocol/wire/versioned.ts';

const amount = v.pipe(v.number(), v.finite(), v.minValue(0));
const MAX_RUNS = 10_000;

const ledgerSchema = v.strictObject({
  v: v.literal(1),
  runs: v.pipe(
    v.array(
      v.strictObject({
        /** Hash of the specification. */
        run: fixedBytes(32),
        /** Attempts whose sums may hold an update of this participant. */
        participations: integer(1, 100_000),
        /** The last of them. */
        last: integer(1, 100_000),
        /** The mechanism of one attempt, in units of the lattice; or of all of them: `whole`. */
        noise: v.pipe(
          v.array(v.strictObject({ l1: amount, l2: amount, variance: amount })),
          v.minLength(1),
          v.maxLength(32),
        ),
        /**
         * The noise of the attempts is correlated: `noise` is that of all attempts of the run up to
         * the last one, and is used once.
         */
        whole: v.optional(v.literal(true)),
      }),
    ),
    v.maxLength(MAX_RUNS),
  ),
});

/** What a participant has released. */
export type PrivacyLedger = Readonly<v.InferOutput<typeof ledgerSchema>>;
type Entry = PrivacyLedger['runs'][number];

const FORMAT = { field: 'v', version: 1, what: "the keystore's privacy ledger" };
const MAX_LEDGER_BYTES = 16 << 20;

/** @throws FloeError `data_malformed`, `run_outdated` */
export const decodeLedger = (bytes: Uint8Array | undefined): PrivacyLedger =>
  bytes === undefined
    ? { v: 1, runs: [] }
    : decodeVersioned(ledgerSchema, FORMAT, bytes, 'data_malformed', MAX_LEDGER_BYTES);

export const encodeLedger = (ledger: PrivacyLedger): Uint8Array => encodeCbor(ledger);

/** What a participant allows itself over all runs. */
export interface TotalBudget {
  readonly epsilon: number;
  readonly delta: number;
}

/** Epsilon of everything in the ledger at this delta: the runs compose. */
export const spentIn = ({ runs }: PrivacyLedger, delta: number): number =>
  runs.length === 0
    ? 0
    : epsilonOfRdp(
        composeRdp(
          runs.map(({ noise, participations, whole }) =>
            curveOfNoise(noise, whole === true ? 1 : participations),
          ),
        ),
        delta,
      ).epsilon;

/** Also the attempts that it missed are spent: the noise of this one depends on them. */
const correlatedEntry = (run: Uint8Array, spec: RunSpec, attempt: number): Entry => ({
  run,
  participations: attempt,
  last: attempt,
  // Beyond the budget nothing is released: the entry is only compared with it.
  noise: [...releasedIn(spec, Math.min(attempt, spec.privacy?.participations ?? 0)).noise],
  whole: true,
});

/** The first attempt that would be one more release. */
export const nextRelease = ({ runs }: PrivacyLedger, run: Uint8Array): number =>
  (runs.find((entry) => equalBytes(entry.run, run))?.last ?? 0) + 1;

/** One more release; the same ledger where this attempt is in it already. */
export const withRelease = (
  ledger: PrivacyLedger,
  run: Uint8Array,
  spec: RunSpec,
  attempt: number,
): PrivacyLedger => {
  const before = ledger.runs.find((entry) => equalBytes(entry.run, run));
  if (before !== undefined && before.last >= attempt) return ledger;
  const entry = isCorrelated(spec)
    ? correlatedEntry(run, spec, attempt)
    : before === undefined
      ? { run, participations: 1, last: attempt, noise: [...releasedIn(spec, 1).noise] }
      : { ...before, participations: before.participations + 1, last: attempt };
  return { ...ledger, runs: [...ledger.runs.filter((one) => one !== before), entry] };
};

const spent = (message: string): FloeError => new FloeError('privacy_budget_spent', message);

/**
 * Why the participant sends nothing in this attempt; undefined where it may. Without privacy a
 * run is not in the ledger.
 */
export const budgetRefusal = (
  ledger: PrivacyLedger,
  run: Uint8Array,
  spec: RunSpec,
  attempt: number,
  total: TotalBudget | undefined,
): FloeError | undefined => {
  const { privacy } = spec;
  if (privacy === undefined) return undefined;
  const next = withRelease(ledger, run, spec, attempt);
  if (next === ledger) return undefined;
  const { participations = 0 } = next.runs.find((entry) => equalBytes(entry.run, run)) ?? {};
  if (participations > privacy.participations)
    return spent(
      `this participant was in ${privacy.participations} attempts of run ${toHex(run).slice(0, 16)}, which is all that its budget of epsilon ${privacy.epsilon} allows`,
    );
  if (total === undefined) return undefined;
  const epsilon = spentIn(next, total.delta);
  return epsilon > total.epsilon
    ? spent(
        `one more release would bring this participant to epsilon ${epsilon.toPrecision(3)} at delta ${total.delta} over ${next.runs.length} runs, and it allows itself ${total.epsilon}`,
      )
    : undefined;
};
