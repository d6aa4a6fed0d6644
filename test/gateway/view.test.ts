import {
  buildClientSchema,
  execute,
  type GraphQLNamedType,
  type GraphQLSchema,
  type GraphQLType,
  getIntrospectionQuery,
  getNamedType,
  introspectionFromSchema,
  isInputObjectType,
  isInterfaceType,
  isObjectType,
  isSpecifiedScalarType,
  isUnionType,
  parse,
  validateSchema,
} from 'graphql';
import { describe, expect, it } from 'vitest';
import { createEngine } from '../../gateway/engine/index.ts';
import { laurelSupergraph } from '../../gateway/schema.ts';
import { authenticatedScope, viewsOf } from '../../gateway/view.ts';
import { allScopes } from '../../subgraphs/scopes.ts';
import { compose } from '../kit/federation.ts';
import { seeded } from '../kit/operations.ts';

const never = (): never => {
  throw new Error('A view calls no subgraph.');
};

/** What a set of scopes sees of a supergraph. */
function viewsIn(supergraph: string) {
  const engine = createEngine({ supergraph, subgraph: () => ({ execute: never, subscribe: never }) });
  const { schema } = engine;
  const viewOf = viewsOf(schema, supergraph);
  return { engine, schema, viewOf, seen: (...scopes: string[]) => viewOf(scopes).schema };
}

const laurel = viewsIn(laurelSupergraph());
const views = () => [
  ...new Map(sets.map((scopes) => [laurel.viewOf(scopes).key, laurel.viewOf(scopes)])).values(),
];

/** Every single scope, none, all, and some hundred sets of them. */
const sets: readonly (readonly string[])[] = [
  [],
  ...allScopes.map((scope) => [scope]),
  ...Array.from({ length: 300 }, (_, seed) => {
    const random = seeded(seed);
    const share = random();
    return allScopes.filter(() => random() < share);
  }),
  allScopes,
].map((scopes) => [...scopes, authenticatedScope]);

/** The coordinates of a schema: types, fields and members, with what they are. */
function coordinates(schema: GraphQLSchema): Set<string> {
  return new Set(
    typesOf(schema).flatMap((type) => [
      type.name,
      ...partsOf(type).map(({ name, type: of }) => `${type.name}.${name}: ${of}`),
      ...('getInterfaces' in type ? type.getInterfaces().map(({ name }) => `${type.name} is ${name}`) : []),
      ...(isUnionType(type) ? type.getTypes().map(({ name }) => `${type.name} = ${name}`) : []),
    ]),
  );
}

function typesOf(schema: GraphQLSchema): GraphQLNamedType[] {
  return Object.values(schema.getTypeMap()).filter(({ name }) => !name.startsWith('__'));
}

function partsOf(type: GraphQLNamedType) {
  return isObjectType(type) || isInterfaceType(type) || isInputObjectType(type)
    ? Object.values(type.getFields())
    : [];
}

/** What is wrong with a schema: invalid, empty, without implementers or members, out of reach. */
function faultsOf(schema: GraphQLSchema): string[] {
  const reached = reachable(schema);
  return [
    ...validateSchema(schema).map(({ message }) => message),
    ...typesOf(schema).flatMap((type) => {
      const isEmpty = isUnionType(type)
        ? type.getTypes().length === 0
        : isInterfaceType(type)
          ? schema.getPossibleTypes(type).length === 0
          : (isObjectType(type) || isInputObjectType(type)) && partsOf(type).length === 0;
      const isStray = !isSpecifiedScalarType(type) && !reached.has(type.name);
      return [...(isEmpty ? [`${type} is empty`] : []), ...(isStray ? [`${type} is out of reach`] : [])];
    }),
  ];
}

/** The types that a client can come to from the roots. */
function reachable(schema: GraphQLSchema): Set<string> {
  const reached = new Set<string>();
  const visit = (type: GraphQLNamedType) => {
    if (reached.has(type.name)) return;
    reached.add(type.name);
    for (const part of partsOf(type)) {
      visit(getNamedType(part.type as GraphQLType));
      if ('args' in part) for (const arg of part.args) visit(getNamedType(arg.type as GraphQLType));
    }
    if (isUnionType(type)) type.getTypes().forEach(visit);
    if (isInterfaceType(type)) schema.getPossibleTypes(type).forEach(visit);
    if (isObjectType(type)) type.getInterfaces().forEach(visit);
  };
  for (const root of [schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()]) {
    if (root) visit(root);
  }
  return reached;
}

