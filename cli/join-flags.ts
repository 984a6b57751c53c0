/**
 * @module The flags of `floe join`, as its body takes them.
 */
import type { AnswerPolicy } from '../protocol/rules/one-set.ts';
import type { AdmissionFlags } from './admission.ts';
import type { NetworkFlags } from './network.ts';
import type { PassphraseFlags } from './passphrase.ts';
import type { CommonOptions } from './run-command.ts';
import type { RunSettings } from '../protocol/spec/settings.ts';

export interface JoinFlags
  extends Pick<NetworkFlags, 'network'>, AdmissionFlags, PassphraseFlags, CommonOptions {
  readonly data: string;
  readonly shard?: { readonly index: number; readonly count: number };
  readonly keystore?: string;
  readonly expectRun?: Uint8Array;
  readonly coordinator?: Uint8Array;
  readonly backend?: RunSettings['backend'];
  readonly acceptNetwork?: boolean;
  readonly local?: boolean;
  readonly answers?: AnswerPolicy;
  readonly consent?: readonly string[];
  readonly seed?: string;
  readonly showKey?: boolean;
  readonly wait?: number;
  /** Milliseconds. */
  readonly giveUp?: number;
  readonly ca?: string;
}
