/**
 * @module The parts that `floe setup native` builds TensorFlow's addon for Node from, each with the
 * digest of the file that this recipe was tried with: the library of a Python wheel, the sources of
 * tfjs-node, the headers of Node-API.
 */

/** A file that npm packs, with the digest that npm's lock files hold. */
export interface NpmPart {
  readonly name: string;
  readonly version: string;
  /** SHA-512, base64. */
  readonly sha512: string;
}

export interface Recipe {
  /** Name of the folder that is built. */
  readonly id: string;
  readonly platform: string;
  readonly arch: string;
  /** Version of tfjs that the addon's JavaScript belongs to. */
  readonly tfjs: string;
  readonly wheel: {
    readonly name: string;
    readonly version: string;
    /** Of CPython; nothing of it is used, any Python downloads it. */
    readonly python: string;
    readonly platforms: readonly string[];
    /** SHA-256, hex. */
    readonly sha256: string;
    readonly bytes: number;
    /** In the wheel, those that the addon is linked with. */
    readonly libraries: readonly string[];
    /** Folders in the wheel with the headers of their C interface. */
    readonly headers: readonly string[];
  };
  readonly node: NpmPart;
  readonly headers: NpmPart;
  /** What tfjs-node's JavaScript requires besides tfjs. */
  readonly needs: readonly NpmPart[];
  /** Bytes on the disk while it is built. */
  readonly peakBytes: number;
  /** Bytes on the disk afterwards. */
  readonly keptBytes: number;
}

/** The wheel is the smallest of those that have all functions of the addon. */
export const RECIPE: Recipe = {
  id: 'tfjs-node-4.22.0-tensorflow-2.15.1',
  platform: 'linux',
  arch: 'x64',
  tfjs: '4.22.0',
  wheel: {
    name: 'tensorflow-cpu',
    version: '2.15.1',
    python: '3.11',
    platforms: ['manylinux_2_17_x86_64', 'manylinux2014_x86_64'],
    sha256: '54660c074d7241a503e81edfd9f5ef5af88f64051b72e2945f26318c790f2d26',
    bytes: 207_208_420,
    libraries: ['tensorflow/libtensorflow_cc.so.2', 'tensorflow/libtensorflow_framework.so.2'],
    headers: [
      'tensorflow/include/tensorflow/c/',
      'tensorflow/include/tensorflow/core/platform/',
      'tensorflow/include/tsl/c/',
      'tensorflow/include/tsl/platform/',
    ],
  },
  node: {
    name: '@tensorflow/tfjs-node',
    version: '4.22.0',
    sha512:
      'uHrXeUlfgkMxTZqHkESSV7zSdKdV0LlsBeblqkuKU9nnfxB1pC6DtoyYVaLxznzZy7WQSegjcohxxCjAf6Dc7w==',
  },
  headers: {
    name: 'node-api-headers',
    version: '1.9.0',
    sha512:
      '2oNILP4jXwRB4ywnYKjVk1YyJ96n2D4EOVJO6S3oYZ5PtbJrw3Yt9TpAuX3nBLMuzn74rnfGQrv13pS9vC+YiA==',
  },
  needs: [
    {
      name: 'google-protobuf',
      version: '3.21.4',
      sha512:
        'MnG7N936zcKTco4Jd2PX2U96Kf9PxygAPKBug+74LHzmHXmceN16MmRcdgZv+DGef/S9YvQAfRsNCn4cjf9yyQ==',
    },
  ],
  peakBytes: 1_300_000_000,
  keptBytes: 455_000_000,
};

/** The system that a recipe is asked for. */
export interface Host {
  readonly platform: string;
  readonly arch: string;
  /** Version of the GNU C library; undefined where there is another one. */
  readonly glibc: string | undefined;
}

/** Of glibc; older ones cannot load the wheel's libraries. */
const OLDEST_GLIBC = 17;

/** Why a recipe does not fit a machine; undefined where it does. */
export const misfitOf = (recipe: Recipe, host: Host): string | undefined => {
  const wanted = `${recipe.platform} ${recipe.arch}`;
  if (`${host.platform} ${host.arch}` !== wanted)
    return `it is known how to build it for ${wanted} only, this is ${host.platform} ${host.arch}`;
  const [, minor = '0'] = /^2\.(\d+)/u.exec(host.glibc ?? '') ?? [];
  if (Number(minor) < OLDEST_GLIBC)
    return `the library needs glibc 2.${OLDEST_GLIBC} or newer, this system has ${host.glibc ?? 'another C library'}`;
  return undefined;
};

/** This machine. */
export const thisHost = (): Host => {
  // Names of network peers would be looked up.
  Object.assign(process.report, { excludeNetwork: true });
  const { header } = process.report.getReport() as {
    readonly header?: { readonly glibcVersionRuntime?: string };
  };
  return {
    platform: process.platform,
    arch: process.arch,
    glibc: header?.glibcVersionRuntime,
  };
};
