/**
 * @module Folders of images: a folder for each class, its name the name of the class; a folder
 * `train` and one `test` may hold these. Node only.
 */
import { readFile, readdir } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import { FloeError } from '../../../protocol/errors.ts';
import { type Dataset, createDataset } from '../dataset.ts';
import { allocate } from '../images.ts';
import { isJpeg, readJpeg } from './jpeg.ts';
import { MAX_BYTES, MAX_VALUES, inFile, malformed, someNames } from './limits.ts';
import { isPng, readPng } from './png-node.ts';
import { type Raster, resized, withChannels } from './raster.ts';

export interface ImageOptions {
  /**
   * `WIDTHxHEIGHT` or `WIDTHxHEIGHTxCHANNELS` (1: grey, 3: colours) that all images are brought to.
   * Default: all must have one size; grey where all are grey, else colours.
   */
  readonly imageSize?: string;
  readonly shared?: boolean;
  /** Pixels stay bytes. */
  readonly bytes?: boolean;
  readonly part?: 'train' | 'test';
  /** The images need no folders of classes, and all have the label 0. */
  readonly unlabelled?: boolean;
  readonly maxBytes?: number;
}

export interface FolderData {
  readonly data: Dataset;
  readonly hasTest: boolean;
  readonly notes: readonly string[];
}

const IMAGE = /\.(png|jpe?g)$/iu;
const OTHER_IMAGE = /\.(gif|bmp|tiff?|webp|dcm|heic|avif|jp2|nii(\.gz)?)$/iu;
const PARTS = { train: /^(train|training)$/iu, test: /^(test|testing)$/iu };
const MAX_IMAGES = 10_000_000;
const DEEPEST = 8;

interface Listing {
  readonly folders: readonly string[];
  readonly files: readonly string[];
}

const list = async (folder: string): Promise<Listing> => {
  const entries = await readdir(folder, { withFileTypes: true });
  const shown = entries.filter(({ name }) => !name.startsWith('.') && name !== '__MACOSX');
  const names = (kept: typeof shown): string[] =>
    kept.map(({ name }) => name).toSorted((a, b) => (a < b ? -1 : 1));
  return {
    folders: names(shown.filter((entry) => entry.isDirectory())),
    files: names(shown.filter((entry) => !entry.isDirectory())),
  };
};

/** Images below a folder, in order, and how many other files there are. */
const imagesBelow = async (
  folder: string,
  depth = 0,
): Promise<{ images: string[]; others: number }> => {
  if (depth > DEEPEST) throw malformed(`${folder}: folders more than ${DEEPEST} deep`);
  const { folders, files } = await list(folder);
  const foreign = files.find((name) => OTHER_IMAGE.test(name));
  if (foreign !== undefined)
    throw malformed(`${join(folder, foreign)} is no PNG or JPEG: convert it, or move it away`);
  const images = files.filter((name) => IMAGE.test(name)).map((name) => join(folder, name));
  let others = files.length - images.length;
  for (const name of folders) {
    const below = await imagesBelow(join(folder, name), depth + 1);
    for (const each of below.images) images.push(each);
    others += below.others;
  }
  return { images, others };
};

/** Whether a folder looks like one of images by class; it may hold the parts. */
export const isImageFolder = async (folder: string): Promise<boolean> => {
  const { folders, files } = await list(folder);
  if (files.some((name) => IMAGE.test(name))) return true;
  for (const name of folders) {
    const below = await list(join(folder, name));
    if (below.files.some((each) => IMAGE.test(each) || OTHER_IMAGE.test(each))) return true;
    for (const each of below.folders) {
      const { files: deeper } = await list(join(folder, name, each));
      if (deeper.some((file) => IMAGE.test(file))) return true;
    }
  }
  return false;
};

interface Size {
  readonly width: number;
  readonly height: number;
  readonly channels?: 1 | 3;
}

