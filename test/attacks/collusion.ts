/**
 * @module What participants do together, with nothing but what an honest coordinator gives them.
 */
import { DEFAULT_METRICS, extrasOf } from '../../protocol/algorithm/metrics.ts';
import { layoutOf, rotationSeed } from '../../protocol/algorithm/round.ts';
import type { BlobRef } from '../../protocol/ports/blob-store.ts';
import { compareBytes, equalBytes, sha256, utf8 } from '../../protocol/bytes.ts';
import { decodeSum, unpack } from '../../protocol/encoding/index.ts';
import {
  decodeServerFrame,
  encodeFrame,
  loginPayload,
  type ServerFrame,
} from '../../protocol/wire/messages.ts';
import { decodeRecord, signRecord } from '../../protocol/records/records.ts';
import {
  createParty,
  deriveKeys,
  freezeCohort,
  holderPlace,
  openAnswer,
  openEntry,
  selfMaskSeed,
  unmask,
  type Lanes,
  type MaskJob,
} from '../../protocol/secagg/index.ts';
import { FloeError } from '../../protocol/errors.ts';
import type { Identity } from '../../protocol/ports/identity.ts';
import { decodeRunMemory, encodeRunMemory, type Keystore } from '../../client/keystore/keystore.ts';
import { connectionPair } from '../support/connection.ts';
import { testIdentity } from '../support/run.ts';
import { eventually, keystoreNamed, never, readBundle, realRun, type RealRun } from './real-run.ts';

/** A keystore whose owner remembers the secrets of its round keys. */
const remembering = async (name: string) => {
  const inner = await keystoreNamed(name);
  let secrets: { readonly sigma: Uint8Array; readonly seal: Uint8Array } | undefined;
  const keystore: Keystore = {
    ...inner,
    save: async (run, memory) => {
      secrets = decodeRunMemory(encodeRunMemory(memory)).attempt ?? secrets;
      await inner.save(run, memory);
    },
  };
  return { keystore, secrets: () => secrets! };
};

interface Collusion {
  readonly found: readonly {
    /** The true update of an honest survivor. */
    readonly update: Float32Array;
    /** Its shares of sigma that the colluders could open, and why others did not open. */
    readonly shares: readonly Uint8Array[];
    readonly codes: readonly string[];
    /**
     * What its upload says once the self mask, which the bundle opens, is gone; undefined for what
     * is no update at all.
     */
    readonly read: Float32Array | undefined;
  }[];
  /** How many sigmas the bundle publishes. */
  readonly published: number;
  readonly threshold: number;
}

/** Ten clients; three share and drop; four of the seven survivors try to read the other three. */
export const collude = async (keep: (run: RealRun) => void): Promise<Collusion> => {
  const run = await realRun({ cohort: { size: 10, minimum: 5 } });
  keep(run);
  const honest = await Promise.all(['h0', 'h1', 'h2'].map((name) => run.join(name)));
  const colluders = await Promise.all(
    ['c0', 'c1', 'c2', 'c3'].map(async (name) => {
      const own = await remembering(name);
      return { ...own, ...(await run.join(name, { keystore: own.keystore })) };
    }),
  );
  const gone = await Promise.all(
    ['g0', 'g1', 'g2'].map((name) => run.join(name, { after: never() })),
  );
  await eventually(() => run.records('sharers').length === 1, 'all have shared');
  await Promise.all(gone.map(({ participant }) => participant.stop()));
  await run.committed(1);

  const [commit] = run.records('commit');
  const bundle = await readBundle(run, commit!, colluders[0]!.keystore.identity);
  const registers = run.records('register');
  const cohort = freezeCohort(
    registers.map(({ author, body: { mask, seal } }) => ({ id: author, mask, seal })),
    run.records('cohort')[0]!.body.beacon,
  );
  const { context } = run.records('sharers')[0]!.body;
  // More than the bundle shows: somebody kept a copy of what came sealed beside the records.
  const entryOf = (author: Uint8Array, recipient: Uint8Array): Uint8Array => {
    const share = run.records('share').find((one) => equalBytes(one.author, author))!;
    return run.sealedBeside(share)[holderPlace(cohort, author, recipient)!]!;
  };
  // What could open entries: the colluders' own sealing secrets, and for the dropped what the
  // bundle says of them.
  const published = bundle.secrets.filter(({ kind }) => kind === 'key');
  const openers = [
    ...colluders.map(({ key, secrets }) => ({ self: key, ...secrets() })),
    ...published.map(({ author, secret }) => ({ self: author, sigma: secret, seal: secret })),
  ];

  const found = await Promise.all(
    honest.map(async ({ key: author, update }) => {
      const shares: Uint8Array[] = [];
      const codes: string[] = [];
      for (const { self, sigma, seal } of openers) {
        try {
          const party = createParty({ context, cohort, self, sigma, seal });
          shares.push((await openEntry(party, author, entryOf(author, self))).key);
        } catch (thrown) {
          if (!(thrown instanceof FloeError)) throw thrown;
          codes.push(thrown.code);
        }
      }
      const own = bundle.secrets.find(
        (one) => one.kind === 'self' && equalBytes(one.author, author),
      )!;
      const masks = [{ seed: selfMaskSeed(context, author, own.secret), sign: -1 as const }];
      return { update, shares, codes, read: await unmasked(run, uploadOf(run, author), masks) };
    }),
  );
  return { found, published: published.length, threshold: cohort.topology.threshold };
};

/** Where the upload of a survivor is. */
export const uploadOf = ({ records }: RealRun, author: Uint8Array): BlobRef =>
  records('upload').find((one) => equalBytes(one.author, author))!.body.blob;

