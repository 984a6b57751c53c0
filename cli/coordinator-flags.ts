/**
 * @module The flags of `floe coordinator` and `floe fork`.
 */
import { settingFlags, strategyFlags } from '../protocol/spec/setting-flags.ts';
import { on, repeated, standard, text, whole, type FlagValues } from './flags.ts';
import { PASSPHRASE, SUI_KEY } from './keys.ts';

/** The flags of a run that has not begun and of the server around it. */
export const coordinatorFlags = (of: 'coordinator' | 'fork') => ({
  ...SUI_KEY,
  ...PASSPHRASE,
  ...settingFlags(of),
  ...strategyFlags(),
  module: text(
    '<file>',
    'module of your own with a model, or the manifest of the weights of a trainer (see docs/models.md)',
  ),
  state: standard(
    text('<folder>', 'keystore, journal, blobs, network; a run found here is resumed'),
    'floe-coordinator',
  ),
  host: standard(text('<address>', 'address to listen on'), '127.0.0.1'),
  port: standard(whole('port to listen on; 0 takes a free one', 0, 65_535), 7700),
  regroup: on(
    'after two invalid sums, request answers of groups of members; requires that all of them answer with the policy consent (always on with a network)',
  ),
  allowOrigin: repeated(
    text('<origin>', 'allow web pages of this origin, * for all; may be repeated (default: none)'),
  ),
  tlsCert: text('<file>', 'certificate chain (PEM)'),
  tlsKey: text('<file>', 'private key (PEM)'),
  selfSigned: on(
    'TLS with a certificate made here, kept in the state folder; its fingerprint is part of the join line',
  ),
  tlsName: repeated(
    text(
      '<name>',
      'with --self-signed: host name or address that participants dial, besides those of this machine; may be repeated',
    ),
  ),
  keepServing: on('after the last round, serve models and transcript until Ctrl-C'),
  verbose: on('log every event to stderr'),
});
export type CoordinatorFlags = FlagValues<ReturnType<typeof coordinatorFlags>>;