describe('the view of any set of scopes', () => {
  it('is a valid schema with nothing empty and nothing out of reach', () => {
    for (const { schema, key } of views()) expect(faultsOf(schema), key).toEqual([]);
  }, 120_000);

  it('is part of the whole, and shows the more the more there are', () => {
    const whole = coordinates(laurel.schema);
    const random = seeded(7);
    for (const scopes of sets) {
      const less = scopes.filter((scope) => scope === authenticatedScope || random() < 0.5);
      const [some, fewer] = [coordinates(laurel.seen(...scopes)), coordinates(laurel.seen(...less))];
      expect([...some].filter((one) => !whole.has(one))).toEqual([]);
      expect([...fewer].filter((one) => !some.has(one))).toEqual([]);
    }
  });

  it('can be introspected, and shows there what it has', async () => {
    const document = parse(getIntrospectionQuery());
    for (const { schema, key } of views()) {
      const { data, errors } = await execute({ schema, document });
      expect(errors, key).toBeUndefined();
      const { types } = (data as { __schema: { types: { name: string }[] } }).__schema;
      const names = types.map(({ name }) => name).filter((name) => !name.startsWith('__'));
      expect(names.sort(), key).toEqual(
        typesOf(schema)
          .map(({ name }) => name)
          .sort(),
      );
    }
  });

  it('differs for every single scope from that of none', () => {
    const none = coordinates(laurel.seen(authenticatedScope)).size;
    for (const scope of allScopes)
      expect(coordinates(laurel.seen(scope, authenticatedScope)).size, scope).toBeGreaterThan(none);
  });

  it('is one and the same for the same set, as long as it is among the last 500', () => {
    const scopes = Array.from({ length: 501 }, (_, n) => `s${n}`);
    const fields = scopes.map((scope) => `${scope}: Int @requiresScopes(scopes: [["${scope}"]])`);
    const { viewOf } = viewsIn(
      compose({ a: { sdl: `${link} type Query { open: Int ${fields.join(' ')} }` } }),
    );
    const first = viewOf(['s0', 's1']);
    expect(viewOf(['s1', 's0', 'unheard of'])).toBe(first);
    for (const scope of scopes) viewOf([scope]);
    expect(viewOf(['s0', 's1'])).not.toBe(first);
  });
});

const link =
  'extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@requiresScopes", "@authenticated", "@key"])';

/** A schema of objects, interfaces, unions and inputs that name each other and need scopes at random. */
function randomGraph(seed: number): string {
  const random = seeded(seed);
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)]!;
  const objects = ['A', 'B', 'C', 'D', 'E'];
  const named = [...objects, 'I', 'J', 'U', 'Int', 'String'];
  const needs = () =>
    random() < 0.45
      ? ` @requiresScopes(scopes: [["${pick(['a', 'b', 'c'])}"]])`
      : random() < 0.1
        ? ' @authenticated'
        : '';
  const field = (name: string) =>
    `${name}${random() < 0.2 ? `(by: ${pick(['By', 'By!', 'Int'])})` : ''}: ${pick(named)}${needs()}`;
  const shared = { I: `i: ${pick(named)}`, J: `j: ${pick(named)}` };
  const object = (name: string) => {
    const kinds = (['I', 'J'] as const).filter(
      (kind) => random() < 0.5 || name === (kind === 'I' ? 'A' : 'B'),
    );
    const fields = [
      ...kinds.map((kind) => shared[kind] + needs()),
      ...Array.from({ length: 1 + Math.floor(random() * 3) }, (_, n) => field(`${name.toLowerCase()}${n}`)),
    ];
    return `type ${name}${kinds.length > 0 ? ` implements ${kinds.join(' & ')}` : ''}${random() < 0.2 ? needs() : ''} { ${fields.join(' ')} }`;
  };
  return `${link}
    type Query { open: Int ${field('q0')} ${field('q1')} ${field('q2')} }
    interface I { ${shared.I} }
    interface J { ${shared.J} }
    union U = ${objects.filter((name) => name === 'C' || random() < 0.3).join(' | ')}
    input By { n: Int next: By }
    ${objects.map(object).join('\n')}`;
}

