/**
 * @module Errors of sessions and frames.
 */
import { entry } from './entry.ts';

export const WIRE = {
  frame_too_large: entry(
    'wire',
    'peer',
    false,
    'The peer sent more bytes than the largest frame has, or more than a login before it has logged in.',
    'Check that both sides run the same version of Floe. No setting of a run changes these sizes.',
  ),
  frame_malformed: entry(
    'wire',
    'peer',
    false,
    'A frame is not CBOR or does not match its schema.',
    'Check that both sides run the same version of Floe.',
  ),
  version_unsupported: entry(
    'wire',
    'either',
    false,
    'The peer uses another version of the protocol. This side has read nothing except the version.',
    'Upgrade the side named in the message, so that both run the same version of Floe.',
  ),
  login_refused: entry(
    'wire',
    'participant',
    false,
    'The challenge was not answered with a valid signature of the claimed identity.',
    'Check that the keystore is the one of this identity. A login that timed out is repeated automatically.',
  ),
  origin_not_allowed: entry(
    'wire',
    'coordinator',
    false,
    'A web page of another origin tried to connect, and the coordinator does not list that origin.',
    'List the origin of the web page: `--allow-origin`, option `allowOrigins` of `serve`.',
  ),
  identity_not_admitted: entry(
    'wire',
    'participant',
    false,
    'The run is closed and its specification does not list this identity.',
    'Send your key to the operator of the next run. The members of a started run do not change.',
  ),
  identity_in_use: entry(
    'wire',
    'participant',
    true,
    'Another open session has the same identity.',
    'Stop the other process, or give this one its own keystore.',
  ),
  rate_limited: entry(
    'wire',
    'participant',
    true,
    'Too many frames, requests or uploads in the window.',
    'Wait and retry with backoff.',
  ),
  too_many_connections: entry(
    'wire',
    'operator',
    true,
    'The coordinator has reached its limit of connections.',
    'Retry later, or raise `limits.connections`.',
  ),
  certificate_refused: entry(
    'wire',
    'either',
    false,
    'This machine does not trust the TLS certificate of the coordinator. The message states the reason.',
    "If a fingerprint was expected and another one came, ask the operator, by telephone or in another way than this connection, which one is right: the server may be another one. If the certificate is your coordinator's own, accept it with `--fingerprint HEX`, the fingerprint that the coordinator prints, or give the certificate (PEM) with `--ca FILE` or the environment variable `NODE_EXTRA_CA_CERTS=FILE`. Otherwise ask the operator for a valid certificate.",
  ),
  wrong_protocol: entry(
    'wire',
    'operator',
    false,
    'The server at the address is no Floe coordinator, or expects another protocol.',
    'Check host and port. Use `ws://` for a coordinator without TLS, `wss://` for one with TLS.',
  ),
  coordinator_unreachable: entry(
    'wire',
    'network',
    false,
    'The coordinator did not answer within the waiting time.',
    'Check the address, and that the coordinator runs. `floe join --wait TIME` (option `patienceMs`) sets a longer waiting time.',
  ),
  no_progress: entry(
    'wire',
    'network',
    false,
    'Within the waiting time the coordinator, or a store, gate or ledger, did not answer, or all attempts of this participant failed.',
    'The message names the last missing service. Restart the participant once it answers, or set a longer time with `floe join --give-up`. The run itself may continue.',
  ),
  connection_lost: entry(
    'wire',
    'network',
    true,
    'The connection broke or its heartbeat stopped.',
    'A participant reconnects automatically. If the error repeats, or another command ends with it, check the address, that the coordinator runs, and the network.',
  ),
  peer_too_slow: entry(
    'wire',
    'network',
    true,
    'The peer reads frames more slowly than this side sends them.',
    'Check the network. The client reconnects automatically.',
  ),
  unexpected_frame: entry(
    'wire',
    'peer',
    false,
    "A frame arrived that the session's state does not allow.",
    'Check that both sides run the same version of Floe.',
  ),
} as const;
