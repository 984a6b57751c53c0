/**
 * @module What participants do together, or to a beacon, with nothing but what an honest coordinator gives them.
 */
import { METRICS, layoutOf, rotationSeed } from '../../protocol/aggregate/round.ts';
import { compareBytes, equalBytes, fromHex, sha256, toHex, utf8 } from '../../protocol/bytes.ts';
import { decodeSum, unpack } from '../../protocol/encoding/index.ts';
import { cohortEntropy, localBeacon } from '../../protocol/ledger/beacon.ts';
import {
  decodeServerFrame,
  encodeFrame,
  loginPayload,
  type ServerFrame,
} from '../../protocol/messages.ts';
import { decodeRecord, signRecord, sortKeys } from '../../protocol/records.ts';
import {
  cohortRoot,
  decodeAnswer,
  derive,
  freezeCohort,
  openShare,
  pairMask,
  parseEntry,
  selfMaskSeed,
  unmask,
  type Lanes,
  type MaskJob,
} from '../../protocol/secagg/index.ts';
import { reconstruct } from '../../protocol/secagg/shamir.ts';
import type { Identity } from '../../protocol/identity.ts';
import { decodeRunMemory, encodeRunMemory, type Keystore } from '../../client/keystore/keystore.ts';
import { connectionPair } from '../support/connection.ts';
import { testIdentity } from '../support/run.ts';
import {
  eventually,
  keystoreNamed,
  never,
  readBundle,
  realRun,
  type Client,
  type RealRun,
} from './real-run.ts';

/** A keystore whose owner remembers the secret of its round keys. */
const remembering = async (name: string) => {
  const inner = await keystoreNamed(name);
  let sigma: Uint8Array | undefined;
  const keystore: Keystore = {
    ...inner,
    save: async (run, memory) => {
      sigma = decodeRunMemory(encodeRunMemory(memory)).round?.sigma ?? sigma;
      await inner.save(run, memory);
    },
  };
  return { keystore, sigma: () => sigma! };
};

interface Collusion {
  /** Weighted update of each honest survivor, by its key. */
  readonly read: ReadonlyMap<string, Float32Array>;
  readonly honest: readonly Client[];
}

/** Ten clients; three share and drop; four of the seven survivors read the other three. */
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
  // Secrets of round keys: the colluders' own, and those that the bundle publishes.
  const sigmas = new Map<string, Uint8Array>([
    ...colluders.map(({ key, sigma }) => [toHex(key), sigma()] as const),
    ...bundle.secrets.flatMap(({ author, kind, secret }) =>
      kind === 'key' ? [[toHex(author), secret] as const] : [],
    ),
  ]);
  const registers = run.records('register');
  const cohort = freezeCohort(
    registers.map(({ author, body }) => ({
      id: author,
      keys: { x25519: body.x25519, mlkem: body.mlkem },
    })),
  );
  const context = run.records('sharers')[0]!.body.context;
  const entryOf = (author: Uint8Array, recipient: Uint8Array): Uint8Array =>
    bundle.shares.find((one) => equalBytes(one.author, author))!.entries[
      cohort.indexByHex.get(toHex(recipient))!
    ]!;

  const read = new Map<string, Float32Array>();
  for (const { key: author } of honest) {
    const shares = await Promise.all(
      [...sigmas].map(async ([hex, sigma]) => {
        const self = fromHex(hex);
        const entry = entryOf(author, self);
        return (await openShare({ context, cohort, self, keys: derive(sigma), author, entry })).key;
      }),
    );
    const keys = derive(await reconstruct(shares.slice(0, cohort.threshold), cohort.threshold));
    const masks = cohort.members
      .filter(({ id }) => !equalBytes(id, author))
      .map((peer): MaskJob => {
        const fromPeer = parseEntry(peer.id, author, entryOf(peer.id, author)).kem;
        const { seed, sign } = pairMask({ keys, context, self: author, peer, fromPeer });
        return { seed, sign: sign === 1 ? -1 : 1 };
      });
    const own = bundle.secrets.find(
      (one) => one.kind === 'self' && equalBytes(one.author, author),
    )!;
    masks.push({ seed: selfMaskSeed(context, author, own.secret), sign: -1 });
    read.set(toHex(author), await unmasked(run, author, masks));
  }
  return { read, honest };
};

