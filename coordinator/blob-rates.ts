/**
 * @module How often blobs may be read and sent. A rate alone would stop fast runs: the members of a
 * cohort read and send as often as attempts follow each other, and all may share an address. So
 * each attempt brings an allowance that covers an honest member; a rate holds for everything
 * beyond it, and for addresses without a participant.
 */
import type { Clock } from '../protocol/ports/clock.ts';
import { FloeError } from '../protocol/errors.ts';
import { tokenBuckets, type Limits } from './limits.ts';

/** Uploads of a member in one attempt outside its rate: the vector, and a repetition. */
const UPLOADS_OF_ATTEMPT = 2;
/**
 * Different blobs that a member may store in one attempt. An honest one has one, its vector; what
 * no record names is never removed.
 */
const BLOBS_OF_ATTEMPT = 2;
/** Requests of a participant in one attempt, without those that grow with the cohort. */
const REQUESTS_OF_ATTEMPT = 16;
/** For each member of the cohort: a part of its upload, and a repetition. */
const REQUESTS_OF_MEMBER = 2;

export interface BlobRatesInit {
  readonly clock: Clock;
  readonly limits: Pick<Limits, 'blobRequestsPerMinute' | 'blobsPerMinute'>;
  /** The current or last attempt. */
  readonly attempt: () => number;
  readonly cohortSize: number;
  /** Participants that are logged in. */
  readonly loggedIn: () => number;
  /** The same, by the address that each is counted under. */
  readonly loggedInByAddress: () => ReadonlyMap<string, number>;
}

export interface BlobRates {
  /** Counts a request of this address. @throws FloeError `rate_limited` */
  request(address: string): void;
  /**
   * Counts an upload of this member.
   *
   * @param id of the blob
   * @throws FloeError `rate_limited`; `store_refused` for another blob than a member needs to store
   */
  upload(member: string, id: string): void;
}

/** The error of a client over a rate; `details.retryAfterS` says when there is room again. */
export const overRate = (what: string, perMinute: number): FloeError =>
  new FloeError('rate_limited', `too many ${what}, expected at most ${perMinute} a minute`, {
    retryAfterS: Math.max(1, Math.ceil(60 / perMinute)),
  });

const takes = (used: Map<string, number>, name: string, most: number): boolean => {
  const before = used.get(name) ?? 0;
  if (before >= most) return false;
  used.set(name, before + 1);
  return true;
};

export const createBlobRates = (init: BlobRatesInit): BlobRates => {
  const { clock, limits } = init;
  const { blobRequestsPerMinute, blobsPerMinute } = limits;
  const requests = tokenBuckets(blobRequestsPerMinute / 60, blobRequestsPerMinute);
  const uploads = tokenBuckets(blobsPerMinute / 60, blobsPerMinute);
  const perParticipant = REQUESTS_OF_ATTEMPT + REQUESTS_OF_MEMBER * init.cohortSize;
  let attempt: number | undefined;
  let loggedIn: number | undefined;
  let byAddress: ReadonlyMap<string, number> = new Map();
  /** In this attempt; only of members, and of addresses with a participant. */
  const requested = new Map<string, number>();
  const uploaded = new Map<string, number>();
  const stored = new Map<string, Set<string>>();

  const renew = (): void => {
    if (attempt !== init.attempt()) {
      attempt = init.attempt();
      requested.clear();
      uploaded.clear();
      stored.clear();
      loggedIn = undefined;
    }
    if (loggedIn === init.loggedIn()) return;
    loggedIn = init.loggedIn();
    byAddress = init.loggedInByAddress();
  };
  return {
    request: (address) => {
      renew();
      if (takes(requested, address, perParticipant * (byAddress.get(address) ?? 0))) return;
      if (!requests.take(address, clock.monotonic()))
        throw overRate('requests of this address', blobRequestsPerMinute);
    },
    upload: (member, id) => {
      renew();
      const ids = stored.get(member) ?? new Set();
      if (!ids.has(id) && ids.size >= BLOBS_OF_ATTEMPT)
        throw new FloeError(
          'store_refused',
          `expected at most ${BLOBS_OF_ATTEMPT} different uploads of a member in an attempt`,
        );
      stored.set(member, ids.add(id));
      if (takes(uploaded, member, UPLOADS_OF_ATTEMPT)) return;
      if (!uploads.take(member, clock.monotonic())) throw overRate('uploads', blobsPerMinute);
    },
  };
};
