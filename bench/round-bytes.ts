/**
 * @module Bytes of one masked round, without its vectors: `npx node bench/round-bytes.ts
 * [cohort...]`, by default 10, 40 and 100. The machine is driven with records and frames of their
 * real sizes, without sockets. The second round is counted, because in it members check the first
 * one. `down`, `up`: of one participant, by frame. `transcript`: of the whole round, by record.
 * `bundle`: fetched by a member of the next cohort to check the round, after one sharer dropped
 * out.
 */
import { encodeBundle, type UnmaskingBundle } from '../protocol/verify/bundle.ts';
import { equalBytes, toHex } from '../protocol/bytes.ts';
import { BOX_BYTES } from '../protocol/model/key-envelopes.ts';
import { encodeCbor } from '../protocol/wire/cbor.ts';
import { encodeFrame } from '../protocol/wire/messages.ts';
import type { Effect, EventBody } from '../coordinator/machine/index.ts';
import { encodeAnswer, freezeCohort, shareBytes, shownPairs } from '../protocol/secagg/index.ts';
import { ANSWER_OVERHEAD } from '../protocol/secagg/answer.ts';
import { cryptoReady } from '../protocol/ports/identity.ts';
import { ANSWERS, createPlayer, type Player } from '../test/support/machine.ts';
import { benchSpec } from './run.ts';
import { report } from './table.ts';
import { attemptOf } from '../coordinator/machine/index.ts';

const COHORTS = process.argv.length > 2 ? process.argv.slice(2).map(Number) : [10, 40, 100];
const DIMENSION = 16;
const KIB = 1024;

type Sizes = Map<string, number>;
const add = (sizes: Sizes, name: string, bytes: number): void => {
  sizes.set(name, (sizes.get(name) ?? 0) + bytes);
};

/** The boxes of a key that the coordinator and every participant may open. */
const envelopeOf = ({ people, config }: Player): Uint8Array =>
  encodeCbor({
    v: 1,
    boxes: [config.coordinator, ...people.map(({ publicKey }) => publicKey)].map((reader) => ({
      reader,
      box: new Uint8Array(BOX_BYTES),
    })),
  });

const withEnvelopes = (body: EventBody, envelope: Uint8Array): EventBody => {
  if (body.type === 'opened')
    return {
      ...body,
      model: { ...body.model, envelope },
      ...(body.bundle === undefined ? {} : { bundle: envelope }),
    };
  if (body.type !== 'aggregated') return body;
  const { commit } = body;
  const [model, bundle] = [
    { ...commit.model, envelope },
    { ...commit.bundle, envelope },
  ];
  return { ...body, commit: { ...commit, model, bundle } };
};

/** A sealed answer for a cohort of n, all of whom survive. */
const answerOf = (n: number): Uint8Array => {
  const share = new Uint8Array(shareBytes('self'));
  const author = new Uint8Array(32);
  const shares = Array.from({ length: n }, () => ({ author, kind: 'self', share }) as const);
  return new Uint8Array(encodeAnswer(shares).length + ANSWER_OVERHEAD);
};

const upFrame = (event: EventBody & { readonly type: 'record' }, n: number): Uint8Array => {
  const { record, entries } = event;
  if (record.type === 'share')
    return encodeFrame({ type: 'share', record: record.bytes, entries: [...entries] });
  if (record.type === 'unmask')
    return encodeFrame({ type: 'unmask', record: record.bytes, answer: answerOf(n) });
  return encodeFrame({ type: 'record', record: record.bytes });
};

/**
 * The bundle of a round whose first sharer dropped out, without the parts that depend on the size
 * of the model.
 */
const bundleBytes = (player: Player): number => {
  const round = attemptOf(player.state);
  if (round?.cohort === undefined) throw new Error('the attempt has no cohort');
  const members = round.members.flatMap((key) => round.registers.get(key) ?? []);
  const cohort = freezeCohort(
    members.map(({ author, body: { mask, seal } }) => ({ id: author, mask, seal })),
    round.cohort.body.beacon,
  );
  const shares = round.members.flatMap((key) => {
    const shared = round.shares.get(key);
    if (shared === undefined) return [];
    const { author, body } = shared.record;
    return [{ author, commitment: body.commitment, entries: shared.entries }];
  });
  const [dropped, ...rest] = shares.map(({ author }) => author);
  if (dropped === undefined) throw new Error('nobody has shared');
  const context = round.context ?? new Uint8Array(32);
  const pairs = shownPairs({ context, cohort, shares, survivors: rest });
  const secrets: UnmaskingBundle['secrets'] = [
    { author: dropped, kind: 'key', secret: new Uint8Array(32) },
    ...rest.map((author) => ({ author, kind: 'self', secret: new Uint8Array(64) }) as const),
  ];
  const keys = { before: new Uint8Array(32), after: new Uint8Array(32) };
  const sum = new Uint8Array();
  return encodeBundle({ secrets, pairs: [...pairs], sum, uploads: [], keys }).length;
};

const measure = async (n: number): Promise<void> => {
  const player = await createPlayer(await benchSpec(n, DIMENSION, 3), n);
  const { people } = player;
  const apply = player.apply.bind(player);
  const envelope = envelopeOf(player);
  const self = people[0]?.publicKey ?? new Uint8Array(32);
  const sizes = { down: new Map(), up: new Map(), transcript: new Map() } satisfies Record<
    string,
    Sizes
  >;
  const note = (body: EventBody, effects: readonly Effect[]): void => {
    if (body.type === 'record' && equalBytes(body.from, self))
      add(sizes.up, body.record.type, upFrame(body, n).length);
    for (const effect of effects) {
      if (effect.type === 'append') {
        const { type, bytes } = effect.record;
        add(sizes.transcript, type, bytes.length);
      }
      if (effect.type !== 'send') continue;
      const { to, frame } = effect;
      if (to !== 'everyone' && !to.includes(toHex(self))) continue;
      add(sizes.down, frame.type, encodeFrame(frame).length);
    }
  };
  let bundle = 0;
  player.apply = (body) => {
    const isCounted = player.state.committed === 1;
    const effects = apply(withEnvelopes(body, envelope));
    if (isCounted) note(body, effects);
    return effects;
  };
  player.join(...people.keys());
  for (let seen = 0; player.state.committed < 2;) {
    const { type } = player.state.phase;
    const record = type in ANSWERS ? ANSWERS[type as keyof typeof ANSWERS] : undefined;
    if (type === 'unmask') bundle = bundleBytes(player);
    if (record !== undefined) for (const who of people.keys()) player.say(who, record);
    for (; seen < player.effects.length; seen += 1) player.work(player.effects[seen] as Effect);
  }
  const row = (what: string, bytes: number): void =>
    report({ what: `${what}, n = ${n}`, value: bytes / KIB, unit: 'KiB' });
  for (const [side, parts] of Object.entries(sizes)) {
    for (const [name, bytes] of parts) row(`${side} ${name}`, bytes);
    row(
      `${side}, all`,
      [...parts.values()].reduce((sum, bytes) => sum + bytes, 0),
    );
  }
  row('bundle, one dropped', bundle);
};

await cryptoReady;
for (const n of COHORTS) {
  console.log();
  await measure(n);
}
