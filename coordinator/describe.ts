/**
 * @module Formats the coordinator's events as the lines that `floe coordinator` prints. Exported
 * for programs that print the same lines.
 */
import { knownStrategies } from '../protocol/algorithm/registry.ts';
import { metricsText } from '../protocol/algorithm/metrics.ts';
import { plural } from '../protocol/plural.ts';
import { toHex } from '../protocol/bytes.ts';
import { info, result, warning, type Line } from '../protocol/line.ts';
import { showCoins } from '../protocol/net/cost.ts';
import { describeRobust } from '../protocol/robust/describe.ts';
import { describePrivacy } from '../protocol/algorithm/privacy.ts';
import { describeBuffer, stalenessText } from '../protocol/spec/describe-buffer.ts';
import { describeContract } from '../protocol/spec/describe-contract.ts';
import { showTime } from '../protocol/net/time-text.ts';
import { hashRunSpec, type RunSpec } from '../protocol/spec/run-spec.ts';
import { timeoutLines } from '../protocol/spec/timeouts.ts';
import { describeAnomaly, describeStep } from './anomalies/describe.ts';
import type { FundsOfRun, StartEvent } from './events.ts';
import { reportedText, shortKey } from './log.ts';
import type { Committed, Progress } from './machine/index.ts';
import type { Presence } from './presence-notes.ts';
import type { UpkeepEvent } from './upkeep.ts';

/** Of the next round, where it is adaptive. */
const clipNormText = ({ clipNorm }: { readonly clipNorm?: number }): string =>
  clipNorm === undefined ? '' : `, next clip norm ${Number(clipNorm.toPrecision(4))}`;

const describeProgress = (progress: Progress): string | undefined => {
  switch (progress.type) {
    case 'attempt-opened':
      return `round ${progress.version} (attempt ${progress.attempt}): ${progress.invited} invited`;
    case 'committed': {
      const metrics = metricsText(progress.metrics, progress.version);
      return (
        `round ${progress.version}/${progress.rounds} committed: ${progress.survivors}/${progress.cohort} survived` +
        `${metrics === '' ? '' : `, ${metrics}`}${clipNormText(progress)}${progress.staleness === undefined ? '' : `, ${stalenessText(progress.staleness)}`}; model ${toHex(progress.modelHash).slice(0, 16)}`
      );
    }
    case 'aborted': {
      const reported = reportedText(progress.reported);
      return (
        `attempt ${progress.attempt} was aborted: ${progress.code}: ${progress.reason}` +
        `${reported === undefined ? '' : `; reported: ${reported}`} ` +
        (progress.answered ? '(this process may know its sum)' : '(nothing was revealed)')
      );
    }
    case 'groups': {
      const { attempt, groups, suspects } = progress;
      const out = groups.filter(({ norm }) => norm === undefined).length;
      if (out === 0 && suspects.length === 0) return undefined;
      return (
        `attempt ${attempt}: ${out} of ${groups.length} groups cannot be right` +
        (suspects.length === 0
          ? ''
          : `; suspected, without proof: ${suspects.map((key) => key.slice(0, 12)).join(', ')}`)
      );
    }
    case 'suspended':
      return `suspended after invalid sums (${progress.code}): ${progress.members.map((key) => key.slice(0, 12)).join(', ')}`;
    case 'waiting':
      return `the run waits: ${progress.reason}`;
    case 'upload-rejected':
      return `attempt ${progress.attempt}: the upload of ${progress.member.slice(0, 12)} was refused: ${progress.code}`;
    case 'finished':
      return progress.failure === undefined
        ? undefined
        : `the run failed after ${plural(progress.rounds, 'round')}: ${progress.failure}`;
    case 'buffered': {
      const { updates, of, here } = progress;
      // Each further update would be a line for each member of each round.
      if (updates > 0 && here >= of) return undefined;
      return (
        `attempt ${progress.attempt}: the buffer has ${updates} of ${plural(of, 'update')}, waiting for ${of - updates} more` +
        (here < of ? `; ${here} participants are here, and ${of - here} more are needed` : '')
      );
    }
    case 'phase':
    case 'upload-folded':
  }
  return undefined;
};

