/**
 * Natives against other implementations: node:crypto for hashes, HMAC and Ed25519, @noble signing
 * for BLS and secp256k1, and values of the Move standard library worked out by hand.
 */
import { createHash, createHmac, generateKeyPairSync, sign } from 'node:crypto';
import { bls12_381 } from '@noble/curves/bls12-381.js';
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { bcs } from '@mysten/sui/bcs';
import { expect, test } from 'vitest';
import {
  type CallArgument,
  type CallResult,
  type StoredObject,
  STD_ID,
  SUI_ID,
  createVmWithFramework,
} from '../../../devnet/move/index.ts';
import { shaped } from './support/shape.ts';

const vm = createVmWithFramework();
const PARENT = `0x${'bb'.repeat(32)}`;
const COIN = `${SUI_ID}::coin::Coin<${SUI_ID}::sui::SUI>`;
const stored: StoredObject = {
  id: `0x${'cc'.repeat(32)}`,
  type: COIN,
  contents: Uint8Array.of(...Buffer.alloc(32, 0xcc), 9, 0, 0, 0, 0, 0, 0, 0),
};
const begin = () =>
  vm.begin({
    objects: {
      getChild: () => undefined,
      getReceivable: (parent, id, version) =>
        parent === PARENT && id === stored.id && version === 4n ? stored : undefined,
    },
    context: { sender: STD_ID, digest: new Uint8Array(32), epoch: 0n, epochTimestampMs: 0n },
  });
const bytes = (value: Uint8Array): CallArgument => ({
  type: 'bcs',
  bytes: bcs.vector(bcs.u8()).serialize(value).toBytes(),
});
const run = (
  target: string,
  args: readonly CallArgument[],
  typeArguments: readonly string[] = [],
  on = begin(),
): CallResult => {
  const [id, module = '', name = ''] = target.split('::');
  const call = { package: id === 'std' ? STD_ID : SUI_ID, module, function: name };
  return on.callFunction({ ...call, arguments: args, typeArguments });
};
const value = (result: CallResult): unknown =>
  result.status === 'success' ? result.returns[0]?.value : result.failure;

const message = Uint8Array.from({ length: 77 }, (_, i) => i * 3);
const altered = Uint8Array.of(...message.slice(0, -1), 1);

test.each([
  ['std::hash::sha2_256', 'sha256'],
  ['std::hash::sha3_256', 'sha3-256'],
])('%s', (target, algorithm) => {
  expect(value(run(target, [bytes(message)]))).toEqual([
    ...createHash(algorithm).update(message).digest(),
  ]);
});

test('hashes of 0x2 and HMAC', () => {
  const empty = new Uint8Array();
  const hex = (target: string): string =>
    Buffer.from(shaped<number[]>()(value(run(target, [bytes(empty)])))).toString('hex');
  // Known digests of the empty message.
  expect(hex('sui::hash::blake2b256')).toMatch(/^0e5751c026e543b2/);
  expect(hex('sui::hash::keccak256')).toMatch(/^c5d2460186f7233c/);
  const mac = createHmac('sha3-256', 'key').update(message).digest();
  const key = Uint8Array.from(Buffer.from('key'));
  expect(value(run('sui::hmac::hmac_sha3_256', [bytes(key), bytes(message)]))).toEqual([...mac]);
});

test('signatures: the right one is taken, another message and rubbish are not', () => {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const key = Uint8Array.from(publicKey.export({ type: 'spki', format: 'der' }).subarray(-32));
  const signature = Uint8Array.from(sign(null, message, privateKey));
  const { longSignatures, shortSignatures } = bls12_381;
  const long = longSignatures.keygen(new Uint8Array(48).fill(5));
  const short = shortSignatures.keygen(new Uint8Array(48).fill(6));
  const longSignature = longSignatures.sign(longSignatures.hash(message), long.secretKey);
  const shortSignature = shortSignatures.sign(shortSignatures.hash(message), short.secretKey);
  const k1 = secp256k1.keygen(new Uint8Array(48).fill(7));
  const sha256: CallArgument = { type: 'bcs', bytes: Uint8Array.of(1) };
  const cases: readonly (readonly [string, Uint8Array, Uint8Array, readonly CallArgument[]])[] = [
    ['sui::ed25519::ed25519_verify', signature, key, []],
    [
      'sui::bls12381::bls12381_min_pk_verify',
      longSignature.toBytes(),
      long.publicKey.toBytes(),
      [],
    ],
    [
      'sui::bls12381::bls12381_min_sig_verify',
      shortSignature.toBytes(),
      short.publicKey.toBytes(),
      [],
    ],
    [
      'sui::ecdsa_k1::secp256k1_verify',
      secp256k1.sign(message, k1.secretKey),
      k1.publicKey,
      [sha256],
    ],
  ];
  for (const [target, given, by, more] of cases) {
    const check = (signed: Uint8Array, text: Uint8Array): unknown =>
      value(run(target, [bytes(signed), bytes(by), bytes(text), ...more]));
    expect([target, check(given, message)]).toEqual([target, true]);
    expect(check(given, altered)).toBe(false);
    expect(check(given.slice(1), message)).toBe(false);
  }
});

test('text, addresses, type names, receiving', () => {
  const address = { type: 'bcs', bytes: Uint8Array.from(Buffer.alloc(32, 0xab)) } as const;
  expect(value(run('sui::address::to_u256', [address]))).toBe(BigInt(`0x${'ab'.repeat(32)}`));
  const failure = { type: 'abort', code: 0n, location: { module: 'address' } };
  expect(value(run('sui::address::from_bytes', [bytes(message)]))).toMatchObject(failure);
  expect(value(run('std::string::utf8', [bytes(Uint8Array.of(0xc3))]))).toMatchObject({
    type: 'abort',
    code: 1n,
    location: { package: STD_ID, module: 'string', function: 'utf8' },
  });
  const name = value(run('std::type_name::with_defining_ids', [], [`vector<${COIN}>`]));
  expect(Buffer.from(shaped<number[][][]>()(name)[0]![0]!).toString()).toBe(
    `vector<${COIN.replaceAll('0x', '')}>`,
  );
  const on = begin();
  const parent = on.cell(`${SUI_ID}::object::UID`, Uint8Array.from(Buffer.alloc(32, 0xbb)));
  const ticket = (version: number): CallArgument => ({
    type: 'cell',
    cell: on.cell(
      `${SUI_ID}::transfer::Receiving<${COIN}>`,
      Uint8Array.of(...Buffer.alloc(32, 0xcc), version, 0, 0, 0, 0, 0, 0, 0),
    ),
  });
  const uid: CallArgument = { type: 'cell', cell: parent };
  const received = run('sui::transfer::public_receive', [uid, ticket(4)], [COIN], on);
  expect(value(received)).toEqual([[[stored.id]], [9n]]);
  expect(on.effects().received).toEqual([stored.id]);
  expect(value(run('sui::transfer::public_receive', [uid, ticket(4)], [COIN], on))).toMatchObject({
    type: 'abort',
    code: 3n,
  });
});

test('gas stops a hash of much and a signature out of reach', () => {
  const small = vm.begin({
    objects: { getChild: () => undefined, getReceivable: () => undefined },
    context: { sender: STD_ID, digest: new Uint8Array(32), epoch: 0n, epochTimestampMs: 0n },
    limits: { steps: 1000 },
  });
  const args = [new Uint8Array(64), new Uint8Array(32), message].map(bytes);
  const result = run('sui::ed25519::ed25519_verify', args, [], small);
  expect(value(result)).toMatchObject({ type: 'out_of_gas' });
});
