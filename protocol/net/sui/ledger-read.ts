/**
 * @module What stands of a run on Sui: cohorts, survivors and model versions, as anyone reads them.
 */
import type { ClientWithCoreApi } from '@mysten/sui/client';
import { toHex } from '../../bytes.ts';
import { FloeError } from '../../errors.ts';
import type { Ledger } from '../../ports/ledger.ts';
import { dynamicField, readChain, type ReadLimits } from './chain.ts';
import { familyOf, attemptOf as readAttempt } from './family.ts';
import { blobOfNumber, ModelObject, ObjectId, PublishedKey } from './layout.ts';
import type { RunLookup } from './run-lookup.ts';
import type { SuiRun } from './run.ts';

export interface LedgerReadsInit {
  readonly client: ClientWithCoreApi;
  /** Floe's package. */
  readonly packageId: string;
  readonly limits: ReadLimits;
  readonly runs: RunLookup;
}

/** Bytes of a parsed vector, copied to a new array. */
export const own = (parsed: Iterable<number>): Uint8Array => Uint8Array.from(parsed);

export const createLedgerReads = ({ client, packageId, limits, runs }: LedgerReadsInit) => {
  const field = (parentId: string, type: string, key: Uint8Array) =>
    dynamicField(client, parentId, type, key, limits);

  const attemptOf = async (run: Uint8Array, attempt: number) => {
    const object = await runs.standing(run);
    return object && readAttempt(client, object, attempt, limits);
  };

  const modelId = async ({ run }: SuiRun, attempt: number): Promise<string | undefined> => {
    const key = PublishedKey.serialize([attempt]).toBytes();
    const value = await field(run, `${packageId}::model::PublishedKey`, key);
    return value && ObjectId.parse(value);
  };

  const readCohort: Ledger['readCohort'] = async (run, attempt) => {
    const found = await attemptOf(run, attempt);
    return found && { root: own(found.cohortRoot), beacon: own(found.beacon) };
  };

  const readSurvivors: Ledger['readSurvivors'] = async (run, attempt) => {
    const found = await attemptOf(run, attempt);
    if (!found?.survivors) return undefined;
    return { hash: own(found.survivorsHash), dataCommitment: own(found.dataCommitment) };
  };

  const readModel: Ledger['readModel'] = async (run, attempt) => {
    const object = await runs.standing(run);
    const id = object && (await modelId(object, attempt));
    if (id === undefined) return undefined;
    const content = await readChain(`reading model ${id}`, limits, async (signal) => {
      const include = { content: true } as const;
      return (await client.core.getObject({ objectId: id, include, signal })).object.content;
    });
    if (content === undefined) return undefined;
    const { modelHash, stateHash, transcriptRoot, blob } = ModelObject.parse(content);
    return {
      run,
      attempt,
      modelHash: own(modelHash),
      ...(stateHash.length === 0 ? {} : { stateHash: own(stateHash) }),
      transcriptRoot: own(transcriptRoot),
      blob: {
        id: blobOfNumber(blob.blobId),
        sha256: own(blob.sha256),
        size: Number(blob.size),
      },
    };
  };

  const readFamily: Ledger['readFamily'] = async (run, version, modelHash) => {
    const object = await runs.standing(run);
    if (object === undefined)
      throw new FloeError('ledger_unavailable', `the run ${toHex(run)} is not on chain yet`);
    return familyOf(client, object, version, modelHash, limits);
  };

  return { attemptOf, modelId, readCohort, readSurvivors, readModel, readFamily };
};

export type LedgerReads = ReturnType<typeof createLedgerReads>;
