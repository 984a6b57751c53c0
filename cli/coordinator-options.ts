/**
 * @module The flags of `floe coordinator`, as its body takes them.
 */
import type { NetworkFlags } from './network.ts';
import type { PassphraseFlags } from './passphrase.ts';
import type { CommonOptions } from './run-command.ts';
import type { SettingFlags } from './run-flags.ts';

export interface CoordinatorOptions
  extends SettingFlags, NetworkFlags, PassphraseFlags, CommonOptions {
  readonly state: string;
  readonly host: string;
  readonly port: number;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly allowOrigin?: readonly string[];
  readonly keepServing?: boolean;
  readonly regroup?: boolean;
  readonly verbose?: boolean;
}
