/**
 * @module The privacy of a specification, read from its fields: the defaults it changes, the
 * noise that it is completed with, and what is wrong. The arithmetic is in `private-run.ts`.
 */
import { strategyOf, type StrategySpec } from '../algorithm/registry.ts';
import { segmentSpecs } from '../algorithm/segment-specs.ts';
import type { EncodingSpec } from '../encoding/layout.ts';
import { FloeError, toFloeError } from '../errors.ts';
import type { TensorSpec } from '../model/manifest.ts';
import { partsOf, type LocalSettings } from '../model/parts.ts';
import {
  completed,
  PRIVATE_DEFAULTS,
  privacyViolation,
  privateMinimum,
  type Completed,
  type PrivacySpec,
  type PrivateRun,
} from './private-run.ts';
import type { Robust } from './settings/robust.ts';

/** The fields of a specification that its privacy depends on. */
interface Fields {
  readonly privacy?: PrivacySpec | undefined;
  readonly rounds: number;
  readonly cohort: PrivateRun['cohort'];
  readonly members:
    { readonly type: 'open' } | { readonly type: 'closed'; readonly keys: readonly Uint8Array[] };
  readonly encoding: EncodingSpec;
  readonly model: { readonly tensors: readonly TensorSpec[]; readonly survey?: unknown };
  readonly training: LocalSettings;
  readonly strategy: StrategySpec;
  readonly metrics: readonly unknown[];
  readonly robust?: Robust | undefined;
  readonly buffer?: unknown;
  readonly secagg: 'masked' | 'none';
}

const privateRun = (spec: Fields, privacy: PrivacySpec): PrivateRun => {
  const { rounds, cohort, members, encoding, model, training, metrics, robust } = spec;
  const chosen = strategyOf({ strategy: spec.strategy });
  const parts = partsOf(model.tensors, training);
  return {
    privacy,
    rounds,
    cohort,
    members: members.type === 'closed' ? members.keys.length : undefined,
    isBuffered: spec.buffer !== undefined,
    encoding,
    segments: segmentSpecs(parts, encoding, chosen),
    metrics: metrics.length,
    scalars: chosen.strategy.member?.scalars?.length ?? 0,
    isSurvey: model.survey !== undefined,
    robust,
    secagg: spec.secagg,
  };
};

/** What of the defaults is otherwise in a private run; nothing without privacy. */
export const privateDefaults = (
  privacy: PrivacySpec | undefined,
  cohort: number,
): Partial<typeof PRIVATE_DEFAULTS> & {
  readonly minimum?: number;
  readonly metrics?: readonly [];
} =>
  privacy === undefined
    ? {}
    : {
        ...PRIVATE_DEFAULTS,
        // Central noise does not depend on who survives.
        ...(privacy.type === 'central' ? {} : { minimum: privateMinimum(cohort, privacy) }),
        metrics: [],
      };

const completedIn = (run: PrivateRun): Completed => {
  try {
    return completed(run);
  } catch (thrown) {
    const error = toFloeError(thrown);
    if (error.code !== 'privacy_invalid') throw error;
    throw new FloeError('spec_invalid', `privacy: ${error.message}`, error.details, {
      cause: thrown,
    });
  }
};

/**
 * The fields with participations, noise and bits where a private run leaves them open.
 *
 * @throws FloeError `spec_invalid`, `strategy_unknown`
 */
export const withNoise = <Spec extends Fields>(
  spec: Spec,
  privacy: PrivacySpec | undefined,
): Spec => {
  if (privacy === undefined) return spec;
  const { bits, privacy: full } = completedIn(privateRun(spec, privacy));
  return { ...spec, privacy: full, encoding: { ...spec.encoding, bits } };
};

/** Why the run cannot keep its budget; undefined where it can, and without privacy. */
export const violationOfPrivacy = (spec: Fields): string | undefined => {
  const { privacy } = spec;
  if (privacy === undefined) return undefined;
  try {
    return privacyViolation(privateRun(spec, privacy));
  } catch (thrown) {
    // A strategy that this process does not know, or a model without a coordinate.
    return `privacy: ${toFloeError(thrown).message}`;
  }
};
