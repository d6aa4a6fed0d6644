import {
  buildClientSchema,
  execute,
  type GraphQLNamedType,
  GraphQLSchema,
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
  ...new Map(
    sets.map(({ scopes, audience }) => {
      const view = laurel.viewOf(scopes, audience);
      return [view.key, view];
    }),
  ).values(),
];

/** Every single scope, none, all, and so many sets of them. */
const scopeSets = (random: number): string[][] =>
  [
    [],
    ...allScopes.map((scope) => [scope]),
    ...Array.from({ length: random }, (_, seed) => {
      const next = seeded(seed);
      const share = next();
      return allScopes.filter(() => next() < share);
    }),
    allScopes,
  ].map((scopes) => [...scopes, authenticatedScope]);

const sets: readonly { scopes: readonly string[]; audience: string | undefined }[] = [
  ...scopeSets(80).map((scopes) => ({ scopes, audience: undefined })),
  ...scopeSets(40).map((scopes) => ({ scopes, audience: 'partner' })),
];
/** There are hundreds of them, and a machine may have other things to do. */
const longMs = 120_000;

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
  // A schema that was read from a supergraph counts as valid until somebody doubts it.
  const doubted = new GraphQLSchema({ ...schema.toConfig(), assumeValid: false });
  return [
    ...validateSchema(doubted).map(({ message }) => message),
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
  it(
    'is a valid schema with nothing empty and nothing out of reach',
    () => {
      for (const { schema, key } of views()) expect(faultsOf(schema), key).toEqual([]);
    },
    longMs,
  );

  it(
    'is part of the whole, and shows the more the more there are',
    () => {
      const whole = coordinates(laurel.schema);
      const random = seeded(7);
      for (const { scopes, audience } of sets) {
        const less = scopes.filter((scope) => scope === authenticatedScope || random() < 0.5);
        const [some, fewer] = [scopes, less].map((one) => coordinates(laurel.viewOf(one, audience).schema));
        expect([...some!].filter((one) => !whole.has(one))).toEqual([]);
        expect([...fewer!].filter((one) => !some!.has(one))).toEqual([]);
      }
    },
    longMs,
  );

  it(
    'can be introspected, and shows there what it has',
    async () => {
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
    },
    longMs,
  );

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
  'extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@requiresScopes", "@authenticated", "@key", "@tag"])';

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
  const tag = () => (random() < 0.3 ? ' @tag(name: "partner")' : '');
  const field = (name: string) =>
    `${name}${random() < 0.2 ? `(by: ${pick(['By', 'By!', 'Int'])})` : ''}: ${pick(named)}${needs()}${tag()}`;
  const shared = { I: `i: ${pick(named)}`, J: `j: ${pick(named)}` };
  const object = (name: string) => {
    const kinds = (['I', 'J'] as const).filter(
      (kind) => random() < 0.5 || name === (kind === 'I' ? 'A' : 'B'),
    );
    const fields = [
      ...kinds.map((kind) => shared[kind] + needs() + tag()),
      ...Array.from({ length: 1 + Math.floor(random() * 3) }, (_, n) => field(`${name.toLowerCase()}${n}`)),
    ];
    return `type ${name}${kinds.length > 0 ? ` implements ${kinds.join(' & ')}` : ''}${random() < 0.2 ? needs() : ''}${tag()} { ${fields.join(' ')} }`;
  };
  return `${link}
    type Query { open: Int @tag(name: "partner") ${field('q0')} ${field('q1')} ${field('q2')} }
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
      const { viewOf } = viewsIn(compose({ a: { sdl: randomGraph(seed) } }));
      for (const scopes of subsets) {
        for (const audience of [undefined, 'partner'])
          expect(faultsOf(viewOf(scopes, audience).schema), `${seed}: ${scopes} ${audience}`).toEqual([]);
      }
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

describe('the view of an audience', () => {
  const { viewOf } = viewsIn(
    compose({
      people: {
        sdl: `${link}
          type Query { people: [Person!] @tag(name: "partner") everybody: [Person!] notes: [Note!] @tag(name: "partner") }
          type Person implements Named @key(fields: "id") @tag(name: "partner") {
            id: ID! name: String mail: String @requiresScopes(scopes: [["mail"]])
          }
          type Note implements Named { id: ID! name: String @tag(name: "other") text: Text @tag(name: "partner") }
          type Secret implements Named { name: String }
          interface Named { name: String }
          scalar Text`,
      },
      scores: {
        sdl: `${link} type Person @key(fields: "id") { id: ID! score(of: Kind): Int } enum Kind { BEST LAST }`,
      },
    }),
  );
  const seen = (...scopes: string[]) => [...coordinates(viewOf(scopes, 'partner').schema)];

  it('has what is tagged for it, whole types and single fields, and what these take and return', () => {
    const types = /^(Query|Person|Note|Kind|Text|Secret|Named)\b/;
    expect(
      seen()
        .filter((one) => types.test(one))
        .sort(),
    ).toEqual(
      [
        ...['Query', 'Query.people: [Person!]', 'Query.notes: [Note!]'],
        ...['Person', 'Person.id: ID!', 'Person.name: String', 'Person.score: Int'],
        ...['Note', 'Note.text: Text', 'Text', 'Kind'],
      ].sort(),
    );
  });

  it('asks for scopes as well', () => {
    expect(seen()).not.toContain('Person.mail: String');
    expect(seen('mail')).toContain('Person.mail: String');
  });

  it('is another than that of nobody in particular, and than that of other audiences', () => {
    const schemas = [undefined, 'partner', 'other'].map((audience) => viewOf([], audience));
    expect(new Set(schemas.map(({ key }) => key)).size).toBe(3);
    expect(new Set(schemas.map(({ schema }) => schema)).size).toBe(3);
    expect(viewOf([], 'partner')).toBe(schemas[1]);
  });

  it('is empty where nothing is tagged, and every operation is refused', () => {
    const { engine, viewOf } = viewsIn(compose({ a: { sdl: `${link} type Query { open: Int }` } }));
    expect(engine.prepare(viewOf([], 'partner'), '{ open }')).toHaveProperty('errors');
    expect(engine.prepare(viewOf([], 'partner'), '{ __typename }')).toHaveProperty('errors');
  });
});

describe('what partners see of Laurel', () => {
  const seen = coordinates(laurel.viewOf([...allScopes, authenticatedScope], 'partner').schema);

  it('is people and what they do, and their own key', () => {
    for (const one of ['User.xp: BigInt', 'FieldHistory', 'DailyStat', 'Message.body: String', 'LedgerEntry'])
      expect(seen).toContain(one);
    for (const one of [
      'XpChanged',
      'MessagePosted',
      'ApiKey.contract: SchemaContract',
      'Query.rateLimit: RateLimit',
      'User.activity: ActivityConnection',
      'Mutation.spendBalance: SpendBalancePayload!',
      'Tier',
    ])
      expect(seen).toContain(one);
  });

  it('is no administration of keys and sessions, and no audit', () => {
    const hidden =
      /ApiKeyInput|ApiKeyConnection|Session|Audit|Mutation\.\w*(Key|Session)|Viewer\.(apiKeys|sessions)/;
    expect([...seen].filter((one) => hidden.test(one))).toEqual([]);
  });

  it('is tagged at fields of the roots, never at a root as a whole', () => {
    const roots = /type (Query|Mutation|Subscription)\b[^{]*\{/g;
    for (const [root] of laurelSupergraph().matchAll(roots)) expect(root).not.toContain('@tag');
  });
});

describe('what a view hides', () => {
  it('is answered to the byte as what does not exist, and never suggested', () => {
    const whole = typesOf(laurel.schema);
    const held = [[], ['messages:read'], ['users:read', 'messages:read'], allScopes.slice(1)];
    for (const view of [
      ...held.map((scopes) => laurel.viewOf([...scopes, authenticatedScope])),
      laurel.viewOf([...allScopes, authenticatedScope], 'partner'),
    ]) {
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
