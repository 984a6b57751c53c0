/**
 * @module The models that a transcript publishes, by version.
 */
import { equalBytes } from '../protocol/bytes.ts';
import type { ModelRef } from '../protocol/records.ts';
import type { RunSpec } from '../protocol/run-spec.ts';
import type { Transcript } from '../protocol/transcript.ts';

/**
 * Every model the coordinator has signed, ascending by version; where a version was wrapped for readers more than once, the
 * commit's own reference, which names everybody who was there, wins over those of the opens.
 */
export const modelsOf = ({ entries }: Transcript, spec: RunSpec): readonly ModelRef[] => {
  const models = new Map<number, ModelRef>();
  const committed = new Set<number>();
  for (const { record } of entries) {
    if (!equalBytes(record.author, spec.coordinator)) continue;
    if (record.type === 'commit') {
      models.set(record.body.model.version, record.body.model);
      committed.add(record.body.model.version);
    } else if (record.type === 'open' && !committed.has(record.body.model.version))
      models.set(record.body.model.version, record.body.model);
  }
  return [...models.values()].toSorted((a, b) => a.version - b.version);
};
