/**
 * @module The specification of a survey: a run of one round whose model is the vector of the
 * survey. One function makes it and checks it, so that nobody takes part in a survey whose encoding
 * would round, or whose sums would not be masked.
 */
import { toHex } from '../bytes.ts';
import type { Contract } from '../spec/contract.ts';
import { SURVEY_BITS, SURVEY_LEVEL, surveyPlan, type SurveyPlan } from './plan.ts';

/** The architecture of a survey: none that trains. */
export const SURVEY_ARCHITECTURE = 'survey';
export const DEFAULT_BINS = 32;

/** What of a specification a survey follows from, and what must be as {@link surveyParts} says. */
export interface SurveyRun {
  readonly id: Uint8Array;
  readonly rounds: number;
  readonly data?: Contract | undefined;
  readonly secagg: string;
  readonly parent?: unknown;
  readonly cohort: { readonly size: number };
  readonly encoding: {
    readonly ring: string;
    readonly bits?: number | undefined;
    readonly clipNorm: number;
    readonly rotation: boolean;
    readonly weightCap: number;
  };
  readonly metrics: readonly unknown[];
  readonly strategy: { readonly name: string; readonly parameters: readonly { value: number }[] };
  readonly model: {
    readonly architecture: string;
    readonly tensors: readonly {
      readonly name: string;
      readonly shape: readonly number[];
      readonly dtype: string;
      readonly role?: string | undefined;
    }[];
    readonly topology?: string | undefined;
    readonly base?: unknown;
    readonly survey?: { readonly bins: number } | undefined;
  };
}

/** A survey is of one run: with its id in the name, no two surveys begin with the same model. */
const tensorOf = (id: Uint8Array, plan: SurveyPlan) => ({
  name: `survey/${toHex(id)}`,
  shape: [plan.coordinates],
  dtype: 'float32' as const,
});

/** One step of the quantisation is 1, every site counts once, and nothing is rotated. */
const ENCODING = {
  ring: 'ring32',
  bits: SURVEY_BITS,
  clipNorm: SURVEY_LEVEL,
  rotation: false,
  weightCap: 1,
} as const;

export interface SurveyInit {
  /** Of the run. */
  readonly id: Uint8Array;
  readonly contract: Contract;
  /** Size of the cohort. */
  readonly cohort: number;
  readonly bins?: number | undefined;
}

/**
 * The fields of a survey's specification that follow from its contract; `makeRunSpec` takes them.
 *
 * @throws FloeError `contract_invalid`, `encoding_overflow` as {@link surveyPlan}
 */
export const surveyParts = ({ id, contract, cohort, bins = DEFAULT_BINS }: SurveyInit) => ({
  data: contract,
  rounds: 1,
  secagg: 'masked' as const,
  encoding: { ...ENCODING },
  metrics: [],
  strategy: { name: 'fedavg' },
  model: {
    architecture: SURVEY_ARCHITECTURE,
    tensors: [tensorOf(id, surveyPlan(contract, bins, cohort))],
    survey: { bins },
  },
});

const isPlain = ({ model, parent, rounds, metrics, strategy, secagg }: SurveyRun): boolean =>
  secagg === 'masked' &&
  parent === undefined &&
  rounds === 1 &&
  metrics.length === 0 &&
  model.topology === undefined &&
  model.base === undefined &&
  strategy.name === 'fedavg' &&
  strategy.parameters.every(({ value }) => value === 1);

/**
 * Why a specification is no survey although it says so, or the reverse; undefined where it is
 * coherent.
 *
 * @throws FloeError as {@link surveyPlan}
 */
export const surveyViolation = (spec: SurveyRun): string | undefined => {
  const { model, data, encoding, cohort, id } = spec;
  const isNamed = model.architecture === SURVEY_ARCHITECTURE;
  if (model.survey === undefined)
    return isNamed ? 'model.survey: expected the bins of the survey' : undefined;
  if (!isNamed) return `model.architecture: expected ${SURVEY_ARCHITECTURE} with model.survey`;
  if (data === undefined) return 'data: expected the contract that the survey is of';
  for (const [name, value] of Object.entries(ENCODING))
    if (encoding[name as keyof typeof ENCODING] !== value)
      return `encoding.${name}: expected ${value} in a survey`;
  if (!isPlain(spec))
    return 'model.survey: expected one masked round of fedavg from the zeros, without metrics';
  const expected = tensorOf(id, surveyPlan(data, model.survey.bins, cohort.size));
  const [tensor, ...others] = model.tensors;
  const isSame =
    tensor?.name === expected.name &&
    tensor.shape.length === 1 &&
    tensor.shape[0] === expected.shape[0] &&
    tensor.dtype === 'float32' &&
    tensor.role === undefined &&
    others.length === 0;
  return isSame
    ? undefined
    : `model.tensors: expected ${expected.name} of ${expected.shape[0]} numbers, as the contract gives`;
};

/** The plan of a specification that is a survey; undefined for a run that trains. */
export const planOfSpec = ({
  model,
  data,
  cohort,
}: Pick<SurveyRun, 'data' | 'cohort'> & {
  readonly model: Pick<SurveyRun['model'], 'survey'>;
}): SurveyPlan | undefined =>
  model.survey === undefined || data === undefined
    ? undefined
    : surveyPlan(data, model.survey.bins, cohort.size);
