/**
 * @module The server's rate in buffered rounds, where the user gives none. FedBuff (Nguyen et al.
 * 2022, algorithm 1) multiplies the mean of a buffer by a server rate that its experiments tune;
 * its theorem needs shorter steps for staler updates. The default here follows from the sizes.
 *
 * M members train at once, and each commit takes K of their updates. By Little's law an update is
 * in the making for M/K commits on average, whatever the speeds are, so the updates that start from
 * one model are in M/K commits. Together these are to move the model as far as one synchronous
 * round of all M with the strategy's usual rate: each moves it by K/M of that.
 *
 * - A step in proportion to the mean is already shorter, because an update that is tau commits old
 *   counts for 1/sqrt(1 + tau), and 1 + tau is M/K on average: the rest is sqrt(K/M).
 * - A step that is divided by a root mean square does not see that factor: its rate is K/M times
 *   the usual one.
 */

/** K/M, of the updates in the making that one buffer takes. */
export const bufferShare = (size: number, members: number): number => Math.min(1, size / members);

/** What a rate is multiplied by. @param share K/M, above 0, at most 1 */
export type BufferedRate = (share: number) => number;

export const ofProportionalStep: BufferedRate = Math.sqrt;

export const ofNormalisedStep: BufferedRate = (share) => share;
