/**
 * @module Errors of sessions and frames.
 */
import { entry } from './entry.ts';

export const WIRE = {
  frame_too_large: entry(
    'wire',
    'peer',
    false,
    'The peer sends more at once than any frame of this protocol has, or more than a login before it has logged in.',
    'Check that both sides run the same version of Floe; a size is no setting of a run.',
  ),
  frame_malformed: entry(
    'wire',
    'peer',
    false,
    'A frame is not CBOR or does not fit its schema.',
    'Check that both sides run the same version of Floe.',
  ),
  version_unsupported: entry(
    'wire',
    'either',
    false,
    'The peer speaks another version of the protocol; nothing but the version was read.',
    'Upgrade the side that the message names, so that both run the same version of Floe.',
  ),
  login_refused: entry(
    'wire',
    'participant',
    false,
    'The challenge was not answered with a valid signature of the claimed identity.',
    'Check that the keystore is the one of this identity. A login that only took too long is tried again.',
  ),
  origin_not_allowed: entry(
    'wire',
    'coordinator',
    false,
    'A web page of another origin tried to connect, and the coordinator does not list that origin.',
    'Name the origin of the page that participants train in: `--allow-origin`, option `allowOrigins` of `serve`.',
  ),
  identity_not_admitted: entry(
    'wire',
    'participant',
    false,
    'The run is closed and its specification does not list this identity.',
    'Give your key to the operator of the next run; a run that has begun keeps its members.',
  ),
  identity_in_use: entry(
    'wire',
    'participant',
    true,
    'Another live session holds the same identity.',
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
    'The coordinator holds as many connections as it is allowed.',
    'Retry later or raise `limits.connections`.',
  ),
  certificate_refused: entry(
    'wire',
    'either',
    false,
    'The coordinator speaks TLS with a certificate that this machine does not trust; the message says why.',
    "If it is your coordinator's own: `floe join --ca FILE` or the environment variable `NODE_EXTRA_CA_CERTS=FILE` with its certificate (PEM). Otherwise ask its operator for a valid one.",
  ),
  wrong_protocol: entry(
    'wire',
    'operator',
    false,
    'Something answers at the address, and it is no Floe coordinator, or not with this protocol.',
    'Check host and port; `ws://` for a coordinator without TLS, `wss://` for one with it.',
  ),
  coordinator_unreachable: entry(
    'wire',
    'network',
    false,
    'The coordinator has never answered, for as long as it was to be tried.',
    'Check the address, and that the coordinator runs; `floe join --wait SECONDS` (option `patienceMs`) tries longer.',
  ),
  no_progress: entry(
    'wire',
    'network',
    false,
    'The coordinator, or a port of this participant, did not answer for as long as it was to wait, or its attempts failed all that time.',
    'The message says what it waited for last: start it again once that answers, or wait longer with `floe join --give-up`. The run may stand all the same.',
  ),
  connection_lost: entry(
    'wire',
    'network',
    true,
    'The connection broke or its heartbeat stopped.',
    'The client reconnects by itself; check the network if it persists.',
  ),
  peer_too_slow: entry(
    'wire',
    'network',
    true,
    'The peer reads slower than frames are produced for it.',
    'Check the network; the client reconnects by itself.',
  ),
  unexpected_frame: entry(
    'wire',
    'peer',
    false,
    "A frame arrived that the session's state does not allow.",
    'Check that both sides run the same version of Floe.',
  ),
} as const;