/** What is measured on the step of a commit, and what of it is far from usual. */
const stepLines = ({ version, step = {}, anomalies = [] }: Committed): readonly Line[] => {
  const text = describeStep(step);
  return [
    ...(text === '' ? [] : [info(`round ${version}: ${text}`)]),
    ...anomalies.map((anomaly) =>
      warning(`anomaly in round ${version}: ${describeAnomaly(anomaly)}`),
    ),
  ];
};

const describeUpkeep = (event: UpkeepEvent): Line => {
  switch (event.type) {
    case 'kept': {
      const { extended, restored, endEpoch, endsAt } = event.lease;
      return info(
        `kept       ${plural(extended, 'blob')} extended, ${restored} expired blobs stored again: ` +
          `until epoch ${endEpoch} begins, about ${showTime(endsAt)}`,
      );
    }
    case 'lost':
      return warning(`${event.error.code}: ${event.error.message}. ${event.error.remedy}`);
    case 'funds-low': {
      const { address, have, perRound, rounds } = event.funds;
      return warning(
        `funds_low: ${address} has ${showFunds(have)}, enough for about ${rounds} of the ` +
          `${event.roundsLeft} remaining rounds; a round costs ${showFunds(perRound)}`,
      );
    }
  }
};

const describePresence = (presence: Presence): Line => {
  const { here, needed, key } = presence;
  const missing = needed - here;
  const count =
    `${here} of ${needed} participants are here` +
    (missing > 0 ? `, waiting for ${missing} more` : '');
  const name = shortKey(key);
  switch (presence.type) {
    case 'joined':
      return info(`present    ${count} (${name} joined)`);
    case 'left':
      return info(
        `present    ${count} (${name} left${presence.code === undefined ? '' : `: ${presence.code}`})`,
      );
    case 'refused':
      return warning(
        `refused ${name} from ${presence.remote}: ${presence.code}: ${presence.reason}; ${count}`,
      );
  }
};

const describeRun = (spec: RunSpec, resumed: boolean): readonly string[] => {
  const { name, rounds, cohort, parent, data, strategy, secagg, deadlines, robust } = spec;
  const privately = describePrivacy(spec);
  const object = parent?.object === undefined ? '' : ` version 0x${toHex(parent.object)},`;
  const values = strategy.parameters.map((parameter) => `${parameter.name} ${parameter.value}`);
  return [
    `${resumed ? 'resumed' : 'new run'}    "${name}", ${plural(rounds, 'round')}, ${plural(cohort.size, 'participant')} each, at least ${cohort.minimum}`,
    ...(data === undefined ? [] : describeContract(data)),
    ...(parent === undefined ? [] : [`begins with${object} model ${toHex(parent.modelHash)}`]),
    `strategy   ${[strategy.name, ...values].join(', ')}`,
    secagg === 'masked'
      ? 'updates    masked: this process sees sums only'
      : 'updates    NOT masked: this process can read every update',
    ...(robust === undefined ? [] : describeRobust(robust, spec)),
    ...(spec.buffer === undefined || spec.members.type === 'open'
      ? []
      : describeBuffer(spec.buffer, { members: spec.members.keys.length, strategy })),
    ...(privately === undefined ? [] : [`privacy    ${privately}`]),
    ...timeoutLines(deadlines).map((line, i) => `${i === 0 ? 'deadlines ' : '          '} ${line}`),
  ];
};

/**
 * Of a strategy whose server divides by the number of all participants: an open run does not know
 * it, and the default stands for everybody being in every round.
 */
const populationWarning = ({ strategy, members }: RunSpec): readonly Line[] => {
  const known = knownStrategies().find(({ name }) => name === strategy.name);
  const asked = known?.parameters.find(({ isMembers }) => isMembers === true);
  if (members.type === 'closed' || asked === undefined) return [];
  const given = strategy.parameters.find(({ name }) => name === asked.name)?.value;
  if (given !== asked.default) return [];
  return [
    warning(
      `${strategy.name}: ${asked.name} is ${given}, as if every participant were in every round, because an open run does not know how many there will be: ` +
        `give the number that you expect, --strategy-parameter ${asked.name}=N`,
    ),
  ];
};

