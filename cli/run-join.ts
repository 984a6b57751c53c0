/**
 * @module The body of `floe join`: flags to one call of `join`, and its outcome.
 */
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { loweredFields, makeAdmission } from '../client/admission.ts';
import { httpBase, webSocketAddress } from '../client/connect/address.ts';
import type { Dataset } from '../client/data/dataset.ts';
import { loadData } from '../client/data/load-node.ts';
import { shardOf } from '../client/data/shard.ts';
import { join, memoryKeystore, type Answers, type Keystore, type Log } from '../client/index.ts';
import { toHex } from '../protocol/bytes.ts';
import { FloeError } from '../protocol/errors.ts';
import { publicUrl, type NetworkConfig } from '../protocol/net/config.ts';
import { deriveSeed, systemRandom } from '../protocol/ports/random.ts';
import { MAX_CONSENT_BYTES } from '../protocol/rules/consent.ts';
import { masterSeed } from '../protocol/spec/master-seed.ts';
import { admissionOf } from './admission.ts';
import { readInput } from './flags.ts';
import type { JoinFlags } from './join-flags.ts';
import { namedNetwork, readNetworkFile } from './network.ts';
import type { Context } from './run-command.ts';
import { openOrMakeKeystore } from './secrets.ts';

const MAX_CERTIFICATE_BYTES = 1 << 20;

const openIdentity = async (options: JoinFlags): Promise<Keystore> => {
  const { keystore, seed } = options;
  const secret = seed === undefined ? undefined : deriveSeed(masterSeed(seed), 'join-keystore');
  if (keystore !== undefined)
    return openOrMakeKeystore(keystore, options, secret === undefined ? {} : { secret });
  return memoryKeystore(secret ?? systemRandom(32));
};

const openData = async ({ data, shard }: JoinFlags): Promise<Dataset> => {
  const all = await loadData(data, { part: 'train' });
  return shard === undefined ? all : shardOf(all, shard);
};

/** @throws FloeError `usage`, and what reading a configuration throws */
const networkOf = async (options: JoinFlags): Promise<NetworkConfig | 'announced' | undefined> => {
  const { network, acceptNetwork = false, local = false } = options;
  if ([network !== undefined, acceptNetwork, local].filter(Boolean).length > 1)
    throw new FloeError('usage', 'expected one of --network, --accept-network and --local');
  if (acceptNetwork) return 'announced';
  if (local || namedNetwork(options) === undefined) return undefined;
  return (await readNetworkFile(options)).network;
};

/** @throws FloeError `usage`, `file_not_found` */
const answersOf = async ({ answers, consent = [] }: JoinFlags): Promise<Answers | undefined> => {
  if (consent.length > 0 && answers !== 'consent')
    throw new FloeError('usage', '--consent goes with --answers consent');
  if (answers === undefined) return undefined;
  const consents = await Promise.all(
    consent.map((path) => readInput('--consent', path, MAX_CONSENT_BYTES)),
  );
  return { policy: answers, ...(consents.length === 0 ? {} : { consents }) };
};

/** For the socket and for HTTP, in this process. @throws FloeError `file_not_found`, `usage` */
const trustCertificate = async (path: string): Promise<void> => {
  const pem = Buffer.from(await readInput('--ca', path, MAX_CERTIFICATE_BYTES)).toString('latin1');
  if (!pem.includes('-----BEGIN CERTIFICATE-----'))
    throw new FloeError('usage', `--ca: expected a certificate (PEM), got ${path}`);
  setDefaultCACertificates([...getCACertificates('default'), pem]);
};

/** What is kept of a participant that its user has stopped. */
const leftText = ({ keystore, seed }: JoinFlags): string => {
  if (keystore !== undefined)
    return `the identity in ${keystore} is kept, run the same command to resume`;
  return seed === undefined
    ? 'the identity was new and is forgotten (--keystore keeps one), the run continues without it'
    : 'run the same command to resume';
};

/** @throws FloeError what the participant cannot continue from */
export const runJoin = async (
  url: string | undefined,
  options: JoinFlags,
  { output, signal }: Context,
): Promise<void> => {
  await using resources = new AsyncDisposableStack();
  if (url === undefined && options.showKey !== true)
    throw new FloeError('usage', 'expected the address of a coordinator, such as ws://host:7700');
  const address = url === undefined ? '' : webSocketAddress(url);
  const require = await admissionOf(options);
  const keystore = await openIdentity(options);
  resources.defer(async () => keystore.close());
  const key = toHex(keystore.identity.publicKey);
  if (options.showKey === true) {
    output.document({ key, address: keystore.identity.address });
    output.say(key);
    return;
  }
  if (options.seed !== undefined)
    output.warn('--seed: the identity can be derived by anyone who knows the seed; for tests only');
  else if (options.keystore === undefined)
    output.warn('no --keystore: the identity is new and forgotten at the end');
  const data = await openData(options);
  output.line(`data       ${options.data}: ${data.size} examples of this participant`);
  output.line(`key        ${key}`);
  const network = await networkOf(options);
  const answers = await answersOf(options);
  if (network !== undefined && network !== 'announced')
    output.line(`network    ${publicUrl(network.rpcUrl)}, package ${network.floe?.packageId}`);
  if (options.ca !== undefined) await trustCertificate(options.ca);
  signal.throwIfAborted();
  const log: Log = (level, text) => (level === 'info' ? output.line(text) : output.warn(text));
  const { coordinator, expectRun, wait, giveUp, backend } = options;
  const run = await join(address, {
    data,
    keystore,
    require,
    log,
    signal,
    expect: {
      ...(coordinator === undefined ? {} : { coordinator }),
      ...(expectRun === undefined ? {} : { run: expectRun }),
    },
    ...(backend === undefined ? {} : { backend }),
    ...(network === undefined ? {} : { network }),
    ...(answers === undefined ? {} : { answers }),
    ...(wait === undefined ? {} : { patienceMs: wait * 1000 }),
    ...(giveUp === undefined ? {} : { giveUpMs: giveUp }),
  });
  const outcome = await run.finished;
  if (outcome.type === 'stopped') throw new FloeError('aborted', leftText(options));
  output.document({
    run: outcome.run === undefined ? undefined : toHex(outcome.run),
    key,
    examples: data.size,
    // What this participant required less than the default.
    lowered: loweredFields(makeAdmission(require)),
    // Failed attempts have numbers too, so the last number is not the count of commits.
    round: outcome.commit?.body.model.version,
    modelHash: outcome.commit === undefined ? undefined : toHex(outcome.commit.body.model.hash),
  });
  // An identity without a keystore is forgotten with this process: nothing can be opened with it
  // later.
  if (options.keystore === undefined) return;
  const on = options.network === undefined ? '' : ` --network ${options.network}`;
  output.line(
    `open the model while the coordinator serves: floe pull ${httpBase(address)}${on} --keystore ${options.keystore} --out model`,
  );
};
