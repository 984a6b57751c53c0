/**
 * The whole protocol: the recovered sum against the plain sum (an independent path: exact integer
 * addition of the updates), with drop-outs at every phase, in all rings, and under attack.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { toHex } from '../../protocol/bytes.ts';
import { maskJobs, maskViewOf, recover, threshold, unmask } from '../../protocol/secagg/index.ts';
import type { Lanes, RecoveryResult } from '../../protocol/secagg/index.ts';
import { makeContext, newLanes, play } from './play.ts';

const failuresOf = (result: RecoveryResult) => (result.type === 'failed' ? result.failures : []);

/**
 * Chi-square of the high byte of each lane against uniform: 255 degrees of freedom, so about 255 +-
 * 23.
 */
const highByteChiSquare = (lanes: Lanes, bits: number): number => {
  const counts = new Float64Array(256);
  for (const lane of lanes) counts[Math.floor(lane / 2 ** (bits - 8))]! += 1;
  const mean = lanes.length / 256;
  return counts.reduce((sum, count) => sum + (count - mean) ** 2 / mean, 0);
};

describe('the sum', () => {
  it('is exact for random cohorts, rings and drop-outs at every phase', async () => {
    const rings = [
      { lanes: 16, modulusBits: 12 },
      { lanes: 16, modulusBits: 16 },
      { lanes: 32, modulusBits: 24 },
      { lanes: 32, modulusBits: 32 },
    ] as const;
    const scenario = fc.record({
      n: fc.integer({ min: 4, max: 7 }),
      ring: fc.constantFrom(...rings),
      length: fc.integer({ min: 1, max: 300 }),
      seed: fc.string(),
      phases: fc.array(fc.constantFrom('beforeShare', 'beforeUpload', 'beforeUnmask'), {
        maxLength: 3,
      }),
      order: fc.infiniteStream(fc.nat()),
    });
    await fc.assert(
      fc.asyncProperty(scenario, async ({ n, ring, length, seed, phases, order }) => {
        const left = Array.from({ length: n }, (_, index) => index);
        const drops = { beforeShare: [], beforeUpload: [], beforeUnmask: [] } as Record<
          (typeof phases)[number],
          number[]
        >;
        // As many as the threshold allows; each drops once.
        for (const phase of phases.slice(0, n - threshold(n)))
          drops[phase].push(...left.splice(order.next().value! % left.length, 1));
        const { sum, expected } = await play({ n, length, seed, drops, ...ring });
        expect(sum).toEqual(expected);
      }),
      { numRuns: 16, seed: 7 },
    );
  });

  it('needs every answer when n = 3 and t = 3, and is exact then', async () => {
    const init = { n: 3, length: 9, modulusBits: 16, seed: 'three' };
    const whole = await play(init);
    expect(whole.sum).toEqual(whole.expected);
    const short = await play({ ...init, drops: { beforeUnmask: [1] } });
    expect(failuresOf(short.result)).toHaveLength(3);
    expect(failuresOf(short.result)[0]).toMatchObject({
      type: 'not_enough_shares',
      have: 2,
      need: 3,
    });
  });

  it('is recovered by an auditor from the secrets alone, chunk by chunk and in any order', async () => {
    const { result, view, maskedSum, expected } = await play({
      n: 5,
      length: 1000,
      modulusBits: 32,
      lanes: 32,
      seed: 'auditor',
      drops: { beforeUpload: [2] },
    });
    if (result.type !== 'recovered') throw new Error('not recovered');
    const checked = await maskJobs(maskViewOf(view), result.secrets);
    if (checked.type !== 'jobs') throw new Error('secrets refused');
    const sum = maskedSum.slice();
    for (const laneOffset of [750, 0, 250, 500])
      await unmask(sum.subarray(laneOffset, laneOffset + 250), checked.jobs.toReversed(), 32, {
        laneOffset,
      });
    expect(sum).toEqual(expected);
  });

  it('does not depend on the order in which answers arrive', async () => {
    const { view, answers, result } = await play({
      n: 6,
      length: 4,
      modulusBits: 16,
      seed: 'order',
      drops: { beforeUpload: [0] },
    });
    expect(await recover(view, answers.toReversed())).toEqual(result);
  });
});

describe('below the threshold', () => {
  it('nothing is reconstructed from t - 1 answers, and the counts are said', async () => {
    const { result, sum } = await play({
      n: 5,
      length: 8,
      modulusBits: 16,
      seed: 'short',
      drops: { beforeUpload: [4], beforeUnmask: [0] },
    });
    expect(sum).toBeNull();
    const failures = failuresOf(result);
    expect(failures).toHaveLength(5);
    for (const failure of failures)
      expect(failure).toMatchObject({ type: 'not_enough_shares', have: 3, need: 4 });
  });
});

