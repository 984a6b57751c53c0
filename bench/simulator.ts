/**
 * @module Speed of the simulator in the settings of published simulators: the 2NN of McMahan et al.
 * 2017 on MNIST, E=1, B=10, ten participants a round, masked, every model scored; 100 participants
 * with 600 examples each, and 10,000 with 6, who are always there or come and go. Each run is a
 * separate command, because start, processor time and peak memory must all count. Ratios are to the
 * limits of the simulator on two idle cores, and with `--peers PYTHON` to other simulators in the
 * same run.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { PEERS, runPeer } from './peers.ts';
import { report } from './table.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '60' },
    /** Rounds with 10,000 participants. */
    'many-rounds': { type: 'string', default: '20' },
    devnet: { type: 'boolean', default: false },
    /** A Python interpreter that has pfl, or flwr with its simulation. */
    peers: { type: 'string' },
    /** Ends after the comparison with the peers. */
    'peers-only': { type: 'boolean', default: false },
    /** Rounds of each peer. */
    'peer-rounds': { type: 'string', default: '60' },
  },
});

const START = fileURLToPath(new URL('../cli/start.ts', import.meta.url));
const run = promisify(execFile);
const folder = await mkdtemp(join(tmpdir(), 'floe-bench-simulator-'));

interface Round {
  readonly version: number;
  readonly seconds: number;
  readonly testAccuracy?: number;
}

interface Outcome {
  /** From the command to its end, files included. */
  readonly seconds: number;
  readonly processorSeconds: number;
  readonly peakMemory: number;
  readonly rounds: number;
  readonly testAccuracy: number;
  readonly history: readonly Round[];
}

/** A simulation as a user starts it. */
const simulate = async (...flags: readonly string[]): Promise<Outcome> => {
  const start = performance.now();
  const shared = ['--json', '--out', folder, '--epochs', '1', '--batch-size', '10'];
  const { stdout } = await run(process.execPath, [START, 'sim', ...shared, ...flags], {
    maxBuffer: 1 << 28,
  });
  // A line for each event, and the summary last.
  const summary = JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '') as Outcome;
  return { ...summary, seconds: (performance.now() - start) / 1000 };
};

/** The first rounds pay for loading code and data. */
const WARM_UP = 3;

/** On local ports and on the devnet; 222 rounds a minute are the fastest peer's, without masks. */
const LIMITS = {
  roundsAMinute: 222,
  seconds: values.devnet ? 60 : 15,
  bytes: values.devnet ? 1e9 : 600e6,
};

const roundsAMinute = ({ history }: Outcome): number => {
  const steady = history.slice(WARM_UP);
  return (60 * steady.length) / steady.reduce((sum, { seconds }) => sum + seconds, 0);
};

const tell = (what: string, outcome: Outcome): number => {
  const rate = roundsAMinute(outcome);
  report({
    what: `${what}, masked`,
    value: rate,
    unit: 'rounds/min',
    ratio: { value: rate / LIMITS.roundsAMinute, to: 'what is aimed at' },
  });
  report({
    what: '  processor time of a round, start and end included',
    value: outcome.processorSeconds / outcome.rounds,
    unit: 's',
  });
  report({
    what: '  peak memory of all threads',
    value: outcome.peakMemory / 1e6,
    unit: 'MB',
    ratio: { value: outcome.peakMemory / LIMITS.bytes, to: 'the limit' },
  });
  return rate;
};

/** A peer may hang; none is waited for longer. */
const PEER_MS = 20 * 60_000;

/**
 * Processor seconds of a round without start and end: the difference of two runs.
 *
 * @param few that ran the warm-up only
 */
const processorOfRound = (many: Outcome, few: Outcome): number =>
  (many.processorSeconds - few.processorSeconds) / (many.rounds - few.rounds);

/** What a round costs here, masked. */
interface Ours {
  readonly roundsAMinute: number;
  readonly processorSeconds: number;
  readonly peakMemory: number;
}

