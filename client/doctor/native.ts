/**
 * @module The build of `floe setup native` for `floe doctor`: every file of it is what was built,
 * or the command that builds it.
 */
import { FloeError } from '../../protocol/errors.ts';
import { check, type Check } from '../../protocol/health-checks.ts';
import { alteredFiles, type Found, findBuilt } from '../native/built.ts';
import { type Host, misfitOf, RECIPE, thisHost } from '../native/recipe.ts';

const describe = async (found: Exclude<Found, { type: 'absent' }>): Promise<string> => {
  if (found.type === 'refused') throw new FloeError('setup_failed', found.reason);
  const { folder, record } = found.built;
  const altered = await alteredFiles(found.built);
  if (altered.length > 0)
    throw new FloeError(
      'setup_failed',
      `${folder}: ${altered.slice(0, 3).join(', ')} ${altered.length === 1 ? 'is' : 'are'} not what was built; floe setup native --undo removes it`,
    );
  const count = Object.keys(record.files).length;
  return `tfjs-node ${record.tfjs} on TensorFlow ${record.tensorflow}, ${count} files as they were built, in ${folder}`;
};

/** Undefined where it is not built and the recipe does not fit the machine. */
export const examineNative = async (
  found: Found = findBuilt(),
  host: Host = thisHost(),
): Promise<Check | undefined> => {
  if (found.type !== 'absent') return check('native build', false, () => describe(found));
  if (misfitOf(RECIPE, host) !== undefined) return undefined;
  const detail = 'none; floe setup native builds TensorFlow for --backend tensorflow';
  return { name: 'native build', needed: false, ok: false, detail };
};