describe('the view of any graph', () => {
  it('is a valid schema with nothing empty and nothing out of reach', () => {
    const subsets = [
      [],
      ['a'],
      ['b'],
      ['c'],
      ['a', 'b'],
      ['a', authenticatedScope],
      ['b', 'c', authenticatedScope],
    ];
    for (let seed = 0; seed < 80; seed++) {
      const { seen } = viewsIn(compose({ a: { sdl: randomGraph(seed) } }));
      for (const scopes of subsets) expect(faultsOf(seen(...scopes)), `${seed}: ${scopes}`).toEqual([]);
    }
  });

  const zoo = viewsIn(
    compose({
      a: {
        sdl: `${link}
          type Query { animals: [Animal!]! dog: Dog cat: Cat }
          interface Animal { name: String chip: String }
          type Dog implements Animal { name: String chip: String @requiresScopes(scopes: [["vet"]]) }
          type Cat implements Animal { name: String chip: String @requiresScopes(scopes: [["chip"]]) }
          type Snake implements Animal @requiresScopes(scopes: [["snakes"]]) { name: String chip: String }`,
      },
    }),
  );
  const fieldsOf = (schema: GraphQLSchema, type: string) =>
    partsOf(schema.getType(type) as GraphQLNamedType).map(({ name }) => name);

  it('has an interface without the fields that an implementer hides', () => {
    expect(fieldsOf(zoo.seen('vet'), 'Animal')).toEqual(['name']);
    expect(fieldsOf(zoo.seen('vet'), 'Dog')).toEqual(['name', 'chip']);
    expect(fieldsOf(zoo.seen('vet', 'chip'), 'Animal')).toEqual(['name', 'chip']);
  });

  it('has an interface of which one kind is hidden, without that kind', () => {
    const schema = zoo.seen('vet', 'chip');
    expect(schema.getType('Snake')).toBeUndefined();
    expect(fieldsOf(schema, 'Query')).toEqual(['animals', 'dog', 'cat']);
  });

  it('needs what is said of an interface itself, by graphs that were composed elsewhere', () => {
    const supergraph = compose({
      a: {
        sdl: `${link} type Query { open: Int plan: Plan } interface Plan { x: Int } type Free implements Plan { x: Int }`,
      },
    }).replace(/(interface Plan [^{]*)\{/, '$1 @requiresScopes(scopes: [["plans"]]) {');
    const { seen } = viewsIn(supergraph);
    expect(fieldsOf(seen(), 'Query')).toEqual(['open']);
    expect(fieldsOf(seen('plans'), 'Query')).toEqual(['open', 'plan']);
  });
});

describe('what a view hides', () => {
  it('is answered to the byte as what does not exist, and never suggested', () => {
    const whole = typesOf(laurel.schema);
    for (const scopes of [[], ['messages:read'], ['users:read', 'messages:read'], allScopes.slice(1)]) {
      const view = laurel.viewOf([...scopes, authenticatedScope]);
      // The same schema, made by somebody who never heard of the rest.
      const strict = {
        key: `strict ${view.key}`,
        schema: buildClientSchema(introspectionFromSchema(view.schema)),
      };
      const ask = (text: string) => {
        const answer = laurel.engine.prepare(view, text);
        const expected = laurel.engine.prepare(strict, text);
        if (!('answer' in answer && 'answer' in expected)) throw new Error(`Not refused: ${text}`);
        expect(answer.answer.json).toBe(expected.answer.json);
      };
      for (const type of whole) {
        const seen = view.schema.getType(type.name);
        if (seen === undefined) {
          ask(`{ __typename ... on ${type.name} { __typename } }`);
          ask(`query ($x: ${type.name}) { __typename }`);
          ask(`query ($x: ${type.name}s) { __typename }`);
        } else if (isObjectType(type) || isInterfaceType(type)) {
          const left = new Set(partsOf(seen).map(({ name }) => name));
          for (const { name } of partsOf(type)) {
            if (left.has(name)) continue;
            ask(`{ __typename } fragment F on ${type.name} { ${name} }`);
            ask(`{ __typename } fragment F on ${type.name} { ${name}s }`);
            ask(`{ __typename } fragment F on ${type.name} { ${name}(id: 1) { id } }`);
          }
        }
      }
    }
  });
});
