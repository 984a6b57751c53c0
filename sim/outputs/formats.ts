/**
 * @module The forms in which a simulation's results are written for other tools.
 */
export const EXPORT_FORMATS = ['csv', 'jsonl', 'tensorboard', 'mlflow'] as const;
export type ExportFormat = (typeof EXPORT_FORMATS)[number];