const comparePeers = (ours: Ours, participants: number): void => {
  if (values.peers === undefined) {
    console.log('  peers: not asked for (--peers PYTHON)');
    return;
  }
  const task = { participants, cohort: 10, rounds: Number(values['peer-rounds']) };
  for (const peer of PEERS) {
    const result = runPeer(values.peers, peer, task, PEER_MS);
    if (typeof result === 'string') console.log(`  ${peer.name}: ${result}`);
    else if (result.roundsAMinute === null) console.log(`  ${peer.name}: too few rounds`);
    else {
      const rate = result.roundsAMinute;
      const until = result.seconds === null ? '' : `, 97 % after ${result.seconds.toFixed(1)} s`;
      report({
        what: `  ${peer.name}${until}; the ratio is ours`,
        value: rate,
        unit: 'rounds/min',
        ratio: { value: ours.roundsAMinute / rate, to: 'the peer' },
      });
      if (result.processorSeconds !== null)
        report({
          what: '    processor time of a round; the ratio is ours',
          value: result.processorSeconds,
          unit: 's',
          ratio: { value: ours.processorSeconds / result.processorSeconds, to: 'the peer' },
        });
      if (result.peakMemory !== null)
        report({
          what: '    memory of all processes; the ratio is ours',
          value: result.peakMemory / 1e6,
          unit: 'MB',
          ratio: { value: ours.peakMemory / result.peakMemory, to: 'the peer' },
        });
    }
  }
};

/** Participants of MNIST's 60,000 examples, and the fraction of them in a round. */
const LARGE = ['--participants', '10000', '--cohort', '10', '--rounds', values['many-rounds']];

/** Presence, in virtual time: everybody comes and goes many times. */
const PRESENCE = [
  ['there half of a day of 60 s', ['--participation', 'diurnal:open=0.5,day=60', '--latency', '1']],
  ['there by a chance of a half', ['--participation', 'poisson:rate=0.5']],
] as const;

/** The same ten thousand, who come and go. @param always of those who are always there */
const comeAndGo = async (always: Outcome): Promise<void> => {
  for (const [what, flags] of PRESENCE) {
    const some = await simulate('--local', ...LARGE, ...flags);
    tell(`K=10,000, ${what}`, some);
    report({
      what: '  peak memory relative to that of participants who are always there',
      value: some.peakMemory / 1e6,
      unit: 'MB',
      ratio: { value: some.peakMemory / always.peakMemory, to: 'always there' },
    });
    report({
      what: '  processor time relative to theirs',
      value: some.processorSeconds,
      unit: 's',
      ratio: { value: some.processorSeconds / always.processorSeconds, to: 'always there' },
    });
  }
};

/** Time to 97 %, and ten thousand participants. @param rate of 100 participants */
const beyondPeers = async (substrate: readonly string[], rate: number): Promise<void> => {
  const aimed = await simulate(...substrate, '--rounds', '200', '--target-accuracy', '0.97');
  report({
    what: `  command to ${aimed.testAccuracy >= 0.97 ? '97 %' : 'the last round, below 97 %'} (${aimed.rounds} rounds)`,
    value: aimed.seconds,
    unit: 's',
    ratio: { value: aimed.seconds / LIMITS.seconds, to: 'the limit' },
  });
  const many = await simulate('--local', ...LARGE);
  const manyRate = tell('K=10,000, C=.001', many);
  const start = await simulate('--local', ...LARGE, '--rounds', String(WARM_UP));
  report({
    what: '  processor time of a round without start and end',
    value: processorOfRound(many, start),
    unit: 's',
  });
  report({
    what: `  peak memory relative to that of ${WARM_UP} rounds`,
    value: many.peakMemory / 1e6,
    unit: 'MB',
    ratio: { value: many.peakMemory / start.peakMemory, to: `${WARM_UP} rounds` },
  });
  report({
    what: '  rounds a minute relative to K=100, with a hundredth of the training',
    value: manyRate,
    unit: 'rounds/min',
    ratio: { value: manyRate / rate, to: 'K=100' },
  });
  await comeAndGo(many);
};

try {
  const substrate = values.devnet ? [] : ['--local'];
  const plain = await simulate(...substrate, '--rounds', values.rounds);
  const rate = tell('K=100, C=.1', plain);
  const few = await simulate(...substrate, '--rounds', String(WARM_UP));
  const processorSeconds = processorOfRound(plain, few);
  report({ what: '  the same without start and end', value: processorSeconds, unit: 's' });
  comparePeers({ roundsAMinute: rate, processorSeconds, peakMemory: plain.peakMemory }, 100);
  if (!values['peers-only']) await beyondPeers(substrate, rate);
} finally {
  await rm(folder, { recursive: true, force: true });
}
