import { executeSync, getNamedType, isAbstractType, isCompositeType, isObjectType } from 'graphql';
import { collectSubfields } from 'graphql/execution/collectFields.js';
import type { Data } from './entity.ts';
import type { Answer } from './error.ts';
import type { Operation, Values } from './operation.ts';
import { Projecting, type Projection } from './project.ts';
import type { Run } from './run.ts';
import type { Variant } from './variant.ts';

// What a run came to -> the answer, with what the schema tells of itself.

export function answerOf(
  run: Run,
  data: Data | null,
  project: Projection,
  introspection: ReadonlyMap<string, string> | undefined,
): Answer {
  const { errors } = run;
  const json = project(data, new Projecting(errors, run.failures, introspection));
  return {
    json: errors.length > 0 ? `{"errors":${JSON.stringify(errors)},"data":${json}}` : `{"data":${json}}`,
    hasData: true,
    errors,
  };
}

/** The introspection part of an answer: each of its fields as JSON. */
export function introspect(
  { view }: Operation,
  { introspection }: Variant,
  variables: Values | null | undefined,
): ReadonlyMap<string, string> | undefined {
  if (!introspection) return undefined;
  const { data } = executeSync({ schema: view.schema, document: introspection, variableValues: variables });
  return new Map(Object.entries(data ?? {}).map(([key, value]) => [key, JSON.stringify(value)]));
}

/** The root of an event whose one field is `item`, under the names of the client's own selection. */
export function rootOf(
  { view, fragments, root, wireNames }: Operation,
  { fields, conditions }: Variant,
  item: Data & { __typename: string },
): Data | undefined {
  const nodes = [...fields.values()].find(([node]) => node?.name.value !== '__typename');
  const [field] = nodes ?? [];
  const type = view.schema.getType(item.__typename);
  const declared = getNamedType(field && root.getFields()[field.name.value]?.type);
  if (!nodes || !field || !isObjectType(type) || !isCompositeType(declared)) return undefined;
  if (type !== declared && !(isAbstractType(declared) && view.schema.isSubType(declared, type)))
    return undefined;
  const data: Data = { __typename: item.__typename };
  for (const [node] of collectSubfields(view.schema, fragments, conditions, type, nodes).values()) {
    if (node && node.name.value !== '__typename') data[wireNames.of(node)] = item[node.name.value] ?? null;
  }
  return { [wireNames.of(field)]: data };
}
