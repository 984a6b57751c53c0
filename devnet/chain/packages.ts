/**
 * @module Published packages as the RPC describes them: modules, datatypes and function signatures.
 */
import { GrpcTypes } from '@mysten/sui/grpc';
import {
  ABILITY,
  type DatatypeInfo,
  type FieldInfo,
  type FunctionInfo,
  type PackageInfo,
  type ParameterInfo,
} from '../move/types.ts';

const bodyTypes = GrpcTypes.OpenSignatureBody_Type;

const PRIMITIVES: Readonly<Record<string, number>> = {
  address: bodyTypes.ADDRESS,
  bool: bodyTypes.BOOL,
  u8: bodyTypes.U8,
  u16: bodyTypes.U16,
  u32: bodyTypes.U32,
  u64: bodyTypes.U64,
  u128: bodyTypes.U128,
  u256: bodyTypes.U256,
};

/** Splits `A, B<C, D>` at its outer commas. */
const splitArguments = (list: string): readonly string[] => {
  const parts: string[] = [];
  let depth = 0;
  let start = 0;
  for (let at = 0; at < list.length; at += 1) {
    if (list[at] === '<') depth += 1;
    if (list[at] === '>') depth -= 1;
    if (list[at] === ',' && depth === 0) {
      parts.push(list.slice(start, at).trim());
      start = at + 1;
    }
  }
  parts.push(list.slice(start).trim());
  return parts.filter((part) => part !== '');
};

/** A canonical type tag (type parameters as `T0`, `T1`, ...) as a signature body. */
export const signatureBody = (type: string): GrpcTypes.OpenSignatureBody => {
  const primitive = PRIMITIVES[type];
  if (primitive !== undefined) return { type: primitive, typeParameterInstantiation: [] };
  const parameter = /^T(\d+)$/.exec(type)?.[1];
  if (parameter !== undefined)
    return {
      type: bodyTypes.TYPE_PARAMETER,
      typeParameter: Number(parameter),
      typeParameterInstantiation: [],
    };
  const open = type.indexOf('<');
  const name = open < 0 ? type : type.slice(0, open);
  const inner = open < 0 ? [] : splitArguments(type.slice(open + 1, -1));
  const typeParameterInstantiation = inner.map(signatureBody);
  return name === 'vector'
    ? { type: bodyTypes.VECTOR, typeParameterInstantiation }
    : { type: bodyTypes.DATATYPE, typeName: name, typeParameterInstantiation };
};

const signature = ({ type, reference }: ParameterInfo): GrpcTypes.OpenSignature => ({
  body: signatureBody(type),
  ...(reference === 'none'
    ? {}
    : {
        reference:
          reference === 'mutable'
            ? GrpcTypes.OpenSignature_Reference.MUTABLE
            : GrpcTypes.OpenSignature_Reference.IMMUTABLE,
      }),
});

const abilities = (bits: number): number[] => [
  ...(bits & ABILITY.copy ? [GrpcTypes.Ability.COPY] : []),
  ...(bits & ABILITY.drop ? [GrpcTypes.Ability.DROP] : []),
  ...(bits & ABILITY.store ? [GrpcTypes.Ability.STORE] : []),
  ...(bits & ABILITY.key ? [GrpcTypes.Ability.KEY] : []),
];

const VISIBILITY = {
  private: GrpcTypes.FunctionDescriptor_Visibility.PRIVATE,
  public: GrpcTypes.FunctionDescriptor_Visibility.PUBLIC,
  friend: GrpcTypes.FunctionDescriptor_Visibility.FRIEND,
} as const;

export const functionDescriptor = (info: FunctionInfo): GrpcTypes.FunctionDescriptor => ({
  name: info.name,
  visibility: VISIBILITY[info.visibility],
  isEntry: info.isEntry,
  typeParameters: info.typeParameters.map((bits) => ({ constraints: abilities(bits) })),
  parameters: info.parameters.map(signature),
  returns: info.returns.map(signature),
});

const fieldDescriptors = (fields: readonly FieldInfo[]): GrpcTypes.FieldDescriptor[] =>
  fields.map(({ name, type }, position) => ({ name, position, type: signatureBody(type) }));

export const datatypeDescriptor = (
  info: PackageInfo,
  module: string,
  datatype: DatatypeInfo,
): GrpcTypes.DatatypeDescriptor => {
  const definingId = info.typeOrigins.get(`${module}::${datatype.name}`) ?? info.storageId;
  const { body } = datatype;
  return {
    typeName: `${definingId}::${module}::${datatype.name}`,
    definingId,
    module,
    name: datatype.name,
    abilities: abilities(datatype.abilities),
    typeParameters: datatype.typeParameters.map(({ constraints, phantom }) => ({
      constraints: abilities(constraints),
      isPhantom: phantom,
    })),
    kind:
      body.type === 'struct'
        ? GrpcTypes.DatatypeDescriptor_DatatypeKind.STRUCT
        : GrpcTypes.DatatypeDescriptor_DatatypeKind.ENUM,
    fields: body.type === 'struct' ? fieldDescriptors(body.fields) : [],
    variants:
      body.type === 'enum'
        ? body.variants.map(({ name, fields }, position) => ({
            name,
            position,
            fields: fieldDescriptors(fields),
          }))
        : [],
  };
};

export const packageDescriptor = (info: PackageInfo): GrpcTypes.Package => ({
  storageId: info.storageId,
  originalId: info.originalId,
  version: info.version,
  modules: info.modules.map(({ name, bytes, info: module }) => ({
    name,
    contents: bytes,
    datatypes: module.datatypes.map((datatype) => datatypeDescriptor(info, name, datatype)),
    functions: module.functions.map(functionDescriptor),
  })),
  typeOrigins: [...info.typeOrigins].map(([path, packageId]) => {
    const [moduleName = '', datatypeName = ''] = path.split('::');
    return { moduleName, datatypeName, packageId };
  }),
  linkage: [...info.linkage].map(([originalId, upgradedId]) => ({ originalId, upgradedId })),
});