describe('attacks', () => {
  const init = { n: 4, length: 1 << 14, modulusBits: 16, seed: 'attack' } as const;
  const zeros = () => newLanes(16, init.length);

  it('another model shown to one participant turns the whole sum into noise', async () => {
    const attacked = await play({
      ...init,
      update: zeros,
      attack: {
        maskContext: (index, context) => (index === 1 ? context.map((byte) => byte ^ 1) : context),
      },
    });
    const honest = await play({ ...init, update: zeros });
    expect(highByteChiSquare(honest.sum!, 16)).toBeGreaterThan(1e6);
    // Six standard deviations.
    expect(highByteChiSquare(attacked.sum!, 16)).toBeLessThan(255 + 6 * Math.sqrt(2 * 255));
    expect(attacked.sum).not.toEqual(attacked.expected);
  });

  it('the context of the round changes with the model and the attempt number', async () => {
    const { cohort, context } = await play({ ...init, length: 1 });
    expect(makeContext(cohort, 1, 'model')).toEqual(context);
    expect(makeContext(cohort, 1, 'another model')).not.toEqual(context);
    expect(makeContext(cohort, 2, 'model')).not.toEqual(context);
  });

  it('a false share names its sender, and another subset gives the same sum', async () => {
    const { result, sum, expected, participants } = await play({
      ...init,
      length: 20,
      n: 5,
      attack: {
        answer: (index, answer) =>
          index !== 2
            ? answer
            : {
                ...answer,
                shares: answer.shares.map(({ share, ...rest }) => ({
                  ...rest,
                  share: share.map((byte, i) => (i === 5 ? byte ^ 1 : byte)),
                })),
              },
      },
    });
    expect(sum).toEqual(expected);
    expect(result.badShares).toHaveLength(5);
    for (const { sender, reason } of result.badShares) {
      expect(toHex(sender)).toBe(toHex(participants[2]!.id));
      expect(reason).toBe('commitment');
    }
  });

  it('shares of the wrong kind, twice, of a stranger or for a stranger are refused by name', async () => {
    const base = { ...init, n: 5, length: 4, drops: { beforeUpload: [4] } };
    const honest = await play(base);
    const [first] = honest.answers;
    const [share] = first!.shares;
    const dropped = honest.participants[4]!.id;
    const answers = [
      { ...first!, shares: [...first!.shares, share!, { ...share!, kind: 'key' as const }] },
      ...honest.answers.slice(1),
      { sender: dropped, shares: [share!] },
      { sender: new Uint8Array(32), shares: [share!] },
      { sender: first!.sender, shares: [{ ...share!, author: new Uint8Array(7) }] },
    ];
    const result = await recover(honest.view, answers);
    expect(result.type).toBe('recovered');
    expect(result.badShares.map(({ reason }) => reason)).toEqual([
      'repeated',
      'not_asked',
      'not_survivor',
      'not_survivor',
      'not_asked',
    ]);
  });

  it('a share for another recipient is not accepted at a second point', async () => {
    const honest = await play({ ...init, length: 4 });
    const [a, b] = honest.answers;
    const result = await recover(honest.view, [{ sender: a!.sender, shares: b!.shares }]);
    expect(result.badShares.map(({ reason }) => reason)).toEqual(
      b!.shares.map(() => 'commitment' as const),
    );
  });

  it('an altered entry is refused by its recipient and names the author', async () => {
    const { participants } = await play({ ...init, length: 1 });
    // KEM, sealed shares, commitment of the self share, of the key share.
    for (const at of [0, 500, 1090, 1190, 1210, 1260]) {
      const attempt = play({
        ...init,
        length: 1,
        attack: {
          message: (index, message) =>
            index !== 3
              ? message
              : {
                  ...message,
                  entries: message.entries.map((entry, recipient) =>
                    recipient === 0 ? entry.map((byte, i) => (i === at ? byte ^ 4 : byte)) : entry,
                  ),
                },
        },
      });
      await expect(attempt).rejects.toMatchObject({
        code: 'share_invalid',
        details: { author: toHex(participants[3]!.id), recipient: toHex(participants[0]!.id) },
      });
    }
  });

  it('a self-mask secret that does not match its commitment names its author', async () => {
    const { result, participants } = await play({
      ...init,
      length: 1,
      attack: {
        message: (index, message) =>
          index === 2 ? { ...message, commitment: new Uint8Array(32) } : message,
      },
    });
    expect(failuresOf(result)).toEqual([
      { type: 'commitment_mismatch', author: participants[2]!.id, kind: 'self' },
    ]);
  });

  it('a dropped participant whose shares give another sigma than its keys is named', async () => {
    const { view, result } = await play({ ...init, length: 1, drops: { beforeUpload: [1] } });
    if (result.type !== 'recovered') throw new Error('not recovered');
    const secrets = result.secrets.map((secret) =>
      secret.kind === 'key' ? { ...secret, secret: new Uint8Array(32).fill(1) } : secret,
    );
    const author = result.secrets.find(({ kind }) => kind === 'key')!.author;
    expect(await maskJobs(maskViewOf(view), secrets)).toEqual({
      type: 'failed',
      failures: [{ type: 'commitment_mismatch', author, kind: 'key' }],
    });
  });

  it('a wrong pair key names the lower member: dropped by its sigma, alive by the wrap', async () => {
    for (const [dropped, author, recipient, at] of [
      // The dropped lower member committed to another key than its sigma yields.
      [0, 0, 1, 1088 + 32],
      // The lower member stays; the sigma of the dropped higher one opens the wrap, or the KEM, to
      // another key.
      [3, 1, 3, 1088],
      [3, 1, 3, 5],
    ] as const) {
      const { view, result, participants } = await play({
        ...init,
        length: 1,
        drops: { beforeUpload: [dropped] },
      });
      if (result.type !== 'recovered') throw new Error('not recovered');
      const shares = view.shares.map((message, index) =>
        index !== author
          ? message
          : {
              ...message,
              entries: message.entries.map((entry, i) =>
                i === recipient ? entry.with(at, entry[at]! ^ 1) : entry,
              ),
            },
      );
      expect(await maskJobs(maskViewOf({ ...view, shares }), result.secrets)).toMatchObject({
        failures: [{ type: 'commitment_mismatch', author: participants[author]!.id, kind: 'pair' }],
      });
    }
  });

  it('an auditor who is given too few secrets, or the wrong kind, is told', async () => {
    const { view, result } = await play({ ...init, length: 1 });
    if (result.type !== 'recovered') throw new Error('not recovered');
    const [first, ...rest] = result.secrets;
    await expect(maskJobs(maskViewOf(view), rest)).rejects.toMatchObject({
      code: 'not_enough_shares',
    });
    await expect(maskJobs(maskViewOf(view), [rest[0]!, ...rest])).rejects.toMatchObject({
      code: 'not_enough_shares',
    });
    await expect(
      maskJobs(maskViewOf(view), [{ ...first!, kind: 'key' }, ...rest]),
    ).rejects.toMatchObject({
      code: 'not_enough_shares',
    });
  });

  it('a survivor that never shared, and lists out of order, are refused', async () => {
    const { view, answers } = await play({ ...init, length: 1, drops: { beforeShare: [0] } });
    const all = view.cohort.members.map(({ id }) => id);
    await expect(recover({ ...view, survivors: all }, answers)).rejects.toMatchObject({
      code: 'survivors_inconsistent',
    });
    await expect(
      recover({ ...view, survivors: view.survivors.toReversed() }, answers),
    ).rejects.toMatchObject({ code: 'survivors_inconsistent' });
  });

  it('cancellation stops the recovery', async () => {
    const { view, answers } = await play({ ...init, length: 1 });
    await expect(recover(view, answers, AbortSignal.abort())).rejects.toMatchObject({
      code: 'aborted',
    });
  });
});

