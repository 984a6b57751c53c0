/**
 * @module A login, the first one or after a lost connection. Attempts outlive sessions: a record
 * that was lost with a connection is sent again when the coordinator requests it.
 */
import { equalBytes } from '../../../protocol/bytes.ts';
import { FloeError } from '../../../protocol/errors.ts';
import { decodeRecordOf } from '../../../protocol/records/records.ts';
import type { MachineConfig } from './config.ts';
import { same, type Step } from './effects.ts';
import type { Event } from './events.ts';
import { endWith } from './withdrawal.ts';
import type { State } from './state.ts';

/**
 * The coordinator shows the last registration that this identity signed in the run. One that the
 * keystore does not know ends the run: `keystore_rolled_back`.
 */
export const onLogin = (
  { view }: MachineConfig,
  state: State,
  { register, remote }: Extract<Event, { type: 'logged-in' }>,
): Step => {
  const passed = same({ ...state, online: true }, { type: 'announce', remote });
  if (register === undefined) return passed;
  try {
    const { author, run, body } = decodeRecordOf('register', register);
    if (!equalBytes(author, view.self) || !equalBytes(run, view.run))
      throw new FloeError(
        'record_replayed',
        'the registration that the coordinator shows is no own one',
      );
    const known = state.memory.registered?.counter ?? 0;
    if (body.counter <= known) return passed;
    const message = `this identity has registered ${body.counter} times in the run, its keystore knows of ${known}`;
    return endWith(state, new FloeError('keystore_rolled_back', message), []);
  } catch (thrown) {
    if (!(thrown instanceof FloeError)) throw thrown;
    return same({ ...state, online: false }, { type: 'disconnect', error: thrown });
  }
};
