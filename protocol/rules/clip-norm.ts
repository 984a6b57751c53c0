/**
 * @module The clip norm of a run that adapts it: Open names that of the attempt, Commit the one
 * that follows from the share of updates within it. See privacy/adaptive-clipping.ts.
 */
import { nextClipNorm } from '../privacy/adaptive-clipping.ts';
import { rulesOf, type Rule } from './rule.ts';

export const CLIP_NORM_RULES: readonly Rule[] = [
  rulesOf('open')({
    name: 'clip-norm',
    says: 'Where the clip norm is adaptive, it is that of the last commit, or that of the specification before the first; no other attempt names one.',
    code: 'record_conflict',
    check: ({ spec: { encoding }, previous }, { body: { clipNorm, model } }) => {
      const { clipping } = encoding;
      if ((clipping === undefined) !== (clipNorm === undefined))
        return clipNorm === undefined
          ? 'the attempt names no clip norm, and the run adapts it'
          : 'the attempt names a clip norm, and that of the run is fixed';
      if (clipping === undefined || clipNorm === undefined) return undefined;
      if (!(clipNorm >= clipping.floor && clipNorm <= clipping.ceiling))
        return `expected a clip norm of ${clipping.floor} to ${clipping.ceiling}, got ${clipNorm}`;
      const known = previous?.attempt === model.version ? previous.body.clip?.next : undefined;
      const expected = model.version === 0 ? encoding.clipNorm : known;
      return expected === undefined || expected === clipNorm
        ? undefined
        : `expected the clip norm ${expected}, got ${clipNorm}`;
    },
  }),
  rulesOf('commit')({
    name: 'clip-norm',
    says: 'Where the clip norm is adaptive, the next one follows from that of the attempt and the share of updates within it; no other commit names one.',
    code: 'record_malformed',
    check: ({ spec, open: opened }, { body: { clip } }) => {
      const { clipping } = spec.encoding;
      if ((clipping === undefined) !== (clip === undefined))
        return clip === undefined
          ? 'the commit names no clip norm, and the run adapts it'
          : 'the commit names a clip norm, and that of the run is fixed';
      const clipNorm = opened?.body.clipNorm;
      if (clipping === undefined || clip === undefined || clipNorm === undefined) return undefined;
      const expected = nextClipNorm(clipNorm, clip.within, clipping);
      return clip.next === expected
        ? undefined
        : `expected the next clip norm ${expected}, got ${clip.next}`;
    },
  }),
];
