/**
 * @module The body of `floe join`: converts flags to one call of `join`, and prints its outcome.
 */
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { loweredFields, makeAdmission, type AdmissionInput } from '../client/admission.ts';
import { httpBase, webSocketAddress } from '../client/connect/address.ts';
import { readBase } from '../client/adapters/base-file.ts';
import { trustCertificate } from '../client/connect/trust.ts';
import { readMapping } from '../client/data/contract/mapping-file.ts';
import type { Dataset } from '../client/data/dataset.ts';
import { loadData } from '../client/data/load-node.ts';
import { dataOfRun, unwrapped } from '../client/data/run-data.ts';
import { readOptionsOf } from '../client/data/read-options.ts';
import { shardOf } from '../client/data/shard.ts';
import { join, memoryKeystore } from '../client/index.ts';
import type { Answers, JoinOptions, Keystore } from '../client/index.ts';
import { toHex } from '../protocol/bytes.ts';
import { FloeError } from '../protocol/errors.ts';
import { publicUrl, type NetworkConfig } from '../protocol/net/config.ts';
import { readInput } from '../protocol/ports/input-file.ts';
import { deriveSeed, systemRandom } from '../protocol/ports/random.ts';
import { MAX_CONSENT_BYTES } from '../protocol/rules/consent.ts';
import { masterSeed } from '../protocol/spec/master-seed.ts';
import type { RunSpec } from '../protocol/spec/run-spec.ts';
import { settingsAmong } from '../protocol/spec/setting-flags.ts';
import { SETTINGS } from '../protocol/spec/settings.ts';
import type { Context } from './command.ts';
import type { JoinFlags } from './join-flags.ts';
import { namedNetwork, openOrMakeKeystore, readNetwork } from './keys.ts';
import { commandName, type Output } from './output.ts';

const openIdentity = async (flags: JoinFlags): Promise<Keystore> => {
  const { keystore, seed } = flags;
  const secret = seed === undefined ? undefined : deriveSeed(masterSeed(seed), 'join-keystore');
  if (keystore === undefined) return memoryKeystore(secret ?? systemRandom(32));
  return openOrMakeKeystore(keystore, flags, secret === undefined ? {} : { secret });
};

/** @throws FloeError `usage`, and the errors of reading a configuration */
const networkOf = async (flags: JoinFlags): Promise<NetworkConfig | 'announced' | undefined> => {
  const { network, acceptNetwork = false, local = false } = flags;
  if ([network !== undefined, acceptNetwork, local].filter(Boolean).length > 1)
    throw new FloeError('usage', 'expected one of --network, --accept-network and --local');
  if (acceptNetwork) return 'announced';
  if (local || namedNetwork(flags) === undefined) return undefined;
  return (await readNetwork(flags)).network;
};

/** @throws FloeError `usage`, `file_not_found` */
const answersOf = async ({ answers, consent = [] }: JoinFlags): Promise<Answers | undefined> => {
  if (consent.length > 0 && answers !== 'consent')
    throw new FloeError('usage', '--consent requires --answers consent');
  if (answers === undefined) return undefined;
  const consents = await Promise.all(
    consent.map((path) => readInput('--consent', path, MAX_CONSENT_BYTES)),
  );
  return { policy: answers, ...(consents.length === 0 ? {} : { consents }) };
};

/** Lines for people, or the events themselves. */
const reporting = (output: Output): Pick<JoinOptions, 'log' | 'warn' | 'onEvent'> => ({
  log: (level, message) => output.print([[level === 'info' ? 'info' : 'warn', message]]),
  warn: (message) => output.warn(message),
  onEvent: (event) => output.event(event, []),
});

/** The text after the user stops a participant: which state is kept. */
const leftText = ({ keystore, seed }: JoinFlags): string => {
  if (keystore !== undefined)
    return `the identity in ${keystore} is kept, run the same command to resume`;
  return seed === undefined
    ? 'the identity was new and is forgotten (--keystore keeps one), the run continues without it'
    : 'run the same command to resume';
};

