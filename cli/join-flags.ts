/**
 * @module The flags of `floe join`.
 */
import { ADMISSION_FLAGS } from '../client/admission-flags.ts';
import { ANSWER_POLICIES, type AnswerPolicy } from '../protocol/rules/one-set.ts';
import { MODULE_FLAGS, settingFlags } from '../protocol/spec/setting-flags.ts';
import { ACCEPT_DRIFT } from './accept-drift.ts';
import * as f from './flags.ts';
import { NETWORK, PASSPHRASE } from './keys.ts';
import { TRUST } from './trust-flags.ts';

export const JOIN_FLAGS = {
  ...NETWORK,
  ...PASSPHRASE,
  ...settingFlags('join'),
  ...MODULE_FLAGS,
  require: f.text('<file>', 'JSON file with the requirements below; flags win over it'),
  map: f.text('<file>', 'mapping file: your columns and values, by those of the data contract'),
  ...ACCEPT_DRIFT,
  shard: f.value('<i/n>', 'use the i-th of n parts of the data, to try out a run', f.shard),
  module: f.text(
    '<file>',
    "your own module that exports trainer({ data, spec }), which trains in place of the run's model",
  ),
  base: f.text(
    '<file>',
    'for a run over a frozen base: its weights (safetensors, under the names of the layers)',
  ),
  keystore: f.text(
    '<folder>',
    'identity and state of unfinished rounds, encrypted; created if missing (default: a folder below floe-participant, printed)',
  ),
  forget: f.on('use a new identity and keep nothing of it'),
  out: f.text(
    '<folder>',
    'write the final model here in clear: model.safetensors, and tfjs/model.json where the layers are known',
  ),
  force: f.on('with --out: overwrite a model that is there'),
  expectRun: f.value('<hash>', 'refuse any other run', f.hash),
  coordinator: f.value('<key>', 'refuse any other coordinator', f.hash),
  acceptNetwork: f.on(
    'use the network that the coordinator announces, and trust its account of the chain',
  ),
  wait: f.value(
    '<time>',
    'time to retry an address that has never answered, such as 90s or 10m (default: 120s); later outages have no limit',
    f.patienceOrNone,
  ),
  giveUp: f.value(
    '<time>',
    'leave if coordinator, store, gate or ledger do not answer for this time, such as 90s, 10m or 2h (default: never)',
    f.patience,
  ),
  ...TRUST,
  local: f.on('the run uses no network; FLOE_NETWORK is ignored'),
  answers: f.value<AnswerPolicy>(
    '<policy>',
    `survivor sets to answer for on one model: ${ANSWER_POLICIES.join(', ')} (default: ledger on a network, else strict)`,
    f.kindOf({ type: 'choice', choices: ANSWER_POLICIES }),
  ),
  // commander lists the values of a variadic flag.
  consent: f.text('<files...>', "with --answers consent: the members' signed consents") as f.Flag<
    readonly string[] | undefined
  >,
  seed: f.text(
    '<text>',
    'identity and training randomness from a seed: for reproducible tests ONLY',
  ),
  surveyAgain: f.on(
    'with --accept-survey: answer although this keystore has answered another survey about a table of these columns',
  ),
  showKey: f.on('print the public key of the keystore and stop'),
  ...ADMISSION_FLAGS,
};
export type JoinFlags = f.FlagValues<typeof JOIN_FLAGS>;
