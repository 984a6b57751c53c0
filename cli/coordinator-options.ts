/**
 * @module The flags of `floe coordinator`, as its body takes them.
 */
import type { NetworkFlags } from './network.ts';
import type { PassphraseFlags } from './passphrase.ts';
import type { CommonOptions } from './run-command.ts';
import type { CoordinatorFlags } from './run-file.ts';

export interface CoordinatorOptions
  extends CoordinatorFlags, NetworkFlags, PassphraseFlags, CommonOptions {
  readonly local?: boolean;
  readonly storageEpochs?: number;
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