/** @throws FloeError that ends the participation */
export const runJoin = async (
  url: string,
  require: AdmissionInput,
  { flags, output, signal }: Context<JoinFlags>,
): Promise<void> => {
  await using resources = new AsyncDisposableStack();
  const address = url === '' ? '' : webSocketAddress(url);
  const answers = await answersOf(flags);
  const keystore = await openIdentity(flags);
  resources.defer(async () => keystore.close());
  const key = toHex(keystore.identity.publicKey);
  if (flags.showKey === true) {
    output.document({ key, address: keystore.identity.address });
    output.say(key);
    return;
  }
  if (flags.seed !== undefined)
    output.warn('--seed: anyone who knows the seed can derive the identity; for tests only');
  else if (flags.keystore === undefined)
    output.warn('no --keystore: the identity is new and forgotten at the end');
  const { data: name = SETTINGS.data.default, shard } = flags;
  const loaded = await loadData(name, {
    ...readOptionsOf(settingsAmong(flags, 'join')),
    part: 'train',
  });
  const map = flags.map === undefined ? undefined : await readMapping('--map', flags.map);
  const base = flags.base === undefined ? undefined : await readBase('--base', flags.base);
  const own = unwrapped(loaded);
  output.line(`data       ${name}: ${'rows' in own ? own.rows : own.size} examples`);
  if ('notes' in own) for (const note of own.notes ?? []) output.line(`           ${note}`);
  output.line(`key        ${key}`);
  const network = await networkOf(flags);
  if (network !== undefined && network !== 'announced')
    output.line(`network    ${publicUrl(network.rpcUrl)}, package ${network.floe?.packageId}`);
  if (flags.ca !== undefined) await trustCertificate(flags.ca);
  signal.throwIfAborted();
  const { coordinator, expectRun, wait, giveUp, backend, module } = flags;
  let examples = 0;
  const dataFor = (spec: RunSpec): Dataset => {
    const { data: all, report, lines } = dataOfRun(loaded, spec, map);
    output.event({ type: 'preflight', ...report }, lines);
    const data = shard === undefined ? all : shardOf(all, shard);
    if (shard !== undefined) output.line(`shard      ${data.size} examples of this participant`);
    examples = data.size;
    return data;
  };
  const run = await join(address, {
    data: dataFor,
    keystore,
    require,
    ...reporting(output),
    signal,
    expect: {
      ...(coordinator === undefined ? {} : { coordinator }),
      ...(expectRun === undefined ? {} : { run: expectRun }),
    },
    ...(backend === undefined ? {} : { backend }),
    ...(base === undefined ? {} : { base }),
    ...(module === undefined ? {} : { module: pathToFileURL(resolve(module)).href }),
    ...(network === undefined ? {} : { network }),
    ...(answers === undefined ? {} : { answers }),
    ...(wait === undefined ? {} : { patienceMs: wait * 1000 }),
    ...(giveUp === undefined ? {} : { giveUpMs: giveUp }),
  });
  const outcome = await run.finished;
  if (outcome.type === 'stopped') throw new FloeError('aborted', leftText(flags));
  const model = outcome.commit?.body.model;
  output.document({
    run: outcome.run,
    key,
    examples,
    // Requirements that this participant lowered.
    lowered: loweredFields(makeAdmission(require)),
    // Failed attempts have numbers too, so the last number is not the count of commits.
    attempt: model?.version,
    modelHash: model?.hash,
  });
  // An identity without a keystore is forgotten with this process and opens nothing later.
  if (flags.keystore === undefined) return;
  const on = flags.network === undefined ? '' : ` --network ${flags.network}`;
  output.line(
    `open the model while the coordinator serves: ${commandName()} pull ${httpBase(address)}${on} --keystore ${flags.keystore} --out model`,
  );
};
