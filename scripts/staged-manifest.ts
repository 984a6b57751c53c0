/**
 * @module The package.json of the published `floe-devnet`. In the repository, its exports name
 * TypeScript files, which Node runs directly. Node does not do so below `node_modules`, so the
 * published exports name the emitted JavaScript and its types.
 */
import * as v from 'valibot';

const paths = v.record(v.string(), v.string());
const Paths = v.object({ bin: paths, exports: paths });

const mapped = (
  entries: Readonly<Record<string, string>>,
  change: (path: string) => unknown,
): Record<string, unknown> =>
  Object.fromEntries(Object.entries(entries).map(([name, path]) => [name, change(path)]));

const emitted = (path: string, extension: string): string => path.replace(/\.ts$/u, extension);

/**
 * @param source the parsed package.json of the workspace. Throws when its `bin` or `exports` are
 * not plain paths.
 */
export const stagedManifest = (source: object): object => {
  const { bin, exports } = v.parse(Paths, source);
  return {
    ...source,
    private: undefined,
    bin: mapped(bin, (path) => emitted(path, '.js')),
    exports: mapped(exports, (path) =>
      path.endsWith('.ts')
        ? { types: emitted(path, '.d.ts'), default: emitted(path, '.js') }
        : path,
    ),
  };
};
