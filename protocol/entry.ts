/**
 * @module The bare name `floe`: it has no exports, and says which entry has them.
 */
import { FloeError } from './errors.ts';

throw new FloeError(
  'usage',
  "the package has entries of their own and none called 'floe': import from 'floe/client' (take part; open, verify and pull a run), " +
    "'floe/coordinator' (run one), 'floe/sim' (simulate one), 'floe/protocol' (records, ports, verification) " +
    "or 'floe/devnet' (Sui, Walrus and Seal on this machine)",
);