/**
 * One upload without its masks, decoded; undefined where that is noise which no update looks like.
 */
export const unmasked = async (
  { spec, stage, records }: RealRun,
  blob: BlobRef,
  masks: readonly MaskJob[],
): Promise<Float32Array | undefined> => {
  const [open] = records('open');
  const [cohort] = records('cohort');
  const n = cohort!.body.members.length;
  const layout = layoutOf(spec, n, open!.body.meanExamples);
  const packed = await stage.store.get(blob);
  const lanes = unpack(packed, layout.modulusBits, layout.lanes) as Lanes;
  await unmask(lanes, masks, layout.modulusBits);
  const { root } = cohort!.body;
  try {
    return decodeSum({
      lanes,
      spec: spec.encoding,
      n,
      survivors: 1,
      rotationSeed: rotationSeed({
        attempt: 1,
        modelHash: open!.body.model.hash,
        cohortRoot: root,
      }),
      dimension: 20,
      extras: extrasOf(DEFAULT_METRICS),
    }).meanDelta;
  } catch (thrown) {
    if (thrown instanceof FloeError && thrown.code === 'weight_sum_out_of_range') return undefined;
    throw thrown;
  }
};

/** Logs in by hand and gives every frame to `onFrame`. */
export const byHand = (
  run: RealRun,
  identity: Identity,
  onFrame: (frame: ServerFrame, send: (frame: Parameters<typeof encodeFrame>[0]) => void) => void,
): { close: () => void; readonly closed: () => string | undefined } => {
  const [server, client] = connectionPair('by hand');
  const nonce = new Uint8Array(32);
  let closed: string | undefined;
  const send = (frame: Parameters<typeof encodeFrame>[0]): void => client.send(encodeFrame(frame));
  client.receive({
    message: (bytes) => {
      const frame = decodeServerFrame(bytes);
      if (frame.type !== 'challenge') return onFrame(frame, send);
      const payload = loginPayload({
        clientNonce: nonce,
        serverNonce: frame.nonce,
        client: identity.publicKey,
        coordinator: frame.coordinator,
        run: frame.run,
      });
      send({ type: 'login', signature: identity.sign('login', payload) });
    },
    close: (_, reason) => {
      closed = reason;
    },
  });
  run.coordinator.accept(server);
  send({ type: 'hello', key: identity.publicKey, nonce });
  return { close: () => client.close(1000, ''), closed: () => closed };
};

/** Registers in every attempt, and does nothing more. */
export const registerOnly = async (run: RealRun, name: string): Promise<void> => {
  const identity = await testIdentity(name);
  const mask = deriveKeys(new Uint8Array(32).fill(4), 'mask').public;
  const seal = deriveKeys(new Uint8Array(32).fill(5), 'seal').public;
  let last: { readonly counter: number; readonly hash: Uint8Array } | undefined;
  byHand(run, identity, (frame, send) => {
    if (frame.type !== 'record') return;
    const record = decodeRecord(frame.record);
    if (record.type !== 'open') return;
    const { bytes, hash, body } = signRecord(identity, 'register', run.run, record.attempt, {
      open: record.hash,
      counter: (last?.counter ?? 0) + 1,
      ...(last === undefined ? {} : { previous: last.hash }),
      mask,
      seal,
    });
    last = { counter: body.counter, hash };
    send({ type: 'record', record: bytes });
  });
};

/**
 * How many of the answers the coordinator's key opens afterwards: as sealed boxes, or as keys of
 * the attempt from its seed.
 */
export const openAnswers = async (
  run: RealRun,
  thief: Identity,
  seed: Uint8Array,
): Promise<{ readonly opened: number; readonly tried: number }> => {
  const unmasks = run.records('unmask');
  const { context } = run.records('sharers')[0]!.body;
  const keys = deriveKeys(seed, 'answer');
  const attempts = unmasks.flatMap((record) => {
    const answer = run.sealedBeside(record)[0]!;
    return [
      async () => thief.openSealed(answer),
      async () => openAnswer(keys, context, record.author, answer),
    ];
  });
  const results = await Promise.allSettled(attempts.map((attempt) => attempt()));
  return {
    opened: results.filter(({ status }) => status === 'fulfilled').length,
    tried: results.length,
  };
};

/** An identity's place in the draw, as anyone who knows R can compute it. */
const ticketOf = (beacon: Uint8Array, attempt: number, key: Uint8Array): Uint8Array => {
  const number = new Uint8Array(4);
  new DataView(number.buffer).setUint32(0, attempt);
  return sha256(utf8('floe/invite/v2'), beacon, number, key);
};

/**
 * Names of keys that are drawn before all honest ones but the first, who is then alone among them.
 */
export const smallTickets = async (
  beacon: Uint8Array,
  attempt: number,
  honest: readonly Uint8Array[],
  count: number,
): Promise<{ readonly victim: Uint8Array; readonly sybils: readonly string[] }> => {
  const ordered = honest
    .map((key) => ({ key, ticket: ticketOf(beacon, attempt, key) }))
    .toSorted((a, b) => compareBytes(a.ticket, b.ticket));
  const sybils: string[] = [];
  for (let i = 0; sybils.length < count; i += 1) {
    const { publicKey } = await testIdentity(`sybil ${i}`);
    if (compareBytes(ticketOf(beacon, attempt, publicKey), ordered[1]!.ticket) < 0)
      sybils.push(`sybil ${i}`);
  }
  return { victim: ordered[0]!.key, sybils };
};
