import { isInterfaceType, isObjectType } from 'graphql';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Answer, Stream } from '../../gateway/engine/index.ts';
import { createEngine } from '../../gateway/engine/index.ts';
import { laurelSupergraph } from '../../gateway/schema.ts';
import { authenticatedScope, viewsOf } from '../../gateway/view.ts';
import { allScopes } from '../../subgraphs/scopes.ts';
import { compose, federate } from '../kit/federation.ts';

// A session has one schema, whatever its scopes: what is beyond them is null, with an error, and nobody is asked for it.

const link =
  'extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@requiresScopes", "@key"])';
const mail = '@requiresScopes(scopes: [["mail"], ["all", "people"]])';
const changes: string[] = [];
const person = (id: string) => ({ __typename: 'Person', id, name: `P${id}`, mail: `${id}@x`, phone: id });
const graphs = {
  people: {
    sdl: `${link}
      type Query { people: [Person!] named: [Named] mails: [String!]! ${mail} me: Person }
      type Mutation { rename: Person drop: Boolean! ${mail} }
      type Subscription { joined: Person left: Person ${mail} }
      interface Named { name: String }
      type Person implements Named @key(fields: "id") { id: ID! name: String mail: String ${mail} phone: String! ${mail} }
      type Spy implements Named ${mail} { name: String }`,
    resolvers: {
      Query: {
        people: () => [person('1'), person('2')],
        named: () => [person('1'), { __typename: 'Spy', name: 'S' }],
        me: () => person('1'),
      },
      Mutation: { rename: () => changes.push('rename') && person('1'), drop: () => changes.push('drop') > 0 },
      Subscription: {
        joined: {
          async *subscribe() {
            yield { joined: person('3') };
          },
        },
      },
      Named: { __resolveType: ({ __typename }: { __typename: string }) => __typename },
    },
  },
  scores: {
    sdl: `${link} type Person @key(fields: "id") { id: ID! score: Int @requiresScopes(scopes: [["scores"]]) }`,
    resolvers: { Person: { __resolveReference: ({ id }: { id: string }) => ({ id, score: 7 }) } },
  },
};
const supergraph = compose(graphs);
const { engine, calls } = federate(graphs, { supergraph });
const { ofSession } = viewsOf(engine.schema, supergraph);
const needs = (coordinate: string) => `${coordinate} needs the scope mail or all and people.`;

beforeEach(() => {
  calls.length = 0;
  changes.length = 0;
});

async function ask(text: string, ...scopes: string[]) {
  const operation = engine.prepare(ofSession(scopes), text);
  const answer = 'errors' in operation ? operation.answer : await engine.execute(operation, { caller: {} });
  return JSON.parse(answer.json);
}
const forbidden = (coordinate: string, ...path: (string | number)[]) => ({
  message: needs(coordinate),
  path,
  extensions: { code: 'FORBIDDEN' },
});

describe('what is beyond the scopes of a session', () => {
  it('is null with its path, wherever it stands, and nobody is asked for it', async () => {
    const text = '{ people { name post: mail ...F } } fragment F on Person { id ... on Named { name } }';
    expect(await ask(text)).toEqual({
      data: {
        people: [
          { name: 'P1', post: null, id: '1' },
          { name: 'P2', post: null, id: '2' },
        ],
      },
      errors: [0, 1].map((at) => forbidden('Person.mail', 'people', at, 'post')),
    });
    expect(calls.map((call) => call.text).join()).not.toContain('mail');
    expect((await ask(text, 'mail')).data.people[0].post).toBe('1@x');
  });

  it('costs no call where another subgraph has it', async () => {
    expect(await ask('{ me { name score } }')).toMatchObject({
      data: { me: { name: 'P1', score: null } },
      errors: [{ path: ['me', 'score'], extensions: { code: 'FORBIDDEN' } }],
    });
    expect(calls).toHaveLength(1);
    expect(await ask('{ me { score } }', 'scores')).toEqual({ data: { me: { score: 7 } } });
  });

  it('takes its parent along where it can not be null', async () => {
    const { data, errors } = await ask('{ me { name phone } }');
    expect({ data, errors }).toEqual({
      data: { me: null },
      errors: [forbidden('Person.phone', 'me', 'phone')],
    });
  });

  it('is all of a type that needs a scope, behind an interface too', async () => {
    const { data, errors } = await ask('{ named { __typename name ... on Spy { alias: name } } }');
    expect(data).toEqual({
      named: [
        { __typename: 'Person', name: 'P1' },
        { __typename: 'Spy', name: null, alias: null },
      ],
    });
    expect(errors.map(({ path }: { path: unknown }) => path)).toEqual([
      ['named', 1, 'name'],
      ['named', 1, 'alias'],
    ]);
  });

  it('lets nothing run that comes to nothing', async () => {
    expect(await ask('mutation { rename { id } drop }')).toEqual({
      errors: [forbidden('Mutation.drop', 'drop')],
    });
    expect(await ask('{ people { id } mails }')).toEqual({ errors: [forbidden('Query.mails', 'mails')] });
    expect(calls).toEqual([]);
    expect(changes).toEqual([]);
    expect(await ask('mutation { rename { id } drop @skip(if: true) }')).toEqual({
      data: { rename: { id: '1' } },
    });
  });

  it('opens no stream, and is null in the items of one', async () => {
    const open = async (text: string) => {
      const operation = engine.prepare(ofSession([]), text);
      if ('errors' in operation) throw new Error(operation.answer.json);
      return engine.subscribe(operation, { caller: {} });
    };
    const refused = (await open('subscription { left { id } }')) as Answer;
    expect(JSON.parse(refused.json)).toEqual({ errors: [forbidden('Subscription.left', 'left')] });
    expect(calls).toEqual([]);
    const stream = (await open('subscription { joined { name mail } }')) as Stream;
    for await (const event of stream.events) {
      expect(JSON.parse((await stream.answer(event)).json)).toEqual({
        data: { joined: { name: 'P3', mail: null } },
        errors: [forbidden('Person.mail', 'joined', 'mail')],
      });
    }
  });

  it('is in the schema that it can introspect, which all sessions share', async () => {
    const text = '{ __type(name: "Person") { fields { name } } }';
    expect((await ask(text)).data.__type.fields).toContainEqual({ name: 'mail' });
    expect(ofSession([]).schema).toBe(ofSession(['mail']).schema);
  });
});

it('is what a key with the same scopes is not shown', () => {
  const whole = laurelSupergraph();
  const never = (): never => {
    throw new Error('A view calls no subgraph.');
  };
  const { schema } = createEngine({
    supergraph: whole,
    subgraph: () => ({ execute: never, subscribe: never }),
  });
  const views = viewsOf(schema, whole);
  const half = allScopes.filter((_, at) => at % 2 === 0);
  for (const some of [[], ...allScopes.map((scope) => [scope]), half, allScopes]) {
    const scopes = [...some, authenticatedScope];
    const [session, key] = [views.ofSession(scopes), views(scopes)];
    for (const type of Object.values(schema.getTypeMap())) {
      if (!(isObjectType(type) || isInterfaceType(type)) || type.name.startsWith('__')) continue;
      const shown = key.schema.getType(type.name) as typeof type | undefined;
      for (const field of Object.keys(type.getFields())) {
        const isShown = shown?.getFields()[field] !== undefined;
        expect(session.forbids?.(type.name, field) === undefined, `${type.name}.${field}`).toBe(isShown);
      }
    }
  }
});
