/**
 * @module The table of denials: stories of a run's keys, told once. `policies.test.ts` plays them
 * on the devnet through Seal's key servers and its SDK, and in the Move VM as unit tests written
 * from them; `readers.test.ts` plays them with models that were published, through the gate of a
 * run.
 */

export const PEOPLE = [
  'owner',
  'alice',
  'bob',
  'auditor',
  'agreed',
  'node',
  'aggregator',
  'outsider',
] as const;
export type Who = (typeof PEOPLE)[number];

/** Two runs of one owner, each with the auditor that was agreed; each has an offer of its name. */
export type Which = 'first' | 'second';

export const HOUR = 3_600_000;
/** Terms of every offer. */
export const PASS_PRICE = 70n;
export const PERIOD_PRICE = 30n;
export const PERIOD_MS = 2 * HOUR;

/** Times are milliseconds since the story began. Runs are the first one where none is named. */
export type Step =
  | { readonly type: 'cohort'; readonly attempt: number; readonly members: readonly Who[] }
  | { readonly type: 'survivors'; readonly attempt: number; readonly members: readonly Who[] }
  /** The model of a round whose survivors are frozen. */
  | { readonly type: 'publish'; readonly attempt: number }
  | { readonly type: 'revoke' | 'readmit' | 'addAuditor' | 'removeAuditor'; readonly who: Who }
  | {
      readonly type: 'grant';
      readonly who: Who;
      readonly first: number;
      readonly last: number;
      readonly until: number;
    }
  | { readonly type: 'withdraw'; readonly who: Who }
  | {
      readonly type: 'offer';
      readonly of: Which;
      readonly first: number;
      readonly last: number;
    }
  | { readonly type: 'pass'; readonly of: Which; readonly holder: Who }
  | { readonly type: 'revokePass'; readonly of: Which }
  | { readonly type: 'subscribe'; readonly of: Which; readonly holder: Who }
  | { readonly type: 'renew'; readonly of: Which; readonly holder: Who }
  | {
      readonly type: 'lock';
      readonly first: number;
      readonly last: number;
      readonly opens: number;
    }
  | { readonly type: 'clock'; readonly at: number };

/** Which policy is asked; `sealed` says what the key's name says where that is something else. */
export type Policy =
  | {
      readonly type: 'cohort' | 'auditor' | 'compute' | 'unmask' | 'time';
      readonly attempt: number;
      readonly sealed?: { readonly role: number };
    }
  | {
      readonly type: 'pass' | 'subscription';
      readonly attempt: number;
      /** Of which run the offer is, and the pass or subscription that is shown. */
      readonly offer: Which;
      readonly shown: Which;
      readonly sealed?: { readonly run: Which };
    };

/**
 * `policy`, `name` and `ownership` say who denies: the condition, the check of the name, the chain
 * itself.
 */
export type Outcome = 'admitted' | 'policy' | 'name' | 'ownership';

export interface Attempt {
  readonly type: 'try';
  readonly title: string;
  readonly reader: Who;
  readonly policy: Policy;
  readonly outcome: Outcome;
}

export interface Story {
  readonly title: string;
  readonly steps: readonly (Step | Attempt)[];
}

const attempt = (title: string, reader: Who, policy: Policy, outcome: Outcome): Attempt => ({
  type: 'try',
  title,
  reader,
  policy,
  outcome,
});

const cohort = { type: 'cohort', attempt: 3 } as const;
const compute = { type: 'compute', attempt: 3 } as const;
const unmask = { type: 'unmask', attempt: 3 } as const;
const pass = { type: 'pass', attempt: 3, offer: 'first', shown: 'first' } as const;
const subscription = { type: 'subscription', attempt: 3, offer: 'first', shown: 'first' } as const;
const time = { type: 'time', attempt: 3 } as const;
const FROZEN: Step = { type: 'cohort', attempt: 3, members: ['alice', 'bob'] };

