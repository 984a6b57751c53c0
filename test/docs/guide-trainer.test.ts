/** @module The trainer of docs/guide/own-trainer.md passes the suite of its port. */
import { describe, expect, it } from 'vitest';
import { createDataset } from '../../client/data/dataset.ts';
import { trainer } from '../../examples/guide/trainer.ts';
import { trainerSuite } from '../../testing/index.ts';

const data = createDataset({
  features: Float32Array.from({ length: 60 }, (_, i) => Math.sin(i)),
  labels: Int32Array.from({ length: 12 }, (_, i) => i % 2),
  featureShape: [5],
  classes: 2,
});

trainerSuite({ describe, expect, it }, "the guide's trainer", async () => ({
  trainer: trainer({ data }),
}));
