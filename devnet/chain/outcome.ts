/**
 * @module The writes of a transaction, before versions, digests and storage prices are known: those
 * of its commands after a success, those of its inputs alone after a failure.
 */
import {
  ABILITY,
  type MoveEvent,
  type MoveSession,
  type Owner as MoveOwner,
  type PackageInfo,
} from '../move/types.ts';
import type { CommandRunner, PublishedPackage } from './commands.ts';
import type { ResolvedInput } from './inputs.ts';
import type { ChainObject, Owner, PackageData } from './objects.ts';

/** The next version of an object, before its version, digest and storage price are known. */
export interface Draft {
  readonly id: string;
  readonly objectType: string;
  readonly contents: Uint8Array;
  readonly owner: Owner | MoveOwner;
  readonly hasPublicTransfer: boolean;
  readonly package?: PackageData;
  readonly packageVersion?: bigint;
}

export interface Outcome {
  readonly drafts: Map<string, Draft>;
  readonly removed: Set<string>;
  readonly createdIds: ReadonlySet<string>;
  readonly deletedIds: ReadonlySet<string>;
  readonly events: readonly MoveEvent[];
  readonly loaded: readonly bigint[];
}

const draftOf = (object: ChainObject): Draft => ({
  id: object.id,
  objectType: object.objectType,
  contents: object.contents,
  owner: object.owner,
  hasPublicTransfer: object.hasPublicTransfer,
});

const mutableInputs = (inputs: readonly ResolvedInput[]): readonly ChainObject[] =>
  inputs.flatMap((input) =>
    input.type === 'object' && input.mutable && input.access !== 'receiving' ? [input.object] : [],
  );

/** What is written when a transaction fails: the same inputs at a new version. */
export const failedOutcome = (inputs: readonly ResolvedInput[]): Outcome => ({
  drafts: new Map(mutableInputs(inputs).map((object) => [object.id, draftOf(object)])),
  removed: new Set(),
  createdIds: new Set(),
  deletedIds: new Set(),
  events: [],
  loaded: [],
});

/** What the chain keeps of a package. */
export const packageData = (info: PackageInfo): PackageData => ({
  originalId: info.originalId,
  modules: new Map(info.modules.map((module) => [module.name, module.bytes])),
  linkage: info.linkage,
  typeOrigins: info.typeOrigins,
});

const packageDraft = ({ info, version }: PublishedPackage): Draft => ({
  id: info.storageId,
  objectType: 'package',
  contents: new Uint8Array(),
  owner: { type: 'immutable' },
  hasPublicTransfer: false,
  packageVersion: version,
  package: packageData(info),
});

/** What the session did, when the commands have run to their end. */
export const collect = (
  inputs: readonly ResolvedInput[],
  session: MoveSession,
  runner: CommandRunner,
): Outcome => {
  const effects = session.effects();
  const drafts = new Map<string, Draft>();
  const removed = new Set<string>();
  for (const [index, input] of inputs.entries()) {
    if (input.type !== 'object' || !input.mutable || input.access === 'receiving') continue;
    const cell = runner.inputCell(index);
    if (cell === undefined) drafts.set(input.object.id, draftOf(input.object));
    else if (cell.value === undefined) removed.add(input.object.id);
    else drafts.set(input.object.id, { ...draftOf(input.object), contents: session.bytes(cell) });
  }
  for (const { id } of effects.removedChildren) removed.add(id);
  for (const id of effects.received) removed.add(id);
  for (const object of [...effects.written, ...effects.children]) {
    removed.delete(object.id);
    drafts.set(object.id, {
      id: object.id,
      objectType: object.type,
      contents: object.contents,
      owner: object.owner,
      hasPublicTransfer: (session.abilities(object.type) & ABILITY.store) !== 0,
    });
  }
  for (const published of runner.published) {
    const draft = packageDraft(published);
    drafts.set(draft.id, draft);
  }
  return {
    drafts,
    removed,
    createdIds: new Set(effects.createdIds),
    deletedIds: new Set(effects.deletedIds),
    events: effects.events,
    loaded: effects.loadedChildren.flatMap(({ version }) => version ?? []),
  };
};

/** Bytes that storage is paid for. */
export const sizeOf = (draft: Draft): number => {
  const modules = draft.package ? [...draft.package.modules.values()] : [];
  return modules.reduce((sum, bytes) => sum + bytes.length, draft.contents.length);
};
