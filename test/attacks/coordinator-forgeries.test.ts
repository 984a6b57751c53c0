/**
 * @module Transcripts that an honest client would never have gone along with, signed by a
 * coordinator alone or in league with all members, and what a verifier says of them.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { equalBytes } from '../../protocol/bytes.ts';
import type { RecordType } from '../../protocol/records/records.ts';
import { added, changing, finishedRun, forged, verdictOn, withoutReader } from './forge.ts';
import type { FinishedRun } from './forge.ts';

let masked: FinishedRun;
let clear: FinishedRun;
beforeAll(async () => {
  masked = await finishedRun();
  clear = await finishedRun({ secagg: 'none' });
});

const everythingHolds = { ok: true, level: 'L1' } as const;
/** Something is wrong, in this record. */
const refused = (record: RecordType, reason: RegExp, attempt = 1) => ({
  ok: false,
  culprit: { attempt, record, reason: expect.stringMatching(reason) as unknown },
});

it('the run as it was holds', async () => {
  for (const one of [masked, clear])
    expect(await verdictOn(one, one.records, one.auditor)).toMatchObject(everythingHolds);
});

describe('signed by the coordinator alone', () => {
  it('a survivor is rejected as well', async () => {
    const records = forged(
      clear,
      changing('survivors', (body) => ({
        ...body,
        rejected: [{ member: body.members[0]!, code: 'upload_mismatch' }],
      })),
    );
    const verdict = await verdictOn(clear, records, clear.auditor);

    expect(verdict).toMatchObject(refused('survivors', /survivors-rejected/));
  });

  it('a stranger is rejected, and one member twice', async () => {
    const records = forged(
      clear,
      changing('survivors', (body) => ({
        ...body,
        rejected: [1, 1].map((value) => ({ member: new Uint8Array(32).fill(value), code: 'x' })),
      })),
    );
    const verdict = await verdictOn(clear, records, clear.auditor);

    expect(verdict).toMatchObject(refused('survivors', /survivors-rejected/));
  });

  it('the strategy of the step is fedadam, in a run of fedavg', async () => {
    const records = forged(
      masked,
      changing('commit', (body) => ({ ...body, step: { ...body.step, strategy: 'fedadam' } })),
    );
    const verdict = await verdictOn(masked, records, masked.auditor);

    expect(verdict).toMatchObject(refused('commit', /commit-strategy/));
  });

  it('the parameters of the step are others than the specification has', async () => {
    const parameters = new Uint8Array(32);
    const records = forged(
      masked,
      changing('commit', (body) => ({ ...body, step: { ...body.step, parameters } })),
    );
    const verdict = await verdictOn(masked, records, masked.auditor);

    expect(verdict).toMatchObject(refused('commit', /commit-strategy/));
  });

  it('the model has a state, in a run of fedavg', async () => {
    const state = new Uint8Array(32);
    const records = forged(
      masked,
      changing('commit', (body) => ({ ...body, model: { ...body.model, state } })),
    );
    const verdict = await verdictOn(masked, records, masked.auditor);

    expect(verdict).toMatchObject(refused('commit', /commit-state/));
  });

  it.each(['model', 'bundle'] as const)('the auditor is no reader of the %s', async (role) => {
    const reader = masked.people[0]!.keystore.identity;
    const readers = masked.people.map(({ key: member }) => member);
    const [commit] = masked.run.records('commit');
    const { [role]: part } = commit!.body;
    const envelope = await withoutReader(masked, part.envelope, { attempt: 1, role }, readers);
    const records = forged(
      masked,
      changing('commit', (body) => ({ ...body, [role]: { ...body[role], envelope } })),
    );
    const verdict = await verdictOn(masked, records, reader);

    expect(verdict).toMatchObject(refused('commit', /commit-readers/));
  });

  it('the sharers stand in another order', async () => {
    const records = forged(
      masked,
      changing('sharers', (body) => ({
        ...body,
        members: body.members.toReversed(),
        shares: body.shares.toReversed(),
      })),
    );
    const verdict = await verdictOn(masked, records);

    expect(verdict).toMatchObject(refused('sharers', /sharers-members/));
  });

  it('the survivors stand in another order', async () => {
    const records = forged(
      clear,
      changing('survivors', (body) => ({
        ...body,
        members: body.members.toReversed(),
        uploads: body.uploads.toReversed(),
      })),
    );
    const verdict = await verdictOn(clear, records, clear.auditor);

    expect(verdict).toMatchObject(refused('survivors', /survivors-members/));
  });

  it('an abort follows the commit: the round was never checked, and its model is gone', async () => {
    const abort = added(masked, 'abort', 1, {
      code: 'x',
      reason: 'y',
      culprits: [],
      answered: true,
    });
    const verdict = await verdictOn(masked, [...masked.records, abort], masked.auditor);

    expect(verdict).toMatchObject(refused('abort', /record-order/));
  });

  it('an aborted round may begin with any model, invite anyone and blame anyone', async () => {
    const [commit] = masked.run.records('commit');
    const [{ body }] = masked.run.records('open') as [
      FinishedRun['records'][number] & { type: 'open' },
    ];
    const hostile = { ...commit!.body.model, version: 0, hash: new Uint8Array(32).fill(1) };
    const victim = masked.people[0]!.key;
    const attempt = [
      added(masked, 'open', 1, { ...body, model: hostile, invited: [victim] }),
      added(masked, 'abort', 1, {
        code: 'commitment_mismatch',
        reason: 'y',
        culprits: [victim],
        answered: false,
      }),
    ];
    const verdict = await verdictOn(masked, attempt, masked.auditor);

    expect(verdict).toMatchObject(refused('open', /open-first-model/));
  });

  it('more rounds follow than the run was agreed to have', async () => {
    const [{ body }] = masked.run.records('open') as [
      FinishedRun['records'][number] & { type: 'open' },
    ];
    const open = added(masked, 'open', 2, body);
    const verdict = await verdictOn(masked, [...masked.records, open], masked.auditor);

    expect(verdict).toMatchObject(refused('open', /open-rounds/, 2));
  });

  it('the answers were taken, and the abort denies it', async () => {
    const upTo = masked.records.filter(({ type }) => type !== 'commit');
    const abort = added(masked, 'abort', 1, {
      code: 'x',
      reason: 'nothing',
      culprits: [],
      answered: false,
    });
    const verdict = await verdictOn(masked, [...upTo, abort], masked.auditor);

    expect(masked.run.records('unmask')).toHaveLength(5);
    expect(verdict).toMatchObject(refused('abort', /abort-answered/));
  });
});

