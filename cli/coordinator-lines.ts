/**
 * @module What `floe coordinator` prints while it runs.
 */
import { loweringFlags } from '../client/admission.ts';
import {
  reportedText,
  type FundsOfRun,
  type Progress,
  type StartEvent,
  type UpkeepEvent,
} from '../coordinator/index.ts';
import { toHex } from '../protocol/bytes.ts';
import { showCoins } from '../protocol/net/cost.ts';
import type { NetworkConfig } from '../protocol/net/config.ts';
import { hashRunSpec, type RunSpec } from '../protocol/spec/run-spec.ts';
import type { VersionFacts } from '../protocol/net/sui/lineage.ts';
import { timeoutLines } from '../protocol/spec/timeouts.ts';
import { showTime } from '../protocol/net/times.ts';
import { commandName, type Output } from './output.ts';

/** The line of an event, where it has one. */
const progressLine = (progress: Progress): string | undefined => {
  switch (progress.type) {
    case 'round-opened':
      return `round ${progress.version} (attempt ${progress.round}): ${progress.invited} invited`;
    case 'committed': {
      const metrics = progress.metrics.map(({ name, value }) => `${name} ${value.toFixed(4)}`);
      return `round ${progress.version}/${progress.rounds} committed: ${progress.survivors}/${progress.cohort} survived, training ${metrics.join(', ')}, model ${toHex(progress.modelHash).slice(0, 16)}`;
    }
    case 'aborted': {
      const reported = reportedText(progress.reported);
      return (
        `attempt ${progress.round} was aborted: ${progress.code}: ${progress.reason}` +
        `${reported === undefined ? '' : `; reported: ${reported}`} ` +
        (progress.answered ? '(its sum may be known to this process)' : '(nothing was revealed)')
      );
    }
    case 'suspended':
      return `suspended for sums that cannot be right (${progress.code}): ${progress.members.map((key) => key.slice(0, 12)).join(', ')}`;
    case 'waiting':
      return `the run waits: ${progress.reason}`;
    case 'upload-rejected':
      return `attempt ${progress.round}: the upload of ${progress.member.slice(0, 12)} was refused: ${progress.code}`;
    case 'finished':
      return progress.failure === undefined
        ? undefined
        : `the run has failed after ${progress.rounds} rounds: ${progress.failure}`;
    case 'phase':
    case 'upload-folded':
  }
  return undefined;
};

/** What was done for the blobs of the run, and what its operator has to do. */
const sayUpkeep = (event: UpkeepEvent, output: Output): void => {
  switch (event.type) {
    case 'kept': {
      const { extended, restored, endEpoch, endsAt } = event.lease;
      return output.line(
        `kept       ${extended} blobs paid for longer, ${restored} had run out and are stored again: ` +
          `until epoch ${endEpoch} begins, about ${showTime(endsAt)}`,
      );
    }
    case 'lost':
      return output.warn(`${event.error.code}: ${event.error.message}. ${event.error.remedy}`);
    case 'funds-low': {
      const { address, have, perRound, rounds } = event.funds;
      return output.warn(
        `funds_low: ${address} has ${showCoins(have.sui)} SUI and ${showCoins(have.wal)} WAL, enough for about ${rounds} of ` +
          `${event.roundsLeft} rounds that are left; a round takes ${showCoins(perRound.sui)} SUI and ${showCoins(perRound.wal)} WAL`,
      );
    }
  }
};

/** What is about to run. */
const introduce = (
  { spec, resumed }: { readonly spec: RunSpec; readonly resumed: boolean },
  output: Output,
): void => {
  output.line(
    `${resumed ? 'resumed' : 'new run'}    "${spec.name}", ${spec.rounds} rounds, ${spec.cohort.size} participants each, at least ${spec.cohort.minimum}`,
  );
  if (spec.parent !== undefined) {
    const { object, modelHash } = spec.parent;
    const version = object === undefined ? '' : ` version 0x${toHex(object)},`;
    output.line(`begins with${version} model ${toHex(modelHash)}`);
  }
  const { name, parameters } = spec.strategy;
  const values = parameters.map((parameter) => `${parameter.name} ${parameter.value}`);
  output.line(`strategy   ${[name, ...values].join(', ')}`);
  output.line(
    spec.secagg === 'masked'
      ? 'updates    masked: this process sees sums only'
      : `updates    ${output.style(['bold', 'red'], 'NOT masked')}: this process can read every update`,
  );
  for (const [i, line] of timeoutLines(spec.deadlines).entries())
    output.line(`${i === 0 ? 'deadlines ' : '          '} ${line}`);
};