const showFunds = ({ sui, wal }: FundsOfRun['have']): string =>
  `${showCoins(sui)} SUI and ${showCoins(wal)} WAL`;

const describeFunds = (funds: FundsOfRun): readonly Line[] => {
  const { address, have, needed, missing, roundsLeft, epochs, paidUntil, lasts } = funds;
  return [
    info(`pays       ${address}: has ${showFunds(have)}`),
    info(
      `estimate   ${showFunds(needed)} for ${plural(roundsLeft, 'round')}, stored for ${plural(epochs, 'epoch')}, with a reserve of a fifth`,
    ),
    info(
      `paid       blobs stored now are kept until epoch ${paidUntil.epoch} begins, about ${showTime(paidUntil.time)}; ` +
        'the coordinator extends the blobs that the next round reads',
    ),
    info(`lasts      for about ${plural(lasts, 'round')}, ${roundsLeft} remain`),
    ...(missing === undefined
      ? []
      : [warning(`not enough for the whole run: send ${showFunds(missing)} to ${address}`)]),
  ];
};

/**
 * The lines of an event; none for an event that only a progress bar shows.
 *
 * @example
 * await startCoordinator({ ..., onEvent: (event) => {
 *   for (const [, text] of describeEvent(event)) console.log(text);
 * } });
 */
export const describeEvent = (event: StartEvent): readonly Line[] => {
  switch (event.type) {
    case 'opened':
      return [
        ...describeRun(event.spec, event.resumed).map(info),
        ...populationWarning(event.spec),
      ];
    case 'network': {
      const { servers, threshold, decryptOnly = [] } = event.seal;
      const network = info(`network    ${event.url} (${event.path}), package ${event.packageId}`);
      const keys = `keys       sealed under ${threshold} of ${servers.length} key servers; ${decryptOnly.length} earlier servers only decrypt`;
      return decryptOnly.length === 0 ? [network] : [network, info(keys)];
    }
    case 'funds':
      if (event.funds !== undefined) return describeFunds(event.funds);
      return [info(`pays       ${event.address}: only the transcript remains to be paid`)];
    case 'uploads-resumed':
      return [info(`uploads    ${event.count} interrupted uploads completed`)];
    case 'ports':
      return [info(`store      ${event.store}, gate ${event.gate}, ledger ${event.ledger}`)];
    case 'listening': {
      const { url, spec, runObject, fingerprint } = event;
      return [
        ...(runObject === undefined ? [] : [`run object ${runObject}`]),
        `listening  ${url}`,
        ...(fingerprint === undefined ? [] : [`certificate, SHA-256 ${fingerprint}`]),
        `run        ${toHex(hashRunSpec(spec))}`,
        `key        ${toHex(spec.coordinator)}`,
      ].map(info);
    }
    case 'progress': {
      const text = describeProgress(event.progress);
      return [
        ...(text === undefined ? [] : [info(text)]),
        ...(event.progress.type === 'committed' ? stepLines(event.progress) : []),
      ];
    }
    case 'presence':
      return [describePresence(event.presence)];
    case 'upkeep':
      return [describeUpkeep(event.event)];
    case 'finished': {
      const { rounds, attempts, model } = event.outcome;
      const hash = toHex(model.hash);
      return [
        result(
          `finished after ${plural(rounds, 'round')} (${plural(attempts, 'attempt')}); model ${hash}`,
        ),
      ];
    }
    case 'published': {
      const { attempt, blob } = event.publication;
      return [
        info(`published  specification and transcript to attempt ${attempt}, blob ${blob.id}`),
      ];
    }
    case 'farewell':
      return [
        info(
          `waiting    for ${plural(event.untold, 'participant')} to learn of the end or to fetch the model; Ctrl-C stops`,
        ),
      ];
    case 'warning':
      return [warning(event.message)];
  }
};
