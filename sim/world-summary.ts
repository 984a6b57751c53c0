/**
 * @module The world of a simulation in its outputs: one schema for the event `started` and for
 * summary.json, and the lines and table rows that people read.
 */
import * as v from 'valibot';
import type { PartitionStatistics } from '../client/data/partition.ts';
import { formatAttack } from './attackers/attack-setting.ts';
import { describeParticipation } from './participation/availability.ts';
import { describeSkew } from './partition/feature-skew.ts';
import type { Scenario } from './scenario.ts';
import { describeCapacities } from './virtual/capacity.ts';
import { isVirtual } from './virtual/is-virtual.ts';
import type { CrowdWorld } from './world.ts';

const counts = v.array(v.pipe(v.number(), v.safeInteger(), v.minValue(0)));

export const worldSchema = v.strictObject({
  /** Examples of each participant, and labels among them; without classes no labels. */
  sizes: counts,
  labels: v.optional(counts),
  /** In words; absent where nothing of the kind was asked for. */
  features: v.optional(v.string()),
  participation: v.optional(v.string()),
  /** Speeds, bandwidths, latency: absent in real time. */
  time: v.optional(v.string()),
  attackers: v.array(
    v.strictObject({
      /** As `--attack` is written. */
      attack: v.string(),
      /** Numbers of the participants. */
      participants: counts,
    }),
  ),
});
export type WorldSummary = v.InferOutput<typeof worldSchema>;

export const summariseWorld = (
  scenario: Scenario,
  world: CrowdWorld,
  parts: readonly Uint32Array[],
  { histogram }: PartitionStatistics,
): WorldSummary => {
  const features = describeSkew(scenario.featureSkew);
  const { participation } = scenario;
  return {
    sizes: parts.map(({ length }) => length),
    ...(histogram === undefined
      ? {}
      : { labels: histogram.map((row) => row.filter((count) => count > 0).length) }),
    ...(features === undefined ? {} : { features }),
    ...(participation.type === 'uniform'
      ? {}
      : { participation: describeParticipation(participation) }),
    ...(isVirtual(scenario) ? { time: describeCapacities(scenario) } : {}),
    attackers: world.attacks.map((group) => ({
      attack: formatAttack(group),
      participants: [...group.members],
    })),
  };
};

/** Numbers of attackers that a line shows. */
const SHOWN = 12;

/** What is to be said of the world, by a short heading. */
export const worldRows = (world: WorldSummary): readonly (readonly [string, string])[] => [
  ...(world.features === undefined ? [] : [['features', world.features] as const]),
  ...(world.participation === undefined ? [] : [['presence', world.participation] as const]),
  ...(world.time === undefined ? [] : [['time', `virtual: ${world.time}`] as const]),
  ...world.attackers.map(({ attack, participants }) => {
    const more = participants.length - SHOWN;
    const rest = more > 0 ? ` and ${more} more` : '';
    return [
      'attack',
      `${attack}: participants ${participants.slice(0, SHOWN).join(', ')}${rest}`,
    ] as const;
  }),
];

/** The same as the first lines of a run. */
export const describeWorld = (world: WorldSummary): readonly string[] =>
  worldRows(world).map(([name, text]) => `${name.padEnd(10)} ${text}`);
