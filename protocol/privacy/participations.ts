/**
 * @module In how many rounds one participant of a closed run may be, where nobody says: as few as
 * the draws allow, because each costs noise.
 */

/**
 * In groups, two more than rounds over members: a member without budget leaves a gap in its group,
 * and with the fewest the last rounds have no whole groups left. With two to spare all of twenty
 * simulated runs of each of seven sizes ended, from 9 of 20 members to 100 of 1,000.
 */
const SPARE_IN_GROUPS = 2;

/** Participations that the rounds need on average, at least. */
export const neededParticipations = (rounds: number, cohort: number, members: number): number =>
  Math.ceil((rounds * cohort) / members);

export const usualParticipations = (
  rounds: number,
  cohort: number,
  members: number,
  inGroups: boolean,
): number =>
  Math.min(
    rounds,
    neededParticipations(rounds, cohort, members) + (inGroups ? SPARE_IN_GROUPS : 0),
  );
