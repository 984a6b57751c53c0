/**
 * @module Writes the table of denials as Move unit tests: one for each attempt, with all steps
 * before it. A test that is admitted ends with an abort of its own, so that nothing has to be put
 * back.
 */
import {
  PEOPLE,
  PERIOD_MS,
  type Attempt,
  type Step,
  type Story,
  type Which,
} from './policy-cases.ts';

/** Milliseconds at which every story begins. */
const BEGIN = 1_000_000;
const HASH = `x"${'11'.repeat(32)}"`;
const ROLES = { cohort: 0, auditor: 1, pass: 2, subscription: 3, time: 4, compute: 5, unmask: 6 };

const constant = (who: string): string => who.toUpperCase();
const list = (people: readonly string[]): string => `vector[${people.map(constant).join(', ')}]`;
const at = (ms: number): number => BEGIN + ms;
const call = (name: string, ...args: readonly (string | number)[]): string =>
  `${name}(${args.join(', ')});`;
const onRun = (name: string, ...args: readonly (string | number)[]): string =>
  call(`run::${name}`, '&cap_first', '&mut run_first', ...args);

const payment = (price: string): string =>
  `let payment = coin::mint_for_testing<SUI>(${price}, scenario.ctx());`;

const stepText = (step: Step): string[] => {
  switch (step.type) {
    case 'cohort':
    case 'survivors': {
      const { type, attempt, members } = step;
      const name = type === 'cohort' ? 'test_freeze' : 'freeze_survivors';
      return [onRun(name, attempt, list(members), HASH, HASH, '&clock')];
    }
    case 'publish': {
      const hash = `x"${step.attempt.toString(16).padStart(2, '0').repeat(32)}"`;
      const facts = [
        // No state of a strategy.
        'vector[]',
        'model::metrics(0, vector[], vector[])',
        'model::no_privacy()',
        'option::none()',
      ];
      const blob = `model::blob(7, ${HASH}, 99)`;
      const args = [step.attempt, HASH, hash, ...facts, HASH, blob, 'scenario.ctx()'];
      return [call('model::publish', '&cap_first', '&mut run_first', ...args)];
    }
    case 'revoke':
      return [onRun('revoke', constant(step.who))];
    case 'readmit':
      return [onRun('readmit', constant(step.who))];
    case 'addAuditor':
      return [onRun('add_auditor', constant(step.who))];
    case 'removeAuditor':
      return [onRun('remove_auditor', constant(step.who))];
    case 'grant': {
      const { who, first, last, until } = step;
      return [onRun('grant_compute', constant(who), first, last, at(until))];
    }
    case 'withdraw':
      return [onRun('revoke_compute', constant(step.who))];
    case 'offer':
      return [
        `access::create_offer(&cap_${step.of}, &mut run_${step.of}, OWNER, 70, 30, ${PERIOD_MS}, ${step.first}, ${step.last}, scenario.ctx());`,
        'scenario.next_tx(OWNER);',
        `let mut offer_${step.of} = scenario.take_shared<access::Offer>();`,
      ];
    case 'pass':
      return [
        `scenario.next_tx(${constant(step.holder)});`,
        payment('70'),
        `let bought = access::test_buy(&offer_${step.of}, payment, scenario.ctx());`,
        `let pass_${step.of} = object::id(&bought);`,
        `access::give_pass(bought, ${constant(step.holder)});`,
      ];
    case 'revokePass':
      return [`access::revoke_pass(&cap_${step.of}, &mut offer_${step.of}, pass_${step.of});`];
    case 'subscribe':
      return [
        `scenario.next_tx(${constant(step.holder)});`,
        payment('30'),
        `access::subscribe(&offer_${step.of}, payment, &clock, scenario.ctx());`,
        `scenario.next_tx(${constant(step.holder)});`,
        // The newest is the one just made, whatever the holder has of other offers.
        'let fresh = scenario.take_from_sender<access::Subscription>();',
        `let subscription_${step.of} = object::id(&fresh);`,
        'scenario.return_to_sender(fresh);',
      ];
    case 'renew':
      return [
        `scenario.next_tx(${constant(step.holder)});`,
        `let mut held = scenario.take_from_sender_by_id<access::Subscription>(subscription_${step.of});`,
        payment('30'),
        `access::renew(&offer_${step.of}, &mut held, payment, &clock);`,
        'scenario.return_to_sender(held);',
      ];
    case 'lock':
      return [onRun('add_time_lock', step.first, step.last, at(step.opens))];
    case 'clock':
      return [`clock.set_for_testing(${at(step.at)});`];
  }
};

