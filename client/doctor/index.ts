/**
 * @module Runs the checks of `floe doctor`: the abilities of this machine, the services of a
 * network, and the difference between this machine's clock and that of the chain and of a
 * coordinator. Node only.
 */
import { info, result, type Line } from '../../protocol/line.ts';
import type { NetworkConfig } from '../../protocol/net/config.ts';
import { systemClock, type Clock } from '../../protocol/ports/clock.ts';
import { examineClock } from './clock.ts';
import { examineMachine, type Examination } from './machine.ts';

export type { Check } from '../../protocol/health-checks.ts';
export type { Examination } from './machine.ts';

export interface DoctorOptions {
  /** Folder whose disk is tested. Default: the working directory. */
  readonly folder?: string;
  /** Port that is bound; default 0, any. */
  readonly port?: number;
  readonly network?: NetworkConfig | undefined;
  /** With `network`: the address whose balances are checked. */
  readonly address?: string | undefined;
  /** Address of a coordinator (`http` or `ws`) to compare the clock with. */
  readonly coordinator?: string | undefined;
  readonly clock?: Clock;
  readonly signal?: AbortSignal;
}

/** Tries everything; what does not work is a check that is not `ok`. @throws FloeError `aborted` */
export const examine = async (options: DoctorOptions = {}): Promise<Examination> => {
  const { folder = '.', port = 0, network, address, coordinator, clock = systemClock } = options;
  const { signal = new AbortController().signal } = options;
  const found = await examineMachine({ folder, port, signal });
  const checks = [...found.checks];
  let chain: (() => Promise<number>) | undefined;
  if (network !== undefined) {
    const { chainTimeOf, examineNetwork } = await import('../../protocol/net/network-checks.ts');
    checks.push(...(await examineNetwork({ network, address, signal })));
    chain = () => chainTimeOf(network, signal);
  }
  checks.push(
    ...(await examineClock({
      clock,
      chain,
      // A participant knows the coordinator by its WebSocket address.
      coordinator: coordinator?.replace(/^ws/u, 'http'),
      signal,
    })),
  );
  return { ...found, ok: checks.every((check) => check.ok || !check.needed), checks };
};

/** The lines of an examination, one for each check, and the verdict. */
export const describeExamination = ({ machine, checks, ok }: Examination): readonly Line[] => [
  info(
    `node ${machine.node} on ${machine.platform} ${machine.arch}; ${machine.cores} cores (${machine.cpu}), ${machine.memoryGiB} GiB memory, ${machine.freeGiB} GiB free`,
  ),
  ...checks.map((check) =>
    info(
      `${check.ok ? 'yes' : check.needed ? 'no ' : '-  '}  ${check.name.padEnd(20)} ${check.detail}`,
    ),
  ),
  result(ok ? 'ready: everything Floe needs works' : 'not ready: see the lines marked "no"'),
];