describe('what the coordinator sees', () => {
  it('one masked vector looks uniform even when the update is zero', async () => {
    const { masked } = await play({
      n: 3,
      length: 1 << 16,
      modulusBits: 16,
      seed: 'uniform',
      update: () => newLanes(16, 1 << 16),
    });
    for (const lanes of masked.values()) {
      const bytes = new Uint8Array(lanes.buffer);
      const ones = bytes.reduce(
        (sum, byte) => sum + byte.toString(2).replaceAll('0', '').length,
        0,
      );
      // Monobit (NIST SP 800-22, 2.1), five standard deviations.
      expect(Math.abs(ones - 4 * bytes.length)).toBeLessThan(5 * Math.sqrt(2 * bytes.length));
      expect(highByteChiSquare(lanes, 16)).toBeLessThan(255 + 6 * Math.sqrt(2 * 255));
    }
  });

  it('the same update under another round, or of another participant, has nothing in common', async () => {
    const init = { n: 3, length: 4096, modulusBits: 16, seed: 'rounds' } as const;
    const update = () => newLanes(16, init.length);
    const rounds = [await play({ ...init, update }), await play({ ...init, update, attempt: 2 })];
    const vectors = rounds.flatMap(({ masked }) => [...masked.values()]);
    for (const [i, a] of vectors.entries())
      for (const b of vectors.slice(i + 1)) {
        const equal = [...a].filter((lane, at) => lane === b[at]).length;
        // 4096 lanes at 2^-16 each: 0.06 expected.
        expect(equal).toBeLessThan(5);
      }
  });
});