/** One upload without its masks, decoded. */
const unmasked = async (
  { spec, stage, records }: RealRun,
  author: Uint8Array,
  masks: readonly MaskJob[],
): Promise<Float32Array> => {
  const [open] = records('open');
  const [cohort] = records('cohort');
  const upload = records('upload').find((one) => equalBytes(one.author, author));
  const n = cohort!.body.members.length;
  const layout = layoutOf(spec, n);
  const packed = await stage.store.get(upload!.body.blob);
  const lanes = unpack(packed, layout.modulusBits, layout.lanes) as Lanes;
  await unmask(lanes, masks, layout.modulusBits);
  const { root, beacon } = cohort!.body;
  return decodeSum({
    lanes,
    spec: spec.encoding,
    n,
    survivors: 1,
    rotationSeed: rotationSeed({
      round: 1,
      modelHash: open!.body.model.hash,
      cohortRoot: root,
      beacon,
    }),
    dimension: 20,
    extras: METRICS,
  }).meanDelta;
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
  const keys = derive(new Uint8Array(32).fill(4)).public;
  byHand(run, identity, (frame, send) => {
    if (frame.type !== 'record') return;
    const record = decodeRecord(frame.record);
    if (record.type !== 'open') return;
    const body = { open: record.hash, ...keys, nonce: new Uint8Array(32) };
    const { bytes } = signRecord(identity, 'register', run.run, record.round, body);
    send({ type: 'record', record: bytes });
  });
};

/** Registers when all others have, with the nonce that gives the beacon wished for: the transcript is public. */
export const groundNonce = async (
  run: RealRun,
  name: string,
  wished: (beacon: Uint8Array) => boolean,
): Promise<void> => {
  const identity = await testIdentity(name);
  const keys = derive(new Uint8Array(32).fill(3)).public;
  byHand(run, identity, (frame, send) => {
    if (frame.type !== 'record') return;
    const open = decodeRecord(frame.record);
    if (open.type !== 'open') return;
    const registerLast = async (): Promise<void> => {
      await eventually(
        () => run.records('register').length === open.body.invited.length - 1,
        'all others have registered',
      );
      const others = run.records('register');
      const members = sortKeys([...others.map(({ author }) => author), identity.publicKey]);
      const root = cohortRoot(members);
      const nonce = new Uint8Array(32);
      const beacon = (): Uint8Array =>
        localBeacon(
          root,
          cohortEntropy(
            members.map(
              (key) => others.find(({ author }) => equalBytes(author, key))?.body.nonce ?? nonce,
            ),
          ),
        );
      for (let i = 0; !wished(beacon()); i += 1) new DataView(nonce.buffer).setUint32(0, i);
      const body = { open: open.hash, ...keys, nonce };
      const { bytes } = signRecord(identity, 'register', run.run, open.round, body);
      send({ type: 'record', record: bytes });
    };
    void registerLast();
  });
  await eventually(() => run.records('share').length >= 3, 'the others have shared');
};

/** What the coordinator's key opens of the answers in a transcript: how many, and the secrets of the self masks. */
export const openAnswers = async (
  run: RealRun,
  thief: Identity,
): Promise<{ readonly opened: number; readonly secrets: ReadonlyMap<string, Uint8Array> }> => {
  const answers = run
    .records('unmask')
    .map(({ body }) => decodeAnswer(thief.openSealed(body.answer)));
  const { threshold: need } = run.records('cohort')[0]!.body;
  const secrets = new Map<string, Uint8Array>();
  for (const { author } of answers[0]!) {
    const shares = answers.flatMap((answer) =>
      answer.filter((one) => equalBytes(one.author, author)).map(({ share }) => share),
    );
    secrets.set(toHex(author), await reconstruct(shares.slice(0, need), need));
  }
  return { opened: answers.length, secrets };
};

/** An identity's place in the draw, as anyone can compute it. */
const ticketOf = (id: Uint8Array, round: number, key: Uint8Array): Uint8Array => {
  const number = new Uint8Array(4);
  new DataView(number.buffer).setUint32(0, round);
  return sha256(utf8('floe/invite/v1'), id, number, key);
};

/** Names of keys that are drawn before all honest ones but the first, who is then alone among them. */
export const smallTickets = async (
  id: Uint8Array,
  round: number,
  honest: readonly Uint8Array[],
  count: number,
): Promise<{ readonly victim: Uint8Array; readonly sybils: readonly string[] }> => {
  const ordered = honest
    .map((key) => ({ key, ticket: ticketOf(id, round, key) }))
    .toSorted((a, b) => compareBytes(a.ticket, b.ticket));
  const sybils: string[] = [];
  for (let i = 0; sybils.length < count; i += 1) {
    const { publicKey } = await testIdentity(`sybil ${i}`);
    if (compareBytes(ticketOf(id, round, publicKey), ordered[1]!.ticket) < 0)
      sybils.push(`sybil ${i}`);
  }
  return { victim: ordered[0]!.key, sybils };
};