const attemptText = ({ reader, policy }: Attempt): string[] => {
  const role = ROLES[policy.type];
  const begin = `scenario.next_tx(${constant(reader)});`;
  const name = (of: Which, named: number): string =>
    `identity::name(object::id_address(&run_${of}), ${policy.attempt}, ${named})`;
  switch (policy.type) {
    case 'pass': {
      const { offer, shown, sealed } = policy;
      return [
        begin,
        `let shown = scenario.take_from_sender_by_id<access::Pass>(pass_${shown});`,
        call('policy::test_pass', name(sealed?.run ?? offer, role), `&offer_${offer}`, '&shown'),
        'scenario.return_to_sender(shown);',
      ];
    }
    case 'subscription': {
      const { offer, shown, sealed } = policy;
      return [
        begin,
        `let shown = scenario.take_from_sender_by_id<access::Subscription>(subscription_${shown});`,
        call(
          'policy::test_subscription',
          name(sealed?.run ?? offer, role),
          `&offer_${offer}`,
          '&shown',
          '&clock',
        ),
        'scenario.return_to_sender(shown);',
      ];
    }
    default: {
      const { type } = policy;
      const id = name('first', policy.sealed?.role ?? role);
      const clock = type === 'compute' || type === 'time' ? ['&clock'] : [];
      const context = type === 'time' ? [] : ['scenario.ctx()'];
      return [begin, call(`policy::test_${type}`, id, '&run_first', ...clock, ...context)];
    }
  }
};

const FAILURES: Readonly<Record<Attempt['outcome'], string>> = {
  admitted: 'abort_code = EAdmitted',
  policy: 'abort_code = policy::ENoAccess',
  name: 'abort_code = identity::EBadIdentity',
  ownership: 'abort_code = ENotOwned, location = sui::test_scenario',
};

/** Name of the Move test of an attempt. */
export const testName = (story: Story, attempt: Attempt): string =>
  `${story.title}_${attempt.title}`.replaceAll(/[^a-z]+/giu, '_').toLowerCase();

const setUp = (which: Which): string[] => [
  `let mut cap_${which} = run::create(b"${which}".to_string(), HASH, AGGREGATOR, vector[AGREED], scenario.ctx());`,
  'scenario.next_tx(OWNER);',
  `let mut run_${which} = scenario.take_shared<Run>();`,
];

/** One module with a test for every attempt of every story. */
export const moveTests = (stories: readonly Story[]): string => {
  const tests = stories.flatMap((story) =>
    story.steps.flatMap((step, index) => {
      if (step.type !== 'try') return [];
      const before = story.steps.slice(0, index).filter((item) => item.type !== 'try');
      const body = [
        'let mut scenario = test_scenario::begin(OWNER);',
        'let mut clock = clock::create_for_testing(scenario.ctx());',
        `clock.set_for_testing(${BEGIN});`,
        ...setUp('first'),
        ...setUp('second'),
        ...before.flatMap(stepText),
        ...attemptText(step),
        'abort EAdmitted',
      ];
      return [
        `#[test, expected_failure(${FAILURES[step.outcome]})]`,
        `fun ${testName(story, step)}() {`,
        ...body.map((line) => `    ${line}`),
        '}',
        '',
      ];
    }),
  );
  return [
    '#[test_only]',
    'module floe::policy_table;',
    '',
    'use floe::access;',
    'use floe::identity;',
    'use floe::model;',
    'use floe::policy;',
    'use floe::run::{Self, Run};',
    'use sui::clock;',
    'use sui::coin;',
    'use sui::sui::SUI;',
    'use sui::test_scenario;',
    '',
    ...PEOPLE.map((who, index) => `const ${constant(who)}: address = @0xA${index};`),
    `const HASH: vector<u8> = ${HASH};`,
    'const EAdmitted: u64 = 777;',
    'const ENotOwned: u64 = 4;',
    '',
    ...tests,
  ].join('\n');
};
