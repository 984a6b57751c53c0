/**
 * @module The first fault that a schema found, in words: the field, what was expected and what
 * came. The schema library's own texts name its types ("Expected never but received"), not the
 * field.
 */
import * as v from 'valibot';

/** Longest received value that a text repeats. */
const SHOWN = 80;

const shorten = (text: string): string =>
  text.length > SHOWN ? `${text.slice(0, SHOWN)}...` : text;

const faultOf = (issue: v.BaseIssue<unknown>): string => {
  const { message, expected, received } = issue;
  if (!message.startsWith('Invalid ')) return message;
  if (issue.type === 'strict_object' && expected === 'never') return 'unknown key';
  if (received === 'undefined') return 'missing';
  return `expected ${expected ?? 'another value'}, got ${shorten(received)}`;
};

/** `cohort.size: expected >=3, got 2`; without a field where the whole value is at fault. */
export const issueText = (issue: v.BaseIssue<unknown>): string => {
  const path = v.getDotPath(issue);
  return `${path === null ? '' : `${path}: `}${faultOf(issue)}`;
};
