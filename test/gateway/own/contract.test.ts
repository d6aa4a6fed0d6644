import { createHash } from 'node:crypto';
import { buildSchema, Kind, parse, print, visit } from 'graphql';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { deprecationsIn } from '../../../gateway/contract.ts';
import { laurelSupergraph } from '../../../gateway/schema.ts';
import { type Data, data, type Headers, keyOf, query } from '../../kit/client.ts';
import { type TestLaurel, testLaurel } from '../../kit/laurel.ts';

let laurel: TestLaurel;
beforeAll(async () => {
  laurel = await testLaurel();
});
afterAll(() => laurel?.close());

const contractOf = async (headers: Headers, selection: string, variables = {}): Promise<Data> => {
  const declared = 'version' in variables ? 'query ($version: String!) ' : '';
  const text = `${declared}{ viewer { apiKey { contract { ${selection} } } } }`;
  return (await data(laurel.handle, text, variables, headers)).viewer.apiKey.contract;
};

/** Laurel's supergraph without `User.firstName`, and with `User.lastName` about to go. */
function changed(): string {
  const document = visit(parse(laurelSupergraph()), {
    ObjectTypeDefinition: (type) => (type.name.value === 'User' ? undefined : false),
    FieldDefinition(field) {
      if (field.name.value === 'firstName') return null;
      if (field.name.value !== 'lastName') return undefined;
      const [mark] = parse(
        'type T { f: Int @deprecated(reason: "Use displayName. Removed after 2027-06-30.") }',
      ).definitions;
      const [deprecated] = mark?.kind === Kind.OBJECT_TYPE_DEFINITION ? (mark.fields ?? []) : [];
      return { ...field, directives: [...(field.directives ?? []), ...(deprecated?.directives ?? [])] };
    },
  });
  return print(document);
}

describe('the contract of a key', () => {
  it('is the schema that it sees, named by its SHA-256', async () => {
    for (const headers of [keyOf(laurel.handle, 'systemKey'), await laurel.keyWith(['messages:read'])]) {
      const { sdl, sha256 } = await contractOf(headers, 'sdl sha256');
      const file = await fetch(new URL('/schema.graphql', laurel.handle.endpoint), { headers });
      expect(sdl).toBe(await file.text());
      expect(sha256).toBe(createHash('sha256').update(sdl).digest('hex'));
      expect(file.headers.get('etag')).toBe(`"${sha256}"`);
    }
  });

  it('has nothing that changed since itself, and nothing to say of versions it does not know', async () => {
    const headers = await laurel.keyWith(['users:read']);
    const { sha256 } = await contractOf(headers, 'sha256');
    expect(
      await contractOf(headers, 'changesSince(version: $version) { message }', { version: sha256 }),
    ).toEqual({
      changesSince: [],
    });
    for (const version of ['0'.repeat(64), 'hello', ''])
      expect(await contractOf(headers, 'changesSince(version: $version) { message }', { version })).toEqual({
        changesSince: null,
      });
  });

  it("isn't told to another key", async () => {
    const other = await laurel.keyWith([]);
    const { viewer } = await data(laurel.handle, '{ viewer { apiKey { id } } }');
    const text = 'query ($id: ID!) { node(id: $id) { ... on ApiKey { contract { sdl } } } }';
    expect(await query(laurel.handle, text, viewer.apiKey, other)).toEqual({ data: { node: null } });
  });
});

describe('a new schema', () => {
  const selection = `deprecations { coordinate reason removalDate }
    changesSince(version: $version) { coordinate criticality message }`;

  it('tells each key what of its own part changed and what will go', async () => {
    const people = await laurel.keyWith(['users:read']);
    const messages = await laurel.keyWith(['messages:read']);
    const [before, other] = [await contractOf(people, 'sha256'), await contractOf(messages, 'sha256')];
    laurel.gateway.replace(changed());
    try {
      expect(await contractOf(people, selection, { version: before.sha256 })).toEqual({
        deprecations: [
          {
            coordinate: 'User.lastName',
            reason: 'Use displayName. Removed after 2027-06-30.',
            removalDate: '2027-06-30',
          },
        ],
        changesSince: [
          {
            coordinate: 'User.firstName',
            criticality: 'BREAKING',
            message: "Field 'firstName' was removed from object type 'User'.",
          },
          {
            coordinate: 'User.lastName',
            criticality: 'NON_BREAKING',
            message: "Field 'User.lastName' is deprecated.",
          },
        ],
      });
      expect(await contractOf(messages, selection, { version: other.sha256 })).toEqual({
        deprecations: [],
        changesSince: [],
      });
      // What another key saw is none of its business.
      expect(await contractOf(messages, selection, { version: before.sha256 })).toEqual({
        deprecations: [],
        changesSince: null,
      });
    } finally {
      laurel.gateway.replace(laurelSupergraph());
    }
  });
});

describe('deprecations', () => {
  it('are fields, arguments, input fields and values, by coordinate', () => {
    const schema = buildSchema(`
      type Query { users(order: Int @deprecated(reason: "No order. Removed after 2027-01-31.")): [User] }
      type User { nick: String @deprecated plan(by: By): Plan }
      input By { old: Int @deprecated(reason: "Removed after 2027-13-1.") }
      enum Plan { FREE PAID @deprecated(reason: "Removed after 2028-02-29.") }
    `);
    expect(deprecationsIn(schema).map(({ coordinate, removalDate }) => [coordinate, removalDate])).toEqual([
      ['By.old', null],
      ['Plan.PAID', '2028-02-29'],
      ['Query.users(order:)', '2027-01-31'],
      ['User.nick', null],
    ]);
  });

  it('of ours all say when they end: `… Removed after 2027-06-30.`', () => {
    const endless = deprecationsIn(laurel.gateway.engine.schema).filter(
      ({ removalDate }) => removalDate === null,
    );
    expect(endless).toEqual([]);
  });
});
