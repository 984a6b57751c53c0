/**
 * @module The participant's clock against the coordinator's and the chain's, at every login. The
 * participant itself works with durations only; key servers and nodes refuse who asks at the wrong
 * time, and then the wrong clock is the cause to name.
 */
import type { Clock } from '../../protocol/ports/clock.ts';
import type { ErrorCode, FloeError } from '../../protocol/errors.ts';
import { readingOf, skewOf, type ClockReading, type Skew } from '../../protocol/skew.ts';
import { PortFault } from './fault.ts';

export class Clocks {
  readonly #own: Clock;
  readonly #onSkew: (skew: Skew) => void;
  #skew: Skew | undefined;

  /**
   * @param onSkew called when clocks are found to differ, and again only where another one is found
   * to be wrong
   */
  constructor(own: Clock, onSkew: (skew: Skew) => void) {
    this.#own = own;
    this.#onSkew = onSkew;
  }

  /** @param chain what the chain's clock shows, where there is a chain */
  async compare(
    coordinator: ClockReading,
    chain: (() => Promise<number>) | undefined,
  ): Promise<void> {
    const readings = [coordinator];
    try {
      const asked = this.#own.now();
      const shown = await chain?.();
      if (shown !== undefined) readings.push(readingOf('chain', asked, this.#own.now(), shown));
    } catch {
      // A chain that does not answer now is asked again at the next login.
    }
    const skew = skewOf(readings);
    const isNew = skew !== undefined && skew.whose !== this.#skew?.whose;
    this.#skew = skew;
    if (isNew) this.#onSkew(skew);
  }

  /**
   * The code of an error towards others: `clock_skewed` where a gate or ledger fails and the own
   * clock may be why.
   */
  causeOf(error: FloeError): ErrorCode {
    const isTimed =
      error instanceof PortFault && (error.port === 'gate' || error.port === 'ledger');
    const mayBeOwn = this.#skew?.whose === 'own' || this.#skew?.whose === 'unknown';
    return isTimed && mayBeOwn ? 'clock_skewed' : error.code;
  }
}
