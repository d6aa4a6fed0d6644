import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import {
  type DefinitionNode,
  type FieldDefinitionNode,
  GraphQLID,
  type GraphQLInputType,
  getNullableType,
  isInputObjectType,
  isListType,
  isObjectType,
  Kind,
  type ObjectTypeDefinitionNode,
  parse,
  print,
  visit,
} from 'graphql';
import { describe, expect, it } from 'vitest';
import { own } from '../../gateway/own/index.ts';
import { idBound } from '../../subgraphs/id-bound.ts';
import { subgraphs } from '../../subgraphs/index.ts';
import { publicFields } from '../../subgraphs/scopes.ts';

const compiled = pathToFileURL(join(import.meta.dirname, '../../dist')).href;
const documents = [...subgraphs, own].map(({ name, sdl }) => ({ name, definitions: parse(sdl).definitions }));
const roots = ['Query', 'Mutation', 'Subscription'];

/** What a fresh process prints. */
async function printed(script: string): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script]);
  return stdout;
}

const nameOf = (definition: DefinitionNode): string | undefined =>
  'name' in definition ? definition.name?.value : undefined;

const isEntity = (definition: DefinitionNode): boolean =>
  'directives' in definition && (definition.directives?.some(({ name }) => name.value === 'key') ?? false);

/** Gateways have fields of their own, which no client sees. */
const isForClients = ({ name }: FieldDefinitionNode): boolean => !name.value.startsWith('_');

/** A type's definition without the order of its parts, which means nothing. */
function canonical(definition: DefinitionNode): string {
  return print(definition).split('\n').sort().join('\n');
}

describe('subgraphs', () => {
  it('print the same SDL alone and with all loaded', async () => {
    const places = [
      ...subgraphs.map(({ name }) => ({ name, place: `subgraphs/${name}` })),
      { name: 'own', place: 'gateway/own' },
    ];
    const together = [...subgraphs, own].map(({ sdl }) => sdl);
    const alone = places.map(({ name, place }) =>
      printed(
        `const { ${name} } = await import('${compiled}/${place}/index.js');
        console.log(JSON.stringify(${name}.sdl));`,
      ),
    );
    expect((await Promise.all(alone)).map((text) => JSON.parse(text))).toEqual(together);
  }, 120_000);

  it('declare the types that they share alike', () => {
    const byName = new Map<string, { name: string; text: string }[]>();
    for (const { name, definitions } of documents) {
      for (const definition of definitions) {
        const type = nameOf(definition);
        if (type === undefined || roots.includes(type) || isEntity(definition)) continue;
        byName.set(type, [...(byName.get(type) ?? []), { name, text: canonical(definition) }]);
      }
    }
    const shared = [...byName].filter(([, places]) => places.length > 1);
    const names = shared.map(([type]) => type);
    for (const known of [
      'PageInfo',
      'UserError',
      'LocalizedText',
      'StreamReady',
      'StreamItem',
      'UserIdentifierInput',
    ])
      expect(names).toContain(known);
    for (const [type, [first, ...others]] of shared) {
      for (const { name, text } of others)
        expect(text, `${type} in ${first?.name} and ${name}`).toBe(first?.text);
    }
  });

  it('say of every connection how many rows it brings', () => {
    const fields = documents.flatMap(({ definitions }) =>
      definitions.flatMap((definition) =>
        definition.kind === Kind.OBJECT_TYPE_DEFINITION ? (definition.fields ?? []) : [],
      ),
    );
    const connections = fields.filter(({ type }) => /Connection!?$/.test(print(type)));
    expect(connections.length).toBeGreaterThan(10);
    for (const { name, directives } of connections)
      expect(
        directives?.map(({ name }) => name.value),
        name.value,
      ).toContain('listSize');
  });

  it('refer to each entity by the same key, and describe it alike', () => {
    const seen = new Map<string, string>();
    for (const { definitions } of documents) {
      for (const definition of definitions.filter(isEntity) as ObjectTypeDefinitionNode[]) {
        const keys = definition.directives?.filter(({ name }) => name.value === 'key') ?? [];
        const fields = keys.map((key) => print(key).replace(', resolvable: false', ''));
        const text = `${definition.description?.value} ${fields.join()}`;
        const name = definition.name.value;
        expect(text, name).toBe(seen.get(name) ?? text);
        seen.set(name, text);
      }
    }
    expect(seen.size).toBeGreaterThan(5);
  });
});

describe('ids that clients send', () => {
  const exempt = ['Query.node.id', 'Query.nodes.ids'];
  const places = [...subgraphs, own].flatMap(({ schema }) =>
    Object.values(schema.getTypeMap())
      .filter((type) => isObjectType(type))
      .flatMap((parentType) =>
        Object.values(parentType.getFields()).flatMap((field) =>
          field.args.flatMap((arg) =>
            pathsToIds(arg.type, [arg.name]).map((path) => ({
              place: `${parentType.name}.${field.name}.${path.join('.')}`,
              path,
              said: async (id: string): Promise<string> => {
                const call = field[parentType.name === 'Subscription' ? 'subscribe' : 'resolve'] as Resolve;
                const args = argsWith(path, id) as Record<string, unknown>;
                try {
                  const answer = await call({}, args, {}, { parentType, fieldName: field.name });
                  return JSON.stringify(answer);
                } catch (error) {
                  return String(error);
                }
              },
            })),
          ),
        ),
      ),
  );

  it('stand in many places', () => {
    expect(places.length).toBeGreaterThan(80);
    expect(places.map(({ place }) => place)).toEqual(
      expect.arrayContaining([
        'Mutation.deleteMessage.input.messageId',
        'Subscription.messages.channelIds.0',
      ]),
    );
  });

  it.each(places)('are bounded and told by their place: $place', async ({ place, path, said }) => {
    const answer = await said('x'.repeat(201));
    if (exempt.includes(place.replace(/\.0$/, ''))) return expect(answer).not.toContain(idBound);
    if (place.startsWith('Mutation.trackEvents.')) return;
    expect(answer).toContain(idBound);
    if (path[0] === 'input') expect(answer).toContain(JSON.stringify(path));
    else expect(answer).toContain(`${path.join('.')}: ${idBound}`);
    expect(answer).not.toContain('xxx');
    expect(await said('x'.repeat(200))).not.toContain(idBound);
  });
});

