/**
 * @module Which runs cannot have buffered rounds, and why: their updates start from models of
 * several ages. What two settings must be together is in `setting-checks.ts`.
 */
import { correctionOf, strategyOf } from '../algorithm/registry.ts';
import type { StrategySpec } from '../algorithm/registry.ts';
import { partsOf, type LocalSettings } from '../model/parts.ts';
import type { TensorSpec } from '../model/manifest.ts';
import type { Compression } from '../encoding/compression.ts';
import * as v from 'valibot';
import { FloeError } from '../errors.ts';
import { specSchemaOf } from './setting-schema.ts';
import { DEFAULT_MAX_STALENESS, type Buffer } from './settings/buffer.ts';
import { SETTINGS } from './settings.ts';

export const bufferSchema = v.optional(
  v.strictObject({
    size: specSchemaOf(SETTINGS.buffer),
    maxStaleness: specSchemaOf(SETTINGS.maxStaleness),
  }),
);

/** With the default staleness; nothing of a run whose rounds are not buffered. */
export const withStaleness = (
  buffer: Partial<Buffer> | undefined,
): { readonly buffer?: Partial<Buffer> } =>
  buffer?.size === undefined ? {} : { buffer: { maxStaleness: DEFAULT_MAX_STALENESS, ...buffer } };

interface BufferedRun {
  readonly buffer?: unknown;
  readonly model: { readonly tensors: readonly TensorSpec[]; readonly survey?: unknown };
  readonly strategy: StrategySpec;
  readonly training: LocalSettings;
  readonly encoding: { readonly compression?: Compression | undefined };
}

/** What of a strategy follows the model of one round, in words; undefined where nothing does. */
const boundPart = (spec: StrategySpec): string | undefined => {
  const { member } = strategyOf({ strategy: spec }).strategy;
  if (member === undefined) return undefined;
  if ((member.kept ?? []).length > 0 || (member.segments ?? []).length > 0)
    return 'its participants carry vectors that belong to the newest model';
  if (member.scalars.length > 0) return 'it sums numbers of updates of one model';
  return correctionOf({ strategy: spec })?.linear === undefined && member.linear === undefined
    ? undefined
    : 'it corrects local steps by the state of the newest model';
};

const strategyFault = (spec: StrategySpec): string | undefined => {
  try {
    const bound = boundPart(spec);
    return bound && `strategy.name: ${spec.name}: ${bound}, and buffered updates are older`;
  } catch (thrown) {
    // A strategy that this process does not know is refused where it is used.
    if (thrown instanceof FloeError) return undefined;
    throw thrown;
  }
};

/** Why a run on a chain cannot have buffered rounds. */
export const BUFFER_ON_CHAIN =
  'buffer: on a chain the keys of a model open for frozen cohorts, and members of a buffered run train before that: expected a run without a network';

/** Why the run cannot have buffered rounds; undefined where it can, and where it has none. */
export const violationOfBuffer = (spec: BufferedRun): string | undefined => {
  const { buffer, model, strategy, training, encoding } = spec;
  if (buffer === undefined) return undefined;
  if (model.survey !== undefined)
    return 'buffer: a survey has one round, and nobody is slow in it: expected no buffer';
  if (encoding.compression?.mode === 'feedback')
    return 'encoding.compression: feedback adds what an update left out to the next one, of another model: expected the mode unbiased with a buffer';
  if (partsOf(model.tensors, training).statistics.length > 0)
    return 'training.statistics: averages are sent in units of the newest model, and buffered updates are older: expected local';
  return strategyFault(strategy);
};