describe('signed by the coordinator and all members', () => {
  it('a member of the cohort was never invited', async () => {
    const records = forged(
      masked,
      changing('open', (body) => ({ ...body, invited: body.invited.slice(1) })),
    );
    const verdict = await verdictOn(masked, records, masked.auditor);

    expect(verdict).toMatchObject(refused('register', /register-invited/));
  });

  it('the invited stand in another order', async () => {
    const records = forged(
      masked,
      changing('open', (body) => ({
        ...body,
        invited: body.invited.toReversed(),
      })),
    );
    const verdict = await verdictOn(masked, records, masked.auditor);

    expect(verdict).toMatchObject(refused('open', /open-invited/));
  });

  it('sharers and survivors stand in another order', async () => {
    const reversed = forged(
      masked,
      changing('sharers', (body) => ({
        ...body,
        members: body.members.toReversed(),
        shares: body.shares.toReversed(),
      })),
    );
    const records = forged(
      { ...masked, records: reversed },
      changing('survivors', (body) => ({
        ...body,
        members: body.members.toReversed(),
        uploads: body.uploads.toReversed(),
      })),
    );
    const verdict = await verdictOn(masked, records, masked.auditor);

    expect(verdict).toMatchObject(refused('sharers', /sharers-members/));
  });

  it.each([
    ['mask', 'x25519'],
    ['mask', 'mlkem'],
    ['seal', 'x25519'],
    ['seal', 'mlkem'],
  ] as const)(
    'a member registered a %s %s key that is none, or that everybody knows the secret of',
    async (use, key) => {
      const member = masked.people[0]!.key;
      const bad = (bytes: Uint8Array): Uint8Array =>
        new Uint8Array(bytes.length).fill(key === 'mlkem' ? 255 : 0);
      const records = forged(
        masked,
        changing('register', (body, { author }) =>
          equalBytes(author, member)
            ? { ...body, [use]: { ...body[use], [key]: bad(body[use][key]) } }
            : body,
        ),
      );
      const verdict = await verdictOn(masked, records, masked.auditor);

      expect(verdict).toMatchObject(refused('register', /register-keys/));
    },
  );
});