const sizeOf = (given: string | undefined): Size | undefined => {
  if (given === undefined) return undefined;
  const [, width = '', height = '', channels] =
    /^(\d{1,5})x(\d{1,5})(?:x([13]))?$/u.exec(given) ?? [];
  if (!(Number(width) > 0 && Number(height) > 0))
    throw new FloeError(
      'usage',
      `--image-size: expected WIDTHxHEIGHT or WIDTHxHEIGHTxCHANNELS, got "${given}"`,
    );
  return {
    width: Number(width),
    height: Number(height),
    ...(channels === undefined ? {} : { channels: channels === '1' ? 1 : 3 }),
  };
};

const decode = async (path: string): Promise<Raster> => {
  try {
    const bytes = await readFile(path);
    if (isPng(bytes)) return readPng(bytes);
    if (isJpeg(bytes)) return await readJpeg(bytes);
  } catch (thrown) {
    throw inFile(path, thrown);
  }
  throw inFile(path, malformed('its bytes are no PNG or JPEG: convert it, or move it away'));
};

interface Read {
  /** Those of each image, one after the other. */
  readonly pixels: readonly Uint8Array[];
  readonly shape: readonly [height: number, width: number, channels: 1 | 3];
  readonly notes: readonly string[];
}

const readAll = async (paths: readonly string[], options: ImageOptions): Promise<Read> => {
  const size = sizeOf(options.imageSize);
  const rasters: Raster[] = [];
  const notes: string[] = [];
  let [bytes, reduced, transparent, scaled] = [0, 0, 0, 0];
  for (const path of paths) {
    const raster = await decode(path);
    const first = rasters[0];
    if (raster.reduced === true) reduced += 1;
    if (raster.transparent === true) transparent += 1;
    if (
      size === undefined &&
      first !== undefined &&
      (raster.width !== first.width || raster.height !== first.height)
    )
      throw inFile(
        path,
        malformed(
          `${raster.width} x ${raster.height} pixels, the first image has ${first.width} x ${first.height}: ` +
            `bring them to one size with --image-size ${first.width}x${first.height}`,
        ),
      );
    const own = size === undefined ? raster : resized(raster, size.width, size.height);
    if (own !== raster) scaled += 1;
    const kept = size?.channels === undefined ? own : withChannels(own, size.channels);
    bytes += kept.data.length;
    if (bytes > (options.maxBytes ?? MAX_BYTES) || bytes > 4 * MAX_VALUES)
      throw malformed('more pixels than fit in memory: use fewer images or a smaller --image-size');
    rasters.push(kept);
  }
  const channels = rasters.every((raster) => raster.channels === 1) ? 1 : 3;
  const grey = rasters.filter((raster) => raster.channels !== channels).length;
  if (grey > 0) notes.push(`${grey} grey images among images in colours: read as colours`);
  if (scaled > 0) notes.push(`${scaled} images resized`);
  if (transparent > 0)
    notes.push(`${transparent} images have transparent pixels: the transparency is left out`);
  if (reduced > 0) notes.push(`${reduced} images of 16 bits: read as 8 bits`);
  const [{ width, height }] = rasters as [Raster];
  return {
    pixels: rasters.map((raster) => withChannels(raster, channels).data),
    shape: [height, width, channels],
    notes,
  };
};

const pixelsOf = (
  pixels: readonly Uint8Array[],
  { shared, bytes }: ImageOptions,
): Dataset['features'] => {
  const length = pixels.reduce((sum, each) => sum + each.length, 0);
  const features =
    bytes === true
      ? new Uint8Array(shared === true ? new SharedArrayBuffer(length) : new ArrayBuffer(length))
      : new Float32Array(allocate(length, shared));
  let at = 0;
  for (const each of pixels) {
    if (bytes === true) features.set(each, at);
    else for (let i = 0; i < each.length; i += 1) features[at + i] = (each[i] as number) / 255;
    at += each.length;
  }
  return features;
};

