/**
 * @module Where a participant requires less than the defaults: printed first when it joins.
 */
import { toHex } from '../protocol/bytes.ts';
import { ADMISSION_DEFAULTS, type AdmissionPolicy, type MostField } from './admission.ts';

const show = ({ min, max }: AdmissionPolicy['clipNorm']): string => `${min} to ${max}`;

/** The requirements lowered below the default, one text for each field: printed first. */
export const loweredFields = (policy: AdmissionPolicy): readonly string[] => {
  const base = ADMISSION_DEFAULTS;
  const wider = (field: 'clipNorm' | 'batchSize' | 'weightCap'): string[] =>
    policy[field].min < base[field].min || policy[field].max > base[field].max
      ? [`${field} ${show(policy[field])} (default ${show(base[field])})`]
      : [];
  const less = (field: 'minimum' | 'known' | 'steps'): string[] =>
    policy[field] < base[field] ? [`${field} ${policy[field]} (default ${base[field]})`] : [];
  const more = (field: MostField): string[] =>
    policy[field] > base[field] ? [`${field} ${policy[field]} (default ${base[field]})`] : [];
  return [
    ...(policy.masked ? [] : ['masked false: the coordinator may read every update']),
    ...(policy.survey ? ['survey: totals over the tables of all sites are opened'] : []),
    ...(policy.central
      ? ['central: the coordinator may see updates and add the noise itself']
      : []),
    ...less('minimum'),
    ...less('known'),
    ...(policy.parents.length === 0
      ? []
      : [`parents ${policy.parents.map((hash) => toHex(hash).slice(0, 16)).join(', ')}`]),
    ...less('steps'),
    ...wider('clipNorm'),
    ...wider('batchSize'),
    ...wider('weightCap'),
    ...more('delta'),
    ...more('classWeights'),
    ...more('strategyNorm'),
  ];
};
