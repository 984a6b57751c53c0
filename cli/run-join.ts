/**
 * @module The body of `floe join`: converts flags to one call of `join`, and prints its outcome.
 */
import { join as joinPath, parse, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { makeAdmission, type AdmissionInput } from '../client/admission.ts';
import { loweredFields } from '../client/lowered-requirements.ts';
import { httpBase, webSocketAddress } from '../client/connect/address.ts';
import { readBase } from '../client/adapters/base-file.ts';
import { trustCertificate } from '../client/connect/trust.ts';
import { readMapping } from '../client/data/contract/mapping-file.ts';
import type { Dataset } from '../client/data/dataset.ts';
import { loadData } from '../client/data/load-node.ts';
import { dataOfRun, notesOf, unwrapped } from '../client/data/run-data.ts';
import { readOptionsOf } from '../client/data/read-options.ts';
import { requireNoModel } from '../client/join-node.ts';
import { join, memoryKeystore } from '../client/index.ts';
import type { Answers, JoinOptions, Keystore, SavedModel } from '../client/index.ts';
import { toHex } from '../protocol/bytes.ts';
import { FloeError } from '../protocol/errors.ts';
import { info, result, warning, type Line } from '../protocol/line.ts';
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
import { namedNetwork, openKeptIdentity, openOrMakeKeystore, readNetwork } from './keys.ts';
import { commandName, type Output } from './output.ts';
import { trustWords } from './trust-flags.ts';
import { plural } from '../protocol/plural.ts';

/** An identity, and the folder that keeps it: none for one that ends with this process. */
interface Opened {
  readonly keystore: Keystore;
  readonly folder: string | undefined;
}

/** The default folder of an identity, named after the data: `floe-participant/mnist-1-of-3`. */
const defaultFolder = ({ data = SETTINGS.data.default, shard }: JoinFlags): string => {
  const { name } = parse(data);
  const part = shard === undefined ? '' : `-${shard.index + 1}-of-${shard.count}`;
  const plain = name.replaceAll(/[^\p{L}\p{N}._-]+/gu, '-').slice(0, 60);
  return joinPath('floe-participant', `${plain === '' ? 'data' : plain}${part}`);
};

const openIdentity = async (flags: JoinFlags, output: Output): Promise<Opened> => {
  const { keystore: named, seed, forget, showKey } = flags;
  if (named !== undefined && forget === true)
    throw new FloeError('usage', 'expected --keystore or --forget, not both');
  const secret = seed === undefined ? undefined : deriveSeed(masterSeed(seed), 'join-keystore');
  if (named !== undefined) {
    const keystore = await openOrMakeKeystore(named, flags, secret === undefined ? {} : { secret });
    return { keystore, folder: named };
  }
  if (secret !== undefined || forget === true)
    return { keystore: await memoryKeystore(secret ?? systemRandom(32)), folder: undefined };
  const { keystore, folder, isNew } = await openKeptIdentity(defaultFolder(flags), flags);
  const text = `identity   ${isNew ? 'new, kept' : 'found'} in ${folder}`;
  // Of --show-key the key alone is the result.
  const event = { type: 'identity', folder, isNew };
  if (showKey !== true) output.event(event, [info(isNew ? `${text}${KEPT_BY}` : text)]);
  return { keystore, folder };
};

const KEPT_BY =
  '; to protect it with a passphrase of your own use --keystore, to keep none --forget';

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
const leftText = ({ seed }: JoinFlags, folder: string | undefined): string => {
  if (folder !== undefined)
    return `the identity in ${folder} is kept, run the same command to resume`;
  return seed === undefined
    ? 'the identity was new and is forgotten (--forget), the run continues without it'
    : 'run the same command to resume';
};

/** The lines after the run: the model's files, or how to get the model. */
const modelLines = (
  flags: JoinFlags,
  saved: SavedModel | undefined,
  folder: string | undefined,
  address: string,
  hasContract: boolean,
  object: string | undefined,
): readonly Line[] => {
  const { out, network } = flags;
  if (saved !== undefined) {
    const tfjs = saved.tfjs === undefined ? '' : ` and ${saved.tfjs}`;
    return [
      result(`model      ${saved.file}${tfjs}: the final model in clear`),
      // Without a contract a table's columns have no meaning to the model.
      ...(hasContract ? [info(`use it:    ${commandName()} predict ${out} NEW.csv`)] : []),
    ];
  }
  if (out !== undefined) return [warning('--out: the run has ended without a model')];
  // An identity that nobody keeps opens nothing later.
  if (folder === undefined)
    return [info('model      not written: join with --out FOLDER to get it, or keep the identity')];
  const on = network === undefined ? '' : ` --network ${network}`;
  if (object !== undefined)
    return [
      info('model      not written: join with --out FOLDER, or once the coordinator has ended run'),
      info(`  ${commandName()} pull ${object}${on} --keystore ${folder} --out model`),
    ];
  return [
    info('model      not written: join with --out FOLDER, or while the coordinator serves run'),
    info(
      `  ${commandName()} pull ${httpBase(address)}${on}${trustWords(flags)} --keystore ${folder} --out model`,
    ),
  ];
};

/** The run on its network, for the line that names it; without an answer its address is named. */
const objectOf = async (
  spec: RunSpec | undefined,
  network: NetworkConfig | 'announced' | undefined,
): Promise<string | undefined> => {
  if (spec === undefined || network === undefined || network === 'announced') return undefined;
  const { runObjectId } = await import('../client/reader/versions.ts');
  return runObjectId(spec, network).catch(() => undefined);
};

/** The lines after a survey: how to read it. */
const surveyLines = (
  flags: JoinFlags,
  folder: string | undefined,
  address: string,
): readonly Line[] => {
  const { network } = flags;
  if (folder === undefined) return [];
  const on = network === undefined ? '' : ` --network ${network}`;
  return [
    info('survey     answered; read it while the coordinator serves:'),
    info(
      `  ${commandName()} survey ${httpBase(address)}${on}${trustWords(flags)} --keystore ${folder}`,
    ),
  ];
};

/** The key alone, for the list of a coordinator. */
const showKey = async (flags: JoinFlags, output: Output): Promise<void> => {
  const { keystore } = await openIdentity(flags, output);
  const { publicKey, address } = keystore.identity;
  await keystore.close();
  const key = toHex(publicKey);
  output.document({ key, address });
  output.say(key);
  output.note(`its address on Sui: ${address}`);
};

/** What the flags name on this machine, read and checked. @throws FloeError naming the flag */
const ownOf = async (flags: JoinFlags, require: AdmissionInput) => {
  const { data: name = SETTINGS.data.default, shard, map, base, ca, out, force } = flags;
  const isSurvey = require.survey === true;
  if (isSurvey && shard !== undefined)
    throw new FloeError('usage', '--shard: a survey is of the whole table');
  if (out !== undefined) await requireNoModel(out, { isSurvey, force });
  const options = readOptionsOf(settingsAmong(flags, 'join'));
  const loaded = await loadData(name, { ...options, part: 'train' });
  const own = {
    name,
    loaded,
    map: map === undefined ? undefined : await readMapping('--map', map),
    base: base === undefined ? undefined : await readBase('--base', base),
  };
  if (ca !== undefined) await trustCertificate(ca);
  return own;
};

/** @throws FloeError that ends the participation */
export const runJoin = async (
  url: string,
  require: AdmissionInput,
  { flags, output, signal }: Context<JoinFlags>,
): Promise<void> => {
  await using resources = new AsyncDisposableStack();
  const address = url === '' ? '' : webSocketAddress(url);
  if (flags.showKey === true) {
    await showKey(flags, output);
    return;
  }
  const answers = await answersOf(flags);
  // All that can be refused here comes before a new identity is written.
  const own = await ownOf(flags, require);
  const network = await networkOf(flags);
  const { keystore, folder } = await openIdentity(flags, output);
  resources.defer(async () => keystore.close());
  const key = toHex(keystore.identity.publicKey);
  if (flags.seed !== undefined)
    output.warn('--seed: anyone who knows the seed can derive the identity; for tests only');
  else if (flags.forget === true) output.warn('--forget: the identity is new and not kept');
  const { name, loaded, map, base } = own;
  const { shard } = flags;
  const isSurvey = require.survey === true;
  const values = unwrapped(loaded);
  const held = 'rows' in values ? values.rows : values.size;
  output.line(`data       ${name}: ${held} examples`);
  for (const note of notesOf(loaded)) output.line(`           ${note}`);
  output.line(`key        ${key}`);
  if (network !== undefined && network !== 'announced')
    output.line(`network    ${publicUrl(network.rpcUrl)}, package ${network.floe?.packageId}`);
  signal.throwIfAborted();
  const { coordinator, expectRun, wait, giveUp, backend, module } = flags;
  let examples = isSurvey && 'rows' in values ? values.rows : 0;
  const dataFor = (spec: RunSpec): Dataset => {
    const { data, report, lines } = dataOfRun(loaded, spec, map, shard, flags);
    output.event({ type: 'preflight', ...report }, lines);
    if (shard !== undefined)
      output.line(`shard      ${plural(data.size, 'example')} of this participant`);
    examples = data.size;
    return data;
  };
  const run = await join(address, {
    data: dataFor,
    ...(map === undefined ? {} : { map }),
    survey: { data: loaded, again: flags.surveyAgain === true },
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
    ...(wait === undefined ? {} : { patienceMs: wait }),
    ...(giveUp === undefined ? {} : { giveUpMs: giveUp }),
    ...(flags.fingerprint === undefined ? {} : { fingerprint: flags.fingerprint }),
    ...(flags.out === undefined ? {} : { out: flags.out, force: flags.force === true }),
  });
  const outcome = await run.finished;
  if (outcome.type === 'stopped') throw new FloeError('aborted', leftText(flags, folder));
  const model = outcome.commit?.body.model;
  const saved = run.saved();
  const object = saved === undefined ? await objectOf(outcome.spec, network) : undefined;
  output.document({
    run: outcome.run,
    key,
    examples,
    // Requirements that this participant lowered.
    lowered: loweredFields(makeAdmission(require)),
    // Failed attempts have numbers too, so the last number is not the count of commits.
    attempt: model?.version,
    modelHash: model?.hash,
    keystore: folder,
    file: saved?.file,
    tfjs: saved?.tfjs,
  });
  output.print(
    isSurvey
      ? surveyLines(flags, folder, address)
      : modelLines(flags, saved, folder, address, outcome.spec?.data !== undefined, object),
  );
};
