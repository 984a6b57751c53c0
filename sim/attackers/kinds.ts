/**
 * @module The attacks that a simulation knows: their names, parameters and sources. Attacks on the
 * model change what a participant's trainer gives; its client then clips, encodes and masks the
 * result like any other. Attacks on the protocol change what the participant sends.
 */
export interface AttackKind {
  /** One line for help. */
  readonly help: string;
  readonly on: 'model' | 'protocol';
  /** Names with their defaults; `undefined` is worked out from the run. */
  readonly parameters: Readonly<Record<string, number | undefined>>;
  /** Parameters that are whole numbers from 0, with the largest value. */
  readonly whole?: Readonly<Record<string, number>>;
  /** Only where updates are masked. */
  readonly masked?: true;
}

export const ATTACKS = {
  'label-flip': {
    help: 'trains on the labels C - 1 - y',
    on: 'model',
    parameters: {},
  },
  'sign-flip': { help: 'sends -delta', on: 'model', parameters: {} },
  'scaled-sign-flip': { help: 'sends -factor delta', on: 'model', parameters: { factor: 10 } },
  gaussian: {
    help: 'sends noise of standard deviation sigma (Blanchard 2017)',
    on: 'model',
    parameters: { sigma: 200 },
  },
  alie: {
    help: 'a little is enough: sends mean - z std of the colluders (Baruch 2019)',
    on: 'model',
    parameters: { z: undefined },
  },
  ipm: {
    help: 'inner product manipulation: sends -epsilon mean of the colluders (Xie 2020)',
    on: 'model',
    parameters: { epsilon: 0.1 },
  },
  mimic: {
    help: 'all send what one honest participant would: the first, or one found in warmup rounds (Karimireddy 2022)',
    on: 'model',
    parameters: { warmup: 0 },
    whole: { warmup: 1000 },
  },
  'min-max': {
    help: 'sends mean - gamma std, as far from the colluders as they are apart (Shejwalkar 2021)',
    on: 'model',
    parameters: {},
  },
  backdoor: {
    help: 'a 3x3 trigger for class target, with model replacement by boost (Bagdasaryan 2020)',
    on: 'model',
    parameters: { target: 0, poisoned: 0.5, boost: undefined },
  },
  'free-rider': { help: 'sends no change', on: 'model', parameters: {} },
  'free-rider-last': {
    help: 'sends the last change of the global model that it saw (Lin 2019)',
    on: 'model',
    parameters: {},
  },
  'free-rider-noise': {
    help: 'sends noise of standard deviation sigma in place of training (Lin 2019)',
    on: 'model',
    parameters: { sigma: 0.001 },
  },
  nan: { help: 'sends not-a-number', on: 'model', parameters: {} },
  overflow: { help: 'sends numbers of 3e38', on: 'model', parameters: {} },
  replay: { help: 'sends its upload of an earlier attempt again', on: 'protocol', parameters: {} },
  'wrong-model-hash': {
    help: 'signs that it checked another commit',
    on: 'protocol',
    parameters: {},
    masked: true,
  },
  'bad-share': {
    help: 'signs a sealed share that its holder cannot open',
    on: 'protocol',
    parameters: {},
    masked: true,
  },
  equivocation: { help: 'signs two different uploads', on: 'protocol', parameters: {} },
  'late-upload': {
    help: 'uploads this many virtual seconds late',
    on: 'protocol',
    parameters: { seconds: 86_400 },
  },
  own: { help: 'the attack that the module of --module exports', on: 'model', parameters: {} },
} as const satisfies Readonly<Record<string, AttackKind>>;
export type AttackName = keyof typeof ATTACKS;

export const isAttackName = (name: string): name is AttackName => Object.hasOwn(ATTACKS, name);

export const kindOf = (name: AttackName): AttackKind => ATTACKS[name];

/** One line for each attack, for `floe sim --help`. */
export const attackLines = (): readonly string[] =>
  Object.entries(ATTACKS as Readonly<Record<string, AttackKind>>).map(
    ([name, { help, parameters }]) => {
      const own = Object.entries(parameters).map(([key, usual]) =>
        usual === undefined ? key : `${key}=${usual}`,
      );
      return `  ${name.padEnd(17)} ${help}${own.length === 0 ? '' : ` (${own.join(', ')})`}`;
    },
  );
