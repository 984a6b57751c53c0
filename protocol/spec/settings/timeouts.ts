/**
 * @module The times of a round: how long each phase may take, and how long a lost participant is
 * waited for.
 */
import { EVERY_RUN, type SettingsTable } from '../setting.ts';

const WEEK_S = 7 * 24 * 3600;
const DAY_S = 24 * 3600;

/** Seconds of a phase. In a simulation no phase ends by its deadline unless something hangs. */
const phase = {
  area: 'timeouts',
  type: 'duration',
  min: 1,
  max: WEEK_S,
  simulated: DAY_S,
  commands: EVERY_RUN,
} as const;

export const TIMEOUT_SETTINGS = {
  registerDeadline: {
    ...phase,
    default: 60,
    help: 'time for the invited participants to register; the phase ends earlier once the cohort is full',
    spec: 'deadlines.register',
  },
  shareDeadline: {
    ...phase,
    default: 60,
    help: 'time for the cohort to share its secrets, after the check of the newest commit',
    spec: 'deadlines.share',
  },
  uploadDeadline: {
    ...phase,
    default: 1800,
    help: 'longest time for training and upload',
    spec: 'deadlines.upload',
  },
  uploadFactor: {
    area: 'timeouts',
    type: 'number',
    min: 1,
    max: 1000,
    default: 4,
    help: 'multiple of the median upload time that the other participants have once a quorum has uploaded',
    spec: 'deadlines.uploadFactor',
    commands: EVERY_RUN,
  },
  uploadFloor: {
    ...phase,
    default: 30,
    help: 'shortest time for training and upload, even if the quorum was faster',
    spec: 'deadlines.uploadFloor',
  },
  consistencyDeadline: {
    ...phase,
    default: 60,
    help: 'time for the survivors to sign the survivor set',
    spec: 'deadlines.consistency',
  },
  unmaskDeadline: {
    ...phase,
    default: 60,
    help: 'time for the survivors to send their unmasking answers',
    spec: 'deadlines.unmask',
  },
  grace: {
    ...phase,
    min: 0,
    max: DAY_S,
    default: 30,
    // The clock of a simulation leaps over it.
    simulated: 1,
    help: 'time for a participant to reconnect after its connection is lost, in every phase',
    spec: 'deadlines.grace',
  },
} as const satisfies SettingsTable;
