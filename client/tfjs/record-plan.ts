/**
 * @module Records the steps of a model as plans, for the engines that replay them.
 */
import type * as Tfjs from '@tensorflow/tfjs';
import type { LocalRule } from '../optimizer.ts';
import { type Plan, planOf } from '../recorded/plan.ts';
import { record } from '../recorded/record.ts';
import { type Backend, switchBackend } from './backends.ts';
import type { Objective } from './objective.ts';

/** @param optimizer the rule of a training step; without one the plan evaluates */
export type RecordPlan = (size: number, optimizer?: LocalRule) => Plan;

/**
 * Records the plan of `model` for batches of a size.
 * @throws Unrecordable when a step cannot be recorded
 */
export const planRecorder =
  ({ tf, name, eager }: Backend, model: Tfjs.LayersModel, objective: Objective): RecordPlan =>
  (size, optimizer) => {
    switchBackend(tf, eager ?? name);
    return planOf(record({ tf, model, objective, size, ...(optimizer && { optimizer }) }));
  };

/** Whether two rules keep the same state: a session of one then serves the other. */
export const isSameRule = (a: LocalRule, b: LocalRule): boolean =>
  JSON.stringify(a) === JSON.stringify(b);
