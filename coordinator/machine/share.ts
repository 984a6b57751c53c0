/**
 * @module Share (Bonawitz et al. 2017, round 1): collects the sealed shares and forwards them. U1,
 * the members whose shares arrived, is the set over which the masks are made.
 */
import { toHex } from '../../protocol/bytes.ts';
import { quorumFault, topologyOf } from '../../protocol/rules/index.ts';
import { entryHash, entryPath, entryTree, placeOf } from '../../protocol/secagg/index.ts';
import { abort } from './attempt-end.ts';
import type { MachineConfig } from './config.ts';
import { append, send, type Effect, type Step } from './effects.ts';
import { enter } from './phases.ts';
import { quorum, tooFewCode } from './quorum.ts';
import { type Frozen, type Hex, type Attempt, type Shared, type State } from './state.ts';

/** The tree over the entries of a sharer, computed once for all receivers. */
const trees = new WeakMap<readonly Uint8Array[], ReturnType<typeof entryTree>>();

const treeOf = ({ record, entries }: Shared): ReturnType<typeof entryTree> => {
  const about = { context: record.body.context, author: record.author };
  const known = trees.get(entries) ?? entryTree(about, entries.map(entryHash));
  trees.set(entries, known);
  return known;
};

/**
 * The sharers frame of one receiver: each sharer's record, and its sealed entry for the receiver
 * with the path to the root in the record (its own is left out).
 */
export const sendSharers = ({ spec }: MachineConfig, attempt: Attempt, to: Hex): Effect[] => {
  const { cohort, sharers } = attempt;
  const holder = attempt.members.indexOf(to);
  if (cohort === undefined || sharers === undefined || holder < 0) return [];
  const inbox = sharers.body.members.flatMap((author) => {
    const key = toHex(author);
    const shared = attempt.shares.get(key);
    if (shared === undefined) return [];
    const record = shared.record.bytes;
    const place = placeOf(topologyOf({ spec, cohort }), attempt.members.indexOf(key), holder);
    const entry = place === undefined ? undefined : shared.entries[place];
    return key === to || place === undefined || entry === undefined
      ? [{ record, entry: new Uint8Array(), path: new Uint8Array() }]
      : [{ record, entry, path: entryPath(treeOf(shared), place) }];
  });
  return [send([to], { type: 'sharers', record: sharers.bytes, inbox })];
};

export const closeShare = (
  config: MachineConfig,
  state: State,
  attempt: Frozen,
  now: number,
): Step => {
  const needed = quorum(config, attempt);
  const sharing = attempt.members.flatMap((key) => attempt.shares.get(key)?.record ?? []);
  const frozen = { spec: config.spec, cohort: attempt.cohort };
  const authors = sharing.map(({ author }) => author);
  const fault =
    sharing.length < needed
      ? `expected shares of at least ${needed} members, got ${sharing.length}`
      : quorumFault(frozen, authors, 'shares');
  if (fault !== undefined) return abort(config, state, now, tooFewCode(config), fault, []);
  const sharers = config.sign('sharers', attempt.attempt, {
    context: attempt.context,
    members: sharing.map(({ author }) => author),
    shares: sharing.map(({ hash }) => hash),
  });
  const next = { ...attempt, sharers };
  const deadline = now + config.spec.deadlines.upload * 1000;
  const entered = enter(state, { type: 'upload', since: now, deadline, attempt: next });
  return {
    state: entered.state,
    effects: [
      append(sharers),
      ...entered.effects,
      ...sharing.flatMap(({ author }) => sendSharers(config, next, toHex(author))),
    ],
  };
};