export const STORIES: readonly Story[] = [
  {
    title: 'cohort',
    steps: [
      attempt('member before the freeze', 'alice', cohort, 'policy'),
      FROZEN,
      attempt('outsider', 'outsider', cohort, 'policy'),
      attempt('the owner, who is no member', 'owner', cohort, 'policy'),
      attempt('member', 'alice', cohort, 'admitted'),
      attempt(
        'member, a round before its first',
        'alice',
        { type: 'cohort', attempt: 2 },
        'policy',
      ),
      attempt('member, a later round', 'alice', { type: 'cohort', attempt: 4 }, 'admitted'),
      attempt(
        'member, with a name for auditors',
        'alice',
        { ...cohort, sealed: { role: 1 } },
        'name',
      ),
      { type: 'cohort', attempt: 4, members: ['outsider'] },
      attempt(
        'outsider once in a cohort, its round',
        'outsider',
        { type: 'cohort', attempt: 4 },
        'admitted',
      ),
      attempt('outsider once in a cohort, an earlier round', 'outsider', cohort, 'policy'),
      { type: 'revoke', who: 'alice' },
      attempt('revoked member', 'alice', cohort, 'policy'),
      attempt('revoked member, a later round', 'alice', { type: 'cohort', attempt: 4 }, 'policy'),
      attempt('another member after the revocation', 'bob', cohort, 'admitted'),
      { type: 'readmit', who: 'alice' },
      attempt('readmitted member', 'alice', cohort, 'admitted'),
    ],
  },
  {
    title: 'auditor',
    steps: [
      attempt('before being named', 'auditor', { type: 'auditor', attempt: 3 }, 'policy'),
      { type: 'addAuditor', who: 'auditor' },
      attempt('named', 'auditor', { type: 'auditor', attempt: 3 }, 'admitted'),
      { type: 'removeAuditor', who: 'auditor' },
      attempt('removed', 'auditor', { type: 'auditor', attempt: 3 }, 'policy'),
      attempt('of the specification', 'agreed', { type: 'auditor', attempt: 3 }, 'admitted'),
      { type: 'revoke', who: 'agreed' },
      attempt('revoked as a member', 'agreed', { type: 'auditor', attempt: 3 }, 'admitted'),
    ],
  },
  {
    title: 'compute node',
    steps: [
      attempt('without a grant', 'node', compute, 'policy'),
      { type: 'grant', who: 'node', first: 3, last: 4, until: HOUR },
      attempt('granted', 'node', compute, 'admitted'),
      attempt('a round before the grant', 'node', { type: 'compute', attempt: 2 }, 'policy'),
      attempt('a round after the grant', 'node', { type: 'compute', attempt: 5 }, 'policy'),
      attempt('another node', 'outsider', compute, 'policy'),
      { type: 'clock', at: 2 * HOUR },
      attempt('grant that ended', 'node', compute, 'policy'),
      { type: 'grant', who: 'node', first: 3, last: 3, until: 9 * HOUR },
      attempt('granted again', 'node', compute, 'admitted'),
      { type: 'withdraw', who: 'node' },
      attempt('grant withdrawn', 'node', compute, 'policy'),
    ],
  },
  {
    title: 'unmasking bundle',
    steps: [
      FROZEN,
      attempt('before the survivors are frozen', 'aggregator', unmask, 'policy'),
      { type: 'survivors', attempt: 3, members: ['alice'] },
      attempt('aggregator, survivors frozen', 'aggregator', unmask, 'admitted'),
      attempt('a member, survivor or not', 'bob', unmask, 'admitted'),
      attempt('outsider, survivors frozen', 'outsider', unmask, 'policy'),
      attempt('auditor not named', 'auditor', unmask, 'policy'),
      attempt('auditor of the specification', 'agreed', unmask, 'admitted'),
      { type: 'cohort', attempt: 4, members: ['node'] },
      attempt('member of an attempt on the same model', 'node', unmask, 'policy'),
      { type: 'publish', attempt: 3 },
      { type: 'cohort', attempt: 5, members: ['node'] },
      attempt('member of an attempt on its model', 'node', unmask, 'admitted'),
      { type: 'cohort', attempt: 6, members: ['owner'] },
      attempt('member of another attempt on its model', 'owner', unmask, 'admitted'),
      { type: 'survivors', attempt: 6, members: ['owner'] },
      { type: 'publish', attempt: 6 },
      { type: 'cohort', attempt: 7, members: ['outsider'] },
      attempt('member of an attempt on the model after', 'outsider', unmask, 'policy'),
      { type: 'addAuditor', who: 'auditor' },
      attempt('auditor named', 'auditor', unmask, 'admitted'),
      { type: 'revoke', who: 'bob' },
      attempt('revoked member', 'bob', unmask, 'policy'),
      { type: 'revoke', who: 'node' },
      attempt('revoked member of an attempt on its model', 'node', unmask, 'policy'),
    ],
  },
  {
    title: 'pass',
    steps: [
      { type: 'offer', of: 'first', first: 2, last: 4 },
      { type: 'offer', of: 'second', first: 2, last: 4 },
      { type: 'pass', of: 'second', holder: 'bob' },
      attempt('of another model', 'bob', { ...pass, shown: 'second' }, 'policy'),
      attempt(
        "of another model, with that model's offer",
        'bob',
        { ...pass, offer: 'second', shown: 'second', sealed: { run: 'first' } },
        'name',
      ),
      { type: 'pass', of: 'first', holder: 'bob' },
      attempt('of this model', 'bob', pass, 'admitted'),
      attempt('a round before the offer', 'bob', { ...pass, attempt: 1 }, 'policy'),
      attempt('the last round of the offer', 'bob', { ...pass, attempt: 4 }, 'admitted'),
      attempt('a round after the offer', 'bob', { ...pass, attempt: 5 }, 'policy'),
      attempt("somebody else's", 'outsider', pass, 'ownership'),
      { type: 'revokePass', of: 'first' },
      attempt('revoked', 'bob', pass, 'policy'),
    ],
  },
  {
    title: 'subscription',
    steps: [
      { type: 'offer', of: 'first', first: 2, last: 4 },
      { type: 'offer', of: 'second', first: 2, last: 4 },
      { type: 'subscribe', of: 'second', holder: 'bob' },
      attempt('to another model', 'bob', { ...subscription, shown: 'second' }, 'policy'),
      { type: 'subscribe', of: 'first', holder: 'bob' },
      attempt('running', 'bob', subscription, 'admitted'),
      attempt('a round after the offer', 'bob', { ...subscription, attempt: 5 }, 'policy'),
      attempt("somebody else's", 'outsider', subscription, 'ownership'),
      { type: 'clock', at: 3 * HOUR },
      attempt('expired', 'bob', subscription, 'policy'),
      { type: 'renew', of: 'first', holder: 'bob' },
      attempt('renewed', 'bob', subscription, 'admitted'),
    ],
  },
  {
    title: 'time lock',
    steps: [
      { type: 'lock', first: 2, last: 3, opens: 5 * HOUR },
      attempt('closed', 'outsider', time, 'policy'),
      { type: 'clock', at: 4 * HOUR },
      attempt('still closed', 'owner', time, 'policy'),
      { type: 'clock', at: 6 * HOUR },
      attempt('open', 'outsider', time, 'admitted'),
      attempt('open, a round before', 'outsider', { ...time, attempt: 1 }, 'policy'),
      attempt('open, a round after', 'outsider', { ...time, attempt: 4 }, 'policy'),
    ],
  },
];