/** Where it runs, and how others join. */
const invite = (
  {
    url,
    spec,
    runObject,
    network,
  }: {
    readonly url: string;
    readonly spec: RunSpec;
    readonly runObject: string | undefined;
    /** File that describes it. */
    readonly network: string | undefined;
  },
  output: Output,
): void => {
  const run = toHex(hashRunSpec(spec));
  const key = toHex(spec.coordinator);
  const address = url
    .replace(/^http/u, 'ws')
    .replace('//0.0.0.0:', '//HOST:')
    .replace('//[::]:', '//HOST:');
  if (runObject !== undefined) output.line(`run object ${runObject}`);
  output.line(`listening  ${url}`);
  output.line(`run        ${run}`);
  output.line(`key        ${key}`);
  output.line();
  const data =
    spec.model.architecture === 'custom'
      ? '--data YOUR.csv'
      : `--data mnist --shard 1/${spec.cohort.size}`;
  const where = network === undefined ? '' : ` --network ${network}`;
  const floe = commandName();
  output.line('join from another terminal:');
  output.line(`  ${floe} join ${address} ${data}${where} --expect-run ${run} --coordinator ${key}`);
  const lowering = loweringFlags(spec);
  if (lowering.length > 0)
    output.line(
      `this run offers less than a participant asks for by default; a participant that takes it all the same adds:\n  ${lowering.join(' ')}`,
    );
  output.line();
};

/** What there is now, and how to get at it. */
export const conclude = (
  {
    folder,
    keystore,
    network,
    runObject,
    versions,
  }: {
    readonly folder: string;
    readonly keystore: string;
    /** File that describes it. */
    readonly network: string | undefined;
    readonly runObject: string | undefined;
    readonly versions: readonly VersionFacts[] | undefined;
  },
  output: Output,
): void => {
  const floe = commandName();
  output.line(`verify it: ${floe} verify ${folder} --keystore ${keystore}`);
  const latest = versions?.at(-1);
  if (latest === undefined || network === undefined) return;
  output.line(`model      ${latest.id} (round ${latest.round}), blob ${latest.blob.id}`);
  output.line(`all models: ${floe} models ${runObject} --network ${network}`);
  output.line(`pull it:   ${floe} pull ${latest.id} --network ${network} --keystore ${keystore}`);
};

const showKeys = ({ servers, threshold, decryptOnly = [] }: NetworkConfig['seal']): string =>
  `keys       sealed under ${threshold} of ${servers.length} key servers; ${decryptOnly.length} of before only open`;

const showFunds = ({ sui, wal }: FundsOfRun['have']): string =>
  `${showCoins(sui)} SUI and ${showCoins(wal)} WAL`;

const sayFunds = (funds: FundsOfRun, output: Output): void => {
  const { address, have, needed, missing, roundsLeft, epochs, paidUntil, lasts } = funds;
  output.line(`pays       ${address}: has ${showFunds(have)}`);
  output.line(
    `estimate   ${showFunds(needed)} for ${roundsLeft} rounds, stored for ${epochs} epochs, with a reserve of a fifth`,
  );
  output.line(
    `paid       what is stored now is kept until epoch ${paidUntil.epoch} begins, about ${showTime(paidUntil.time)}; ` +
      'what the next round reads is paid for longer while the run stands',
  );
  output.line(`lasts      for about ${lasts} rounds, ${roundsLeft} are left`);
  if (missing !== undefined)
    output.warn(`that is not enough for the whole run: send ${address} ${showFunds(missing)} more`);
};

/** One event of the coordinator, as lines. */
export const tell = (event: StartEvent, output: Output): void => {
  switch (event.type) {
    case 'opened':
      return introduce(event, output);
    case 'network':
      output.line(`network    ${event.url} (${event.path}), package ${event.packageId}`);
      if ((event.seal.decryptOnly ?? []).length > 0) output.line(showKeys(event.seal));
      return;
    case 'funds':
      if (event.funds !== undefined) return sayFunds(event.funds, output);
      return output.line(`pays       ${event.address}: nothing more than the transcript`);
    case 'uploads-resumed':
      return output.line(`uploads    ${event.count} were interrupted and are done now`);
    case 'ports':
      return output.line(`store      ${event.store}, gate ${event.gate}, ledger ${event.ledger}`);
    case 'listening':
      return invite(event, output);
    case 'progress': {
      const line = progressLine(event.progress);
      return line === undefined ? undefined : output.line(line);
    }
    case 'upkeep':
      return sayUpkeep(event.event, output);
    case 'finished': {
      const { rounds, attempts, model } = event.outcome;
      return output.say(
        `finished after ${rounds} rounds (${attempts} attempts); model ${toHex(model.hash)}`,
      );
    }
    case 'published': {
      const { round, blob } = event.publication;
      return output.line(
        `published  specification and transcript to round ${round}, blob ${blob.id}`,
      );
    }
    case 'farewell':
      return output.line(`waits for ${event.untold} who have not heard of the end; Ctrl-C ends it`);
    case 'warning':
      return output.warn(event.message);
  }
};
