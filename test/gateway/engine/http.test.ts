import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import fastify from 'fastify';
import mercurius from 'mercurius';
import { afterEach, describe, expect, it } from 'vitest';
import { overHttp } from '../../../gateway/engine/index.ts';
import { federate, subgraphSchema, type TestSubgraph } from '../../kit/federation.ts';

const identity: TestSubgraph = {
  sdl: `type Query { users: [User!]! } type Mutation { touch: Int boom: Int }
        type User @key(fields: "id") { id: ID! name: String! }`,
  resolvers: {
    Query: {
      users: () => [
        { id: 'u1', name: 'Ada' },
        { id: 'u2', name: 'Bob' },
        { id: 'u1', name: 'Ada' },
      ],
    },
  },
};
const game: TestSubgraph = {
  sdl: 'type User @key(fields: "id") { id: ID! xp: Int tags: [String] }',
  resolvers: {
    User: {
      xp: ({ id }: { id: string }) => Number(id.slice(1)),
      tags({ id }: { id: string }) {
        if (id === 'u1')
          throw Object.assign(new Error('No tags for you.'), { extensions: { code: 'FORBIDDEN' } });
        return ['a'];
      },
    },
  },
};

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function listen(handle: (request: IncomingMessage, response: ServerResponse) => void): Promise<string> {
  const server = createServer(handle);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/graphql`;
}

/** A federation whose game subgraph is reached at `url`. */
function withGameAt(url: string, timeoutMs = 5_000) {
  const reach = overHttp<unknown>({ name: 'game', url, timeoutMs, headersOf: () => ({ 'x-caller': 'me' }) });
  closing.push(() => reach.dispose?.());
  return federate({ identity, game: { ...game, reach } });
}

/** Where `{ users { xp } }` has values of the game; both places of one user come together. */
const lost = [0, 2, 1].map((index) => ['users', index, 'xp']);
const lostBy = (code: string) => lost.map((path) => ({ path, extensions: { code } }));

describe('a subgraph over http', () => {
  it('answers as one in process does, with the paths of mercurius made whole', async () => {
    const app = fastify();
    app.register(mercurius, { schema: subgraphSchema(game), jit: 1 });
    const { run } = withGameAt(`${await app.listen({ port: 0, host: '127.0.0.1' })}/graphql`);
    closing.push(() => app.close());
    const text = '{ users { name xp tags } }';
    const expected = await federate({ identity, game }).run(text);
    for (let use = 0; use < 4; use += 1) {
      const response = await run(text);
      expect(response.data).toEqual(expected.data);
      expect(response.errors).toEqual([
        { message: 'No tags for you.', path: ['users', 0, 'tags'], extensions: { code: 'FORBIDDEN' } },
        { message: 'No tags for you.', path: ['users', 2, 'tags'], extensions: { code: 'FORBIDDEN' } },
      ]);
    }
  });

  it('that is down costs its own fields and no more', async () => {
    const { run } = withGameAt('http://127.0.0.1:1/graphql');
    const { data, errors } = await run('{ users { name xp } }');
    expect(data.users[1]).toEqual({ name: 'Bob', xp: null });
    expect(errors).toEqual(
      lost.map((path) => ({
        message: 'Subgraph "game" is unavailable.',
        path,
        extensions: { code: 'SUBGRAPH_UNAVAILABLE', subgraph: 'game', id: 'fault-1' },
      })),
    );
  });

  it.each([
    ['fails', 500, '{"errors":[{"message":"stack trace"}]}'],
    ['answers with a page', 200, '<html>'],
    ['answers nothing that is a result', 200, '[]'],
  ])('that %s is unavailable, and says nothing of its inside', async (_, status, body) => {
    const url = await listen((_request, response) => response.writeHead(status).end(body));
    const { errors } = await withGameAt(url).run('{ users { xp } }');
    expect(errors).toMatchObject(lostBy('SUBGRAPH_UNAVAILABLE'));
    expect(JSON.stringify(errors)).not.toContain('stack trace');
  });

  it.each([
    ['{"data":"text","errors":{}}'],
    ['{"errors":[null,5,{"path":"x","extensions":[]}]}'],
    ['{"data":{"_entities":{"0":1}},"errors":[{"message":1,"path":["_entities","99",{}]}]}'],
    ['{"data":{"_entities":[5,[],null]}}'],
  ])('that sends nonsense costs its fields and no more: %s', async (body) => {
    const url = await listen((_request, response) => response.end(body));
    const { data } = await withGameAt(url).run('{ users { name xp } }');
    expect(data.users[0]).toEqual({ name: 'Ada', xp: null });
  });

  it('that answers in pieces is read whole', async () => {
    const answer = Buffer.from('\ufeff{"data":{"_entities":[{"tags":["Zoë 🎉"]},{"tags":[]}]}}');
    const url = await listen((_request, response) => {
      // Within the mark, within the ë and within the 🎉.
      const cuts = [1, answer.indexOf('ë') + 1, answer.indexOf('🎉') + 2, answer.length];
      const pieces = cuts.map((cut, index) => answer.subarray(cuts[index - 1] ?? 0, cut));
      const send = () => {
        const piece = pieces.shift();
        if (piece === undefined) return response.end();
        response.write(piece, () => setTimeout(send, 5));
      };
      send();
    });
    const { data } = await withGameAt(url).run('{ users { tags } }');
    expect(data.users[0]).toEqual({ tags: ['Zoë 🎉'] });
  });

  it('that falls silent amid its answer is given up in time', async () => {
    const url = await listen((_request, response) => response.write('{"data":'));
    const { errors } = await withGameAt(url, 50).run('{ users { xp } }');
    expect(errors).toMatchObject(lostBy('SUBGRAPH_TIMEOUT'));
  });

  it('that breaks off amid its answer is unavailable', async () => {
    const url = await listen((request, response) =>
      response.write('{"data":', () => setTimeout(() => request.socket.destroy(), 5)),
    );
    const { errors } = await withGameAt(url).run('{ users { xp } }');
    expect(errors).toMatchObject(lostBy('SUBGRAPH_UNAVAILABLE'));
  });

  it('whose connections are all taken does not keep those waiting', async () => {
    const url = await listen(() => {});
    const reach = overHttp<unknown>({ name: 'game', url, timeoutMs: 50, connections: 1 });
    closing.push(() => reach.dispose?.());
    const { run } = federate({ identity, game: { ...game, reach } });
    const answers = await Promise.all([run('{ users { xp } }'), run('{ users { xp } }')]);
    for (const { errors } of answers) {
      expect(errors).toMatchObject(lostBy('SUBGRAPH_TIMEOUT'));
    }
  });

  it('that is silent is given up in time', async () => {
    const url = await listen(() => {});
    const { errors } = await withGameAt(url, 50).run('{ users { xp } }');
    expect(errors).toMatchObject(lostBy('SUBGRAPH_TIMEOUT'));
  });

  it('is asked again once when the connection broke', async () => {
    let requests = 0;
    const url = await listen((request, response) => {
      requests += 1;
      if (requests === 1) request.socket.destroy();
      else response.end('{"data":{"_entities":[{"xp":1},{"xp":2}]}}');
    });
    expect((await withGameAt(url).run('{ users { xp } }')).data.users[1]).toEqual({ xp: 2 });
    expect(requests).toBe(2);
  });

  it('is never asked a mutation twice', async () => {
    let requests = 0;
    const url = await listen((request) => {
      requests += 1;
      request.socket.destroy();
    });
    const reach = overHttp<unknown>({ name: 'identity', url });
    closing.push(() => reach.dispose?.());
    const { errors } = await federate({ identity: { ...identity, reach } }).run('mutation { touch }');
    expect(errors).toMatchObject([{ path: ['touch'], extensions: { code: 'SUBGRAPH_UNAVAILABLE' } }]);
    expect(requests).toBe(1);
  });

  it('gets the headers of the caller and one operation in a document', async () => {
    const seen: { caller: unknown; body: string }[] = [];
    const url = await listen((request, response) => {
      let body = '';
      request.on('data', (chunk) => {
        body += chunk;
      });
      request.on('end', () => {
        seen.push({ caller: request.headers['x-caller'], body });
        response.end('{"data":{"_entities":[{"xp":1},{"xp":2}]}}');
      });
    });
    await withGameAt(url).run('query A { users { xp } } query B { users { name } }', undefined, 'A');
    expect(seen.map(({ caller }) => caller)).toEqual(['me']);
    expect(seen[0]!.body.match(/query/g)).toHaveLength(2);
  });

  it('is left alone when the client leaves', async () => {
    let left: () => void = () => {};
    const hungUp = new Promise<void>((resolve) => {
      left = resolve;
    });
    const controller = new AbortController();
    const url = await listen((request) => {
      request.socket.on('close', left);
      controller.abort();
    });
    const { engine } = withGameAt(url);
    const operation = engine.prepare({ key: 'all', schema: engine.schema }, '{ users { xp } }');
    if ('answer' in operation) throw new Error(operation.answer.json);
    const answer = await engine.execute(operation, { caller: {}, signal: controller.signal });
    expect(answer).toMatchObject({ hasData: false, errors: [{ extensions: { code: 'REQUEST_ABORTED' } }] });
    await hungUp;
  });
});
