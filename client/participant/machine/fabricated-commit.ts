/**
 * @module A spot check has proven that a commit is wrong: the proof is saved and sent, and the
 * participant does nothing more in the run.
 */
import {
  encodeProof,
  fabricated,
  type CommitProof,
} from '../../../protocol/verify/commit-proof.ts';
import { emit, save, type Step } from './effects.ts';
import * as memories from './run-memory.ts';
import type { State } from './state.ts';
import { endWith } from './withdrawal.ts';

export const stopAtFabricated = (state: State, attempt: number, proof: CommitProof): Step => {
  const error = fabricated(proof);
  const encoded = encodeProof(proof);
  const memory = { ...memories.end(state.memory, error.code), proof: encoded };
  return endWith({ ...state, memory }, error, [
    save(memory),
    {
      type: 'send',
      frame: { type: 'withdraw', attempt, code: error.code, proof: encoded },
    },
    emit({ type: 'fabricated', attempt, proof, error }),
  ]);
};
