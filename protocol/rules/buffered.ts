/**
 * @module Rules of buffered rounds (FedBuff: Nguyen et al. 2022, "Federated Learning with Buffered
 * Asynchronous Aggregation", algorithm 1). A participant trains first, on the newest model that it
 * knows, and registers once it has an update. The cohort is full with K registrations. An update
 * that is tau commits old counts for 1/sqrt(1 + tau): the participant scales it before it is
 * clipped. The mean divides by the unscaled weights, as in the paper, so a stale update moves the
 * model less.
 *
 * The registration signs the version that the update was trained on. Nobody can see whether it
 * was: a participant that lies about it sends a false update, as any participant can.
 */
import type { RunSpec } from '../spec/run-spec.ts';
import { FloeError } from '../errors.ts';
import { rulesOf, type Rule } from './rule.ts';
import type { RunHistory } from './run-history.ts';

/** The versions that updates of the next attempt may be trained on, ascending. */
export const versionsOf = ({ versions = [0] }: Pick<RunHistory, 'versions'>): readonly number[] =>
  versions;

/** After a commit in this attempt; nothing of a run whose rounds are not buffered. */
export const versionsAfter = (
  { buffer }: Pick<RunSpec, 'buffer'>,
  history: Pick<RunHistory, 'versions'>,
  attempt: number,
): Pick<RunHistory, 'versions'> =>
  buffer === undefined
    ? {}
    : { versions: [...versionsOf(history), attempt].slice(-(buffer.maxStaleness + 1)) };

/** What an update counts for: s(tau) of the paper, section 5. @param staleness tau, at least 0 */
export const stalenessFactor = (staleness: number): number => 1 / Math.sqrt(1 + staleness);

/** Registrations that fill the buffer: K, or all of the invited where these are fewer. */
export const bufferSize = (
  { cohort }: Pick<RunSpec, 'cohort'>,
  invited: readonly unknown[],
): number => Math.min(cohort.size, invited.length);

const stale = (message: string): FloeError => new FloeError('update_stale', message);

export const BUFFER_RULES: readonly Rule[] = [
  rulesOf('register')({
    name: 'base',
    says: 'In a buffered run a registration names the version that its update was trained on, a version of the run at most `maxStaleness` commits old; in other runs it names none.',
    code: 'record_malformed',
    needs: ['open'],
    check: ({ spec, open: { body: opened }, history }, { body: { base } }) => {
      if (spec.buffer === undefined || base === undefined)
        return (spec.buffer === undefined) === (base === undefined)
          ? undefined
          : `expected ${spec.buffer === undefined ? 'no' : 'a'} version that the update was trained on`;
      const { version, staleness } = base;
      const newest = opened.model.version;
      const { maxStaleness } = spec.buffer;
      if (staleness > maxStaleness)
        return stale(`expected an update of at most ${maxStaleness} commits ago, got ${staleness}`);
      // Every commit takes an attempt, and the first version is none.
      const between = newest - version;
      if (between < staleness || (between === 0) !== (staleness === 0))
        return `version ${version} cannot be ${staleness} commits before version ${newest}`;
      if (staleness > opened.committed)
        return `the run has ${opened.committed} commits, and the update would be ${staleness} old`;
      if (history === undefined) return undefined;
      const versions = versionsOf(history);
      const age = versions.length - 1 - versions.indexOf(version);
      if (!versions.includes(version)) return `the run has no version ${version}, or it is older`;
      return age === staleness
        ? undefined
        : `version ${version} is ${age} commits old, and the registration says ${staleness}`;
    },
  }),
  rulesOf('cohort')({
    name: 'buffer',
    says: 'In a buffered run the cohort is as large as the buffer, or all of the invited where these are fewer.',
    code: 'cohort_too_small',
    needs: ['open'],
    check: ({ spec, open }, { body: { members } }) => {
      if (spec.buffer === undefined) return undefined;
      const size = bufferSize(spec, open.body.invited);
      return members.length === size
        ? undefined
        : `expected the ${size} updates of a buffer, got ${members.length}`;
    },
  }),
];
