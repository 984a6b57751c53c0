/**
 * @module Checks whether a Vulkan driver is installed on Linux. Without one, Dawn writes warnings
 * to standard error; it is therefore loaded only if a driver is found.
 */
import type * as FileSystem from 'node:fs';

interface System {
  readonly platform: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The names in a folder; empty if it does not exist. */
  readonly list: (folder: string) => readonly string[];
}

/** The folders in which Vulkan's loader looks for drivers' manifests. */
const folders = (env: System['env']): string[] => {
  const home = env['HOME'] ?? '';
  const data = env['XDG_DATA_DIRS'] ?? '/usr/local/share:/usr/share';
  const config = env['XDG_CONFIG_DIRS'] ?? '/etc/xdg';
  return [
    env['XDG_CONFIG_HOME'] ?? `${home}/.config`,
    ...config.split(':'),
    '/etc',
    '/usr/local/etc',
    env['XDG_DATA_HOME'] ?? `${home}/.local/share`,
    ...data.split(':'),
  ].map((folder) => `${folder}/vulkan/icd.d`);
};

/** On other systems than Linux, true: Dawn uses Metal or Direct3D there. */
export const mayHaveDriver = ({ platform, env, list }: System): boolean => {
  if (platform !== 'linux') return true;
  if (env['VK_DRIVER_FILES'] !== undefined || env['VK_ICD_FILENAMES'] !== undefined) return true;
  return folders(env).some((folder) => list(folder).some((name) => name.endsWith('.json')));
};

/** This machine, as Node sees it. */
export const thisSystem = (fs: typeof FileSystem): System => ({
  platform: process.platform,
  env: process.env,
  list: (folder) => (fs.existsSync(folder) ? fs.readdirSync(folder) : []),
});