/** Paths to all ids of an argument, with the first item of each list. */
function pathsToIds(type: GraphQLInputType, path: string[]): string[][] {
  const inner = getNullableType(type);
  if (inner === GraphQLID) return [path];
  if (isListType(inner)) return pathsToIds(inner.ofType, [...path, '0']);
  if (!isInputObjectType(inner)) return [];
  return Object.values(inner.getFields()).flatMap((part) => pathsToIds(part.type, [...path, part.name]));
}

function argsWith([first, ...rest]: readonly string[], id: string): unknown {
  if (first === undefined) return id;
  return first === '0' ? [argsWith(rest, id)] : { [first]: argsWith(rest, id) };
}

type Resolve = (root: unknown, args: unknown, context: unknown, info: unknown) => unknown;

describe.each(documents)('the schema of $name', ({ definitions }) => {
  it('describes every type, field, argument and enum value in sentences', () => {
    const bare: string[] = [];
    for (const definition of definitions) {
      const type = nameOf(definition) ?? '';
      visit(definition, {
        enter(node, _key, _parent, _path, ancestors) {
          if (!kindsToDescribe.has(node.kind)) return;
          if (roots.includes(type) && ancestors.length === 0) return;
          const text = 'description' in node ? (node.description?.value ?? '') : '';
          const name = 'name' in node && node.name && 'value' in node.name ? node.name.value : '';
          if (!/^\S.*[.…]`?\)?$/s.test(text.trim())) bare.push(`${type}.${name}: ${text}`);
        },
      });
    }
    expect(bare).toEqual([]);
  });

  it('has mutations of one shape: verbNoun(input: VerbNounInput!): VerbNounPayload! with userErrors', () => {
    const objects = new Map(definitions.map((definition) => [nameOf(definition), definition]));
    const mutation = objects.get('Mutation') as ObjectTypeDefinitionNode | undefined;
    for (const { name, arguments: args, type } of mutation?.fields?.filter(isForClients) ?? []) {
      const noun = name.value.charAt(0).toUpperCase() + name.value.slice(1);
      expect(args?.map((arg) => `${arg.name.value}: ${print(arg.type)}`)).toEqual([`input: ${noun}Input!`]);
      expect(print(type)).toBe(`${noun}Payload!`);
      const payload = objects.get(`${noun}Payload`) as ObjectTypeDefinitionNode;
      const fields = new Map(payload.fields?.map((field) => [field.name.value, print(field.type)]));
      expect(fields.get('userErrors')).toBe('[UserError!]!');
      expect(objects.get(`${noun}Input`)?.kind).toBe(Kind.INPUT_OBJECT_TYPE_DEFINITION);
    }
  });

  it('asks for a scope or a credential on every mutation and subscription that is not public', () => {
    const fields = definitions
      .filter((definition) => ['Mutation', 'Subscription'].includes(nameOf(definition) ?? ''))
      .flatMap((definition) => (definition as ObjectTypeDefinitionNode).fields ?? []);
    const isDecided = ({ name: field, directives }: FieldDefinitionNode) =>
      publicFields.Mutation?.includes(field.value) ||
      directives?.some(({ name }) => ['requiresScopes', 'authenticated'].includes(name.value));
    expect(
      fields.filter((field) => isForClients(field) && !isDecided(field)).map(({ name }) => name.value),
    ).toEqual([]);
  });

  it('pages every connection by first, after, last and before, and the log from the oldest on', () => {
    const objects = definitions.filter(({ kind }) => kind === Kind.OBJECT_TYPE_DEFINITION);
    const lists = (objects as ObjectTypeDefinitionNode[])
      .flatMap(({ fields = [] }) => fields)
      .filter(({ type }) => /Connection!?$/.test(print(type)));
    for (const list of lists)
      expect(list.arguments?.map(({ name }) => name.value)).toEqual(
        expect.arrayContaining(
          print(list.type).startsWith('StreamItem')
            ? ['first', 'after']
            : ['first', 'after', 'last', 'before'],
        ),
      );
  });
});

const kindsToDescribe = new Set<string>([
  Kind.OBJECT_TYPE_DEFINITION,
  Kind.INTERFACE_TYPE_DEFINITION,
  Kind.UNION_TYPE_DEFINITION,
  Kind.ENUM_TYPE_DEFINITION,
  Kind.SCALAR_TYPE_DEFINITION,
  Kind.INPUT_OBJECT_TYPE_DEFINITION,
  Kind.DIRECTIVE_DEFINITION,
  Kind.FIELD_DEFINITION,
  Kind.INPUT_VALUE_DEFINITION,
  Kind.ENUM_VALUE_DEFINITION,
]);
