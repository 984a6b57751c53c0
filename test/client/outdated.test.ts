/**
 * @module What another version of Floe wrote says so, with its version: the records of a run, its
 * specification, what a keystore remembers of it, the keystore itself.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openKeystore, decodeRunMemory, EMPTY_RUN } from '../../client/keystore/index.ts';
import { openRun } from '../../client/reader/index.ts';
import { planRun, type NewRun } from '../../coordinator/state-folder.ts';
import { encodeCbor } from '../../protocol/wire/cbor.ts';
import { signCose } from '../../protocol/records/cose.ts';
import { RECORD_VERSION, recordContext } from '../../protocol/records/records.ts';
import { encodeStored } from '../../protocol/records/transcript.ts';
import { systemRandom } from '../../protocol/ports/random.ts';
import { nodeDisk } from '../../protocol/ports/disk.ts';
import { encodeRunSpec, hashRunSpec, type RunSpec } from '../../protocol/spec/run-spec.ts';
import { testIdentity, testSpec } from '../support/run.ts';

let folder: string;
let spec: RunSpec;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'floe-outdated-'));
  spec = await testSpec();
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** The transcript of a record with fields that no version here has. */
const transcriptOf = async (version: number): Promise<Uint8Array> => {
  const identity = await testIdentity('coordinator');
  const payload = encodeCbor({
    type: 'open',
    author: identity.publicKey,
    run: hashRunSpec(spec),
    turn: 1,
    body: {},
  });
  const bytes = signCose(identity, recordContext(version), payload);
  return encodeStored({ link: new Uint8Array(32), bytes });
};

const write = async (name: string, bytes: Uint8Array): Promise<void> => {
  await mkdir(join(folder, 'run'), { recursive: true });
  await writeFile(join(folder, 'run', name), bytes);
};

const outdated = (found: number, read: number, whose: RegExp) => ({
  code: 'run_outdated',
  message: expect.stringMatching(
    new RegExp(`${whose.source} is of version ${found}, and this Floe reads version ${read}`, 'u'),
  ),
});

describe('a run of another version', () => {
  it('by its records', async () => {
    await write('spec.cbor', encodeRunSpec(spec));
    const other = RECORD_VERSION + 1;
    await write('transcript.bin', await transcriptOf(other));
    await expect(openRun(join(folder, 'run'))).rejects.toMatchObject(
      outdated(other, RECORD_VERSION, /the run's transcript/u),
    );
  });

  it('and not one that is broken: verification names the record', async () => {
    await write('spec.cbor', encodeRunSpec(spec));
    await write('transcript.bin', await transcriptOf(RECORD_VERSION));
    await using run = await openRun(join(folder, 'run'));
    expect(await run.verify()).toMatchObject({ ok: false });
  });

  it('by its specification: for a reader and for the coordinator that would resume it', async () => {
    await write('spec.cbor', encodeCbor({ ...spec, version: 7, novelty: true }));
    await write('transcript.bin', new Uint8Array());
    const error = outdated(7, 1, /the run's specification/u);
    await expect(openRun(join(folder, 'run'))).rejects.toMatchObject(error);
    await expect(
      planRun(join(folder, 'run'), { settings: {} } as unknown as NewRun, false),
    ).rejects.toMatchObject(error);
  });
});

describe('a keystore of another version', () => {
  it('by what it remembers of a run', () => {
    const other = EMPTY_RUN.v + 1;
    const bytes = encodeCbor({ ...EMPTY_RUN, v: other, novelty: [1, 2] });
    expect(() => decodeRunMemory(bytes)).toThrow(
      expect.objectContaining(outdated(other, EMPTY_RUN.v, /the keystore's memory of this run/u)),
    );
  });

  it('by its identity', async () => {
    await write('identity', encodeCbor({ v: 2, kdf: {}, sealed: new Uint8Array(9) }));
    const disk = await nodeDisk();
    await expect(
      openKeystore(join(folder, 'run'), 'secret', { random: systemRandom, disk }),
    ).rejects.toMatchObject(outdated(2, 1, /the keystore/u));
  });
});
