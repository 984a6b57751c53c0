/**
 * @module Generates `llms.txt` (llmstxt.org): what Floe is, every page with one line, every command
 * and every face of the package, for programs that read documentation. `npm run docs` writes it; a
 * test compares it with the files.
 */
import { readdir, readFile } from 'node:fs/promises';
import { createProgram } from '../cli/main.ts';

const ABOUT = `# Floe

> Federated learning over encrypted exchange, in TypeScript. Participants train on their own data; their
> updates leave masked and encrypted, and the coordinator learns the sum alone. Every reader with access to
> the model recomputes every round bit for bit. Runs locally, or on Walrus (blobs), Seal (keys) and Sui
> (freezes, policies), for which a devnet works offline.

Node 24. In a clone, \`floe X\` is \`npm run floe -- X\`. A run is described by settings (docs/settings.md), its
hash is what participants agree on, and a data contract says what the columns and classes of an example mean.
Every error has a stable code with a remedy (docs/errors.md). Every command takes \`--json\` and \`--help\`.`;

const GUIDE: Readonly<Record<string, string>> = {
  'guide/README.md': 'index of the guide, installation, how to read the pages',
  'guide/consortium.md':
    'three sites with their own CSV: contract, run, predictions, audit, survey',
  'guide/own-model.md':
    'built-in models, Keras and tfjs files, a model in code, adapters over a base',
  'guide/own-trainer.md': 'a trainer module: metrics, cancellation, corrections, threads, browsers',
  'guide/walrus-and-seal.md': 'devnet and networks, the network file, passes, grants, receipts',
  'guide/research.md': 'scenarios, partitions, losses, strategies, outputs, reproduction',
};

const REFERENCE: Readonly<Record<string, string>> = {
  'adapters.md': 'adapters (LoRA, FFA), frozen bases, encoders, text',
  'architecture.md': 'rooms, imports, data flow of a round, ports, access on chain, dependencies',
  'correlated-noise.md': 'DP-FTRL in whole numbers: mechanism, theorem, proof, conditions',
  'data.md': 'the data contract, surveys, mapping files, what is checked',
  'data-files.md': 'kinds of data files and how they are read',
  'errors.md': 'every error code: meaning, party at fault, remedy',
  'glossary.md': 'one meaning for each word',
  'layers.md': 'which layers train on which engine; layers that stay at a site',
  'limits.md': 'limits on what a coordinator accepts',
  'models.md': 'models of a run, modules, test examples, evaluation, export, Python',
  'protocol.md': 'every frame, record, rule and field of the specification',
  'security.md': 'what is protected, from whom, under which conditions; remaining risks',
  'settings.md': 'every setting: key, flag, range, default, place in the specification',
  'testing.md': 'compliance suites for ports of your own',
};

const FACES: Readonly<Record<string, string>> = {
  './client': 'take part in a run, read data, trainers, open, evaluate and verify models',
  './coordinator': 'create a run and run its coordinator',
  './sim': 'simulate many participants with the production code',
  './protocol': 'records, rules, specification and ports, for authors of ports and verifiers',
  './testing': 'compliance suites of the ports',
};

const root = new URL('../', import.meta.url);

const markdownIn = async (folder: string): Promise<string[]> =>
  (await readdir(new URL(`docs/${folder}`, root)))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `${folder}${name}`)
    .toSorted();

/** What a page says of itself first. */
const firstSentence = (text: string): string =>
  /^(?!#|<!--|\s)[\s\S]*?[.:](?=\s)/mu.exec(text)?.[0].replaceAll(/\s+/gu, ' ') ?? '';

/** A line for each page of a folder: the one written here, else the page's first sentence. */
const links = (
  pages: readonly string[],
  lines: Readonly<Record<string, string>>,
): Promise<readonly string[]> =>
  Promise.all(
    pages.map(async (path) => {
      const text = await readFile(new URL(`docs/${path}`, root), 'utf8');
      const [, title = path] = /^# (.*)$/mu.exec(text) ?? [];
      return `- [${title}](docs/${path}): ${lines[path] ?? firstSentence(text)}`;
    }),
  );

const commandLines = (): readonly string[] =>
  createProgram()
    .commands.filter((command) => command.name() !== 'help')
    .flatMap((command) => [
      `- \`floe ${command.name()}\`: ${command.description()}`,
      ...command.commands.map(
        (under) => `- \`floe ${command.name()} ${under.name()}\`: ${under.description()}`,
      ),
    ]);

const facesOf = async (): Promise<readonly string[]> => {
  const manifest = JSON.parse(await readFile(new URL('package.json', root), 'utf8')) as {
    readonly exports: Readonly<Record<string, unknown>>;
  };
  return Object.keys(manifest.exports).flatMap((face) =>
    face === '.' || face.endsWith('.json')
      ? []
      : [`- \`floe${face.slice(1)}\`: ${FACES[face] ?? 'see its index.ts'}`],
  );
};

export const llmsText = async (): Promise<string> =>
  [
    ABOUT,
    '',
    '## Guide',
    '',
    ...(await links(await markdownIn('guide/'), GUIDE)),
    '',
    '## Reference',
    '',
    ...(await links(await markdownIn(''), REFERENCE)),
    '- [floe-devnet](devnet/README.md): Sui, Walrus and Seal in one process, without Floe',
    '',
    '## Package',
    '',
    ...(await facesOf()),
    '- `floe-devnet`: the offline network, a package of its own',
    '',
    '## Commands',
    '',
    ...commandLines(),
    '',
  ].join('\n');