/** The folder of the classes: one of the parts where there are some. */
const rootOf = async (
  folder: string,
  part: 'train' | 'test',
): Promise<{ root: string; hasTest: boolean }> => {
  const { folders } = await list(folder);
  const own = folders.find((name) => PARTS[part].test(name));
  const hasTest = folders.some((name) => PARTS.test.test(name));
  const hasTrain = folders.some((name) => PARTS.train.test(name));
  if (own !== undefined && (hasTrain || part === 'test'))
    return { root: join(folder, own), hasTest };
  if (part === 'test' || hasTest)
    throw malformed(
      `no folder ${part} next to ${folders.length === 0 ? 'the images' : someNames(folders)}`,
    );
  return { root: folder, hasTest: false };
};

const withoutLabels = async (root: string, paths: readonly string[], options: ImageOptions) => {
  const { pixels, shape, notes } = await readAll(paths, options);
  const data = createDataset({
    features: pixelsOf(pixels, options),
    labels: new Int32Array(allocate(paths.length, options.shared)),
    featureShape: shape,
    classes: 1,
  });
  const rowNames = paths.map((path) => relative(root, path).split(sep).join('/'));
  return { data: { ...data, rowNames }, notes };
};

/** All images below a folder, in the order of their paths. */
const unlabelled = async (root: string, options: ImageOptions) => {
  const { images, others } = await imagesBelow(root);
  if (images.length === 0) throw malformed('no image');
  if (images.length > MAX_IMAGES) throw malformed(`more than ${MAX_IMAGES} images`);
  const { data, notes } = await withoutLabels(root, images, options);
  const skipped = `${others} other ${others === 1 ? 'file is' : 'files are'} not read`;
  return { data, notes: others === 0 ? notes : [...notes, skipped] };
};

/**
 * One image, without a label.
 * @throws FloeError `data_malformed` where labels are needed, or for a file that cannot be read
 */
export const loadImage = async (path: string, options: ImageOptions = {}): Promise<FolderData> => {
  if (options.unlabelled !== true)
    throw inFile(
      path,
      malformed(
        'one image has no class: give a folder that holds a folder of images for each class',
      ),
    );
  return { ...(await withoutLabels(dirname(path), [path], options)), hasTest: false };
};

/**
 * The images of a folder by class; classes in sorted order, which is a proposal.
 * @throws FloeError `data_malformed` with the file, for what is no image or of another size
 */
export const loadImages = async (
  folder: string,
  options: ImageOptions = {},
): Promise<FolderData> => {
  try {
    const { root, hasTest } = await rootOf(folder, options.part ?? 'train');
    const { folders, files } = await list(root);
    if (options.unlabelled === true) return { ...(await unlabelled(root, options)), hasTest };
    const loose = files.find((name) => IMAGE.test(name));
    if (loose !== undefined)
      throw malformed(
        `${loose} is in no class: put the images of each class into a folder of its name`,
      );
    const paths: string[] = [];
    const classes: number[] = [];
    let others = 0;
    const empty: string[] = [];
    for (const [label, name] of folders.entries()) {
      const below = await imagesBelow(join(root, name));
      if (below.images.length === 0) empty.push(name);
      others += below.others;
      for (const path of below.images) {
        paths.push(path);
        classes.push(label);
      }
      if (paths.length > MAX_IMAGES) throw malformed(`more than ${MAX_IMAGES} images`);
    }
    if (paths.length === 0) throw malformed('no image in a folder of a class');
    const { pixels, shape, notes } = await readAll(paths, options);
    const labels = new Int32Array(allocate(classes.length, options.shared));
    labels.set(classes);
    return {
      data: createDataset({
        features: pixelsOf(pixels, options),
        labels,
        featureShape: shape,
        classes: folders.length,
        classNames: folders.map((name) => name.normalize('NFC')),
      }),
      hasTest,
      notes: [
        ...notes,
        ...(empty.length > 0 ? [`no image of class ${someNames(empty)}`] : []),
        ...(others > 0
          ? [`${others} other files in ${relative('.', root) || root} are not read`]
          : []),
      ],
    };
  } catch (thrown) {
    throw inFile(folder, thrown);
  }
};
