import { Kind, parse, print, visit } from 'graphql';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Caller } from '../../gateway/access.ts';
import { oneProcessGateway } from '../../gateway/index.ts';
import { laurelSupergraph } from '../../gateway/schema.ts';
import { type CountedUse, createUses } from '../../gateway/uses.ts';
import { type Data, data, type Headers, openEvents, socketClient, take } from '../kit/client.ts';
import { federate } from '../kit/federation.ts';
import { type TestLaurel, testLaurel } from '../kit/laurel.ts';
import type { Handle } from '../kit/processes.ts';

const { engine } = federate({
  shop: { sdl: 'type Query { old: Int @deprecated(reason: "Gone.") new: Int }' },
});
const view = { key: 'all', schema: engine.schema };
const callerOf = (keyId?: string): Caller => ({
  principal: {
    kind: 'integration',
    communityId: 'com_a',
    scopes: [],
    ...(keyId === undefined ? {} : { keyId }),
  },
  token: '',
  view,
  seesPart: true,
});
const operationOf = (text: string) => {
  const operation = engine.prepare(view, text);
  if ('errors' in operation) throw new Error(operation.answer.json);
  return operation;
};

describe('uses', () => {
  it('are told together, once, by key and coordinate', async () => {
    const told: (readonly CountedUse[])[] = [];
    const uses = createUses({ tell: async (some) => void told.push(some), onFault: () => {} });
    for (const key of ['a', 'a', 'b']) uses.note(callerOf(key), operationOf('{ old x: old }'), null);
    uses.note(callerOf('a'), operationOf('{ new }'), null);
    uses.note(callerOf(), operationOf('{ old }'), null);
    await uses.close();
    await uses.close();
    expect(told).toEqual([
      [
        expect.objectContaining({ keyId: 'a', coordinate: 'Query.old', calls: 2 }),
        expect.objectContaining({ keyId: 'b', coordinate: 'Query.old', calls: 1 }),
      ],
    ]);
  });

  it('are kept for the next time when they could not be told', async () => {
    const told: CountedUse[] = [];
    const faults: unknown[] = [];
    let down = true;
    const uses = createUses({
      async tell(some) {
        if (down) throw new Error('down');
        told.push(...some);
      },
      onFault: (fault) => faults.push(fault),
    });
    uses.note(callerOf('a'), operationOf('{ old }'), null);
    await uses.close();
    down = false;
    uses.note(callerOf('a'), operationOf('{ old }'), null);
    await uses.close();
    expect(faults).toHaveLength(1);
    expect(told).toMatchObject([{ calls: 2 }]);
  });
});

/** Laurel's supergraph, where people's last names, the order of messages and XP as a stream will go. */
function aged(): string {
  const [example] = parse('type T { f: Int @deprecated(reason: "Removed after 2027-06-30.") }').definitions;
  const mark = example?.kind === Kind.OBJECT_TYPE_DEFINITION ? (example.fields?.[0]?.directives ?? []) : [];
  const going = ['User.lastName', 'User.firstName', 'Subscription.xp'];
  return print(
    visit(parse(laurelSupergraph()), {
      ObjectTypeDefinition: (type) => ({
        ...type,
        fields: (type.fields ?? []).map((field) =>
          going.includes(`${type.name.value}.${field.name.value}`)
            ? { ...field, directives: [...(field.directives ?? []), ...mark] }
            : field,
        ),
      }),
    }),
  );
}

describe('the deprecations of a contract', () => {
  let laurel: TestLaurel;
  let key: Headers;
  let other: Headers;
  beforeAll(async () => {
    laurel = await testLaurel();
    laurel.gateway.replace(aged());
    [key, other] = [await laurel.keyWith(['users:read', 'stats:read']), await laurel.keyWith(['users:read'])];
    // Another gateway, that tells what it counted when it closes.
    const gateway = oneProcessGateway(
      laurel.database.resources,
      { origins: [], trustProxy: false },
      pino({ level: 'silent' }),
    );
    gateway.replace(aged());
    const { port } = await gateway.listen({ host: '127.0.0.1', port: 0 });
    const handle = { ...laurel.handle, endpoint: `http://127.0.0.1:${port}/graphql` } as Handle;
    const names = '{ users(first: 1) { nodes { lastName } } }';
    for (const _ of [1, 2]) await data(handle, names, {}, key);
    const client = socketClient(handle, key);
    await client.iterate({ query: names }).next();
    await client.dispose();
    const stream = await openEvents(handle, 'subscription { xp { cursor } }', {}, key);
    await take(1, stream);
    stream.close();
    await data(handle, '{ users(first: 1) { nodes { displayName } } }', {}, other);
    await gateway.close();
  });
  afterAll(() => laurel?.close());

  const ask = async (headers: Headers, given = ''): Promise<Data> => {
    const text = `{ viewer { apiKey { contract { deprecations${given} { coordinate lastUsedAt callsLast30Days } } } } }`;
    return (await data(laurel.handle, text, {}, headers)).viewer.apiKey.contract.deprecations;
  };

  it('say how often this key asked for each, and when last', async () => {
    const used = { lastUsedAt: expect.stringMatching(/^\d{4}-.*Z$/) };
    expect(await ask(key)).toEqual([
      { coordinate: 'Subscription.xp', ...used, callsLast30Days: 1 },
      { coordinate: 'User.firstName', lastUsedAt: null, callsLast30Days: 0 },
      { coordinate: 'User.lastName', ...used, callsLast30Days: 3 },
    ]);
  });

  it('are only those that this key uses, or only the others', async () => {
    const coordinates = async (given: string, headers = key) =>
      (await ask(headers, given)).map(({ coordinate }: Data) => coordinate);
    expect(await coordinates('(usedByMe: true)')).toEqual(['Subscription.xp', 'User.lastName']);
    expect(await coordinates('(usedByMe: false)')).toEqual(['User.firstName']);
    expect(await coordinates('(usedByMe: true)', other)).toEqual([]);
  });

  it('take one statement more for all of their uses, and none when these are not asked for', async () => {
    const uses = (statements: readonly string[]) => statements.filter((one) => one === 'usesOfKey');
    expect(uses(await laurel.database.statementsOf(() => ask(key, '(usedByMe: true)')))).toHaveLength(1);
    const text = '{ viewer { apiKey { contract { deprecations { coordinate } } } } }';
    const bare = await laurel.database.statementsOf(() => data(laurel.handle, text, {}, key));
    expect(uses(bare)).toEqual([]);
  });
});
