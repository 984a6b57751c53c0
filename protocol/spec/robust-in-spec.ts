/**
 * @module The robust rule of a specification: its fields, and the defaults of a new run. The rules
 * that combine them with other settings are in `setting-checks.ts`.
 */
import * as v from 'valibot';
import { specEntries, specSchemaOf } from './setting-schema.ts';
import { SETTINGS } from './settings.ts';
import type { Robust } from './settings/robust.ts';

/** Missing where the updates become their mean: see `protocol/robust`. */
export const robustSchema = v.optional(
  v.strictObject({
    ...specEntries(SETTINGS, 'robust'),
    rule: specSchemaOf(SETTINGS.aggregation),
    byzantine: specSchemaOf(SETTINGS.byzantine),
    /** Of groups: no setting, since every new run has it. See rules/group-draw.ts. */
    drawn: v.optional(v.literal('invited')),
  }),
);

/**
 * One false update unless told, and groups that are drawn before anybody registers; nothing of a
 * run without a rule.
 */
export const withRule = (
  robust: Partial<Robust> | undefined,
  secagg: 'masked' | 'none',
): { readonly robust?: Robust } => {
  const { rule, byzantine = 1 } = robust ?? {};
  if (robust === undefined || rule === undefined) return {};
  const isGrouped = robust.groupSize !== undefined && secagg === 'masked';
  return { robust: { ...(isGrouped ? { drawn: 'invited' } : {}), ...robust, rule, byzantine } };
};
