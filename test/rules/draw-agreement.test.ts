/**
 * @module The draw in the Open record, field by field: participant and verifier both refuse every
 * change of the draw that opens the second round of a real run. What only the attempts in between
 * can show is in test/attacks/coordinator-draw.test.ts.
 */
import { expect, it } from 'vitest';
import * as checks from '../../client/participant/machine/record-checks.ts';
import { checkEvidence } from '../../client/participant/machine/commit-evidence.ts';
import { equalBytes, toHex } from '../../protocol/bytes.ts';
import { FloeError } from '../../protocol/errors.ts';
import { randomBelow, seededRandom } from '../../protocol/ports/random.ts';
import { signRecord, type Body, type SignedRecord } from '../../protocol/records/records.ts';
import { afterAttempt, EMPTY_HISTORY } from '../../protocol/rules/history.ts';
import { emptyView, violation, withRecords } from '../../protocol/rules/index.ts';
import { EVIDENCE_TYPES } from '../../protocol/verify/evidence.ts';
import { finishedRun } from '../attacks/forge.ts';
import { mutate, pathsOf, type Draw } from './mutate.ts';

const MUTANTS = 300;
type Drawn = Pick<Body<'open'>, 'draw' | 'invited' | 'beacon'>;

it('participant and verifier agree on every mutant', async () => {
  const names = ['a', 'b', 'c', 'd', 'e', 'f'];
  const over = { rounds: 2, cohort: { size: 4, minimum: 3 } };
  const { run: played, records } = await finishedRun(over, names);
  const { spec, run, stage } = played;
  const first = records.filter(({ attempt }) => attempt === 1);
  const shown = EVIDENCE_TYPES.flatMap((type) =>
    first.filter((record) => record.type === type).map(({ bytes }) => bytes),
  );
  const before = withRecords(emptyView({ spec, run, attempt: 1, complete: true }), first);
  const history = afterAttempt(EMPTY_HISTORY, before);
  const open = records.find(
    ({ type, attempt }) => type === 'open' && attempt === 2,
  ) as SignedRecord<'open'>;
  const known = { spec, run, attempt: 2, previous: before.commit, committed: 1 };
  const complete = { complete: true, history, lastSurvivors: history.lastSurvivors };

  const verifier = (record: SignedRecord<'open'>): string | undefined =>
    violation(emptyView({ ...known, ...complete }), record)?.rule;
  const participant = (record: SignedRecord<'open'>): string | undefined => {
    const view = { spec, run, self: open.body.invited[0]!, beacon: 'members' } as const;
    try {
      checkEvidence(view, checks.checkOpen(view, record, before.commit, 1), shown);
      return undefined;
    } catch (thrown) {
      if (thrown instanceof FloeError) return thrown.code;
      throw thrown;
    }
  };
  expect([verifier(open), participant(open)]).toEqual([undefined, undefined]);

  const random = seededRandom(new Uint8Array(32).fill(9));
  const draw: Draw = (below) => randomBelow(random, below);
  const { draw: honest, invited, beacon } = open.body;
  // Lists with something in them, so that there is something to change.
  const [one, two] = honest!.eligible;
  const bases: Drawn[] = [
    { draw: honest, invited, beacon },
    { draw: { ...honest!, late: [one!], out: [two!], again: 1 }, invited, beacon },
  ];
  const covered = new Set<string>();
  for (let count = 0; count < MUTANTS;) {
    const { value, path } = mutate(bases[count % 2]!, draw);
    let record: SignedRecord<'open'>;
    try {
      const body = { ...open.body, ...value };
      record = signRecord(stage.coordinatorIdentity, 'open', run, 2, body);
    } catch (thrown) {
      // No author can sign what the schema refuses.
      if (thrown instanceof FloeError) continue;
      throw thrown;
    }
    count += 1;
    if (equalBytes(record.hash, open.hash)) continue;
    covered.add(path);
    const said = { verifier: verifier(record), participant: participant(record) };
    const what = `${path} of mutant ${count}: ${JSON.stringify(said)} ${toHex(record.hash)}`;
    expect(said.verifier, what).toBeDefined();
    expect(said.participant, what).toBeDefined();
  }
  expect(pathsOf(bases[1]).filter((path) => !covered.has(path))).toEqual([]);
}, 120_000);
