/**
 * @module The folder of a devnet that is kept beside its configuration file: the snapshot, and the
 * ports. A devnet that is started again from it answers at the same addresses, so the file stays
 * valid for those who use it.
 */
import { lstat, mkdir, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import { DevnetError } from './errors.ts';
import type { DevnetPorts } from './config.ts';
import type { Devnet } from './start.ts';

const PORTS = 'ports.json';
const MANIFEST = 'manifest.json';
const BLOBS = 'blobs';
/** Files that a devnet writes into its folder; others are somebody else's. */
const OWN =
  /^(?:(?:manifest\.json|pinned-\d+\.json|state-\d+\.json\.gz|transactions\.bin|ports\.json)(?:\.new)?|blobs)$/u;
const OWN_BLOB = /^[\w-]+\.[0-9a-f]{16}(?:\.new)?$/u;

const port = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(65_535));
const Ports = v.strictObject({
  rpc: port,
  faucet: port,
  relay: port,
  publisher: port,
  aggregator: port,
  seal: v.array(port),
  nodes: v.array(port),
});

const missing = (thrown: unknown): boolean =>
  thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT';

/** Where the devnet of a configuration file is kept: `net.devnet` for `net.json`. */
export const keptFolderOf = (configFile: string): string =>
  `${configFile.replace(/\.json$/iu, '')}.devnet`;

const portOf = (url: string): number => Number(new URL(url).port);

const portsOf = ({ config, nodeUrls }: Devnet): v.InferOutput<typeof Ports> => ({
  rpc: portOf(config.rpcUrl),
  faucet: portOf(config.faucetUrl),
  relay: portOf(config.walrus.relayUrl),
  publisher: portOf(config.walrus.publisherUrl),
  aggregator: portOf(config.walrus.aggregatorUrl),
  seal: config.seal.servers.map(({ url }) => portOf(url)),
  nodes: nodeUrls.map(portOf),
});

/** Writes the ports of a running devnet into its folder. */
export const writeKeptPorts = async (folder: string, devnet: Devnet): Promise<void> => {
  await mkdir(folder, { recursive: true });
  const path = join(folder, PORTS);
  await writeFile(`${path}.new`, `${JSON.stringify(portsOf(devnet))}\n`);
  await rename(`${path}.new`, path);
};

/**
 * The ports that the devnet of a folder had; undefined where none was kept.
 * @throws {DevnetError} `snapshot_invalid`
 */
export const readKeptPorts = async (folder: string): Promise<DevnetPorts | undefined> => {
  let text: string;
  try {
    text = await readFile(join(folder, PORTS), 'utf8');
  } catch (thrown) {
    if (missing(thrown)) return undefined;
    throw thrown;
  }
  try {
    return v.parse(Ports, JSON.parse(text));
  } catch (cause) {
    throw new DevnetError('snapshot_invalid', `${join(folder, PORTS)}: not the ports of a devnet`, {
      cause,
    });
  }
};

const namesIn = (folder: string): Promise<readonly string[]> =>
  readdir(folder).catch((thrown: unknown) => {
    if (missing(thrown)) return [];
    throw thrown;
  });

/** What tells a devnet's manifest, of any format, from an application's. */
const OwnManifest = v.object({ format: v.number(), chainId: v.string() });

/** Whether a file is there and fits. */
const fits = async (path: string, schema: typeof Ports | typeof OwnManifest): Promise<boolean> => {
  try {
    return v.is(schema, JSON.parse(await readFile(path, 'utf8')));
  } catch {
    return false;
  }
};

const foreign = (folder: string, what: string): DevnetError =>
  new DevnetError('snapshot_invalid', `${folder} ${what}: nothing is removed`);

/**
 * Removes what an earlier devnet left in a folder, and the folder.
 * @throws {DevnetError} `snapshot_invalid` for a folder that is not a devnet's, or a link, or that
 * holds other files
 */
export const removeKept = async (folder: string): Promise<void> => {
  const names = await namesIn(folder);
  const other =
    names.find((name) => !OWN.test(name)) ??
    (names.includes(BLOBS)
      ? (await namesIn(join(folder, BLOBS))).find((name) => !OWN_BLOB.test(name))
      : undefined);
  if (other !== undefined) throw foreign(folder, `holds ${other}, which no devnet wrote`);
  if (names.length > 0) {
    const isOwn =
      (await fits(join(folder, MANIFEST), OwnManifest)) || (await fits(join(folder, PORTS), Ports));
    if (!isOwn) throw foreign(folder, 'is not the folder of a devnet');
    if ((await lstat(folder)).isSymbolicLink()) throw foreign(folder, 'is a link');
  }
  await rm(folder, { recursive: true, force: true });
};
