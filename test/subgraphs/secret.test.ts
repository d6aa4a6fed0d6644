import { pino } from 'pino';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { connect } from '../../subgraphs/db.ts';
import { credentialChanges } from '../../subgraphs/identity/authentication.ts';
import { identity } from '../../subgraphs/identity/index.ts';
import { gatewayPrincipal, principalHeader, principalSigner } from '../../subgraphs/principal.ts';
import {
  leadSeconds,
  openSecrets,
  rotateSecret,
  type SecretPurpose,
  type Secrets,
  storedSecrets,
} from '../../subgraphs/secret.ts';
import { createSubgraphServer } from '../../subgraphs/serve.ts';
import { sessionTokens } from '../../subgraphs/session-token.ts';
import { freshDatabase, type TestDatabase } from '../kit/database.ts';

let database: TestDatabase;
let secrets: Secrets;
const purposes: SecretPurpose[] = ['principal', 'session', 'cursor', 'file'];
const fail = (error: unknown) => {
  throw error;
};

beforeAll(async () => {
  database = await freshDatabase();
  secrets = await openSecrets(database.sql, fail);
});
afterAll(async () => {
  await secrets.close();
  await database.close();
});
beforeEach(async () => {
  await database.sql`delete from log.secret`;
  await (await openSecrets(database.sql, fail)).close();
  await secrets.refresh();
});

const idsOf = (purpose: SecretPurpose) =>
  secrets
    .of(purpose)()
    .map(({ id }) => id);
/** The newest secret's id, once its rotation is in the process. */
async function rotate(purpose: SecretPurpose, overlapSeconds: number): Promise<string> {
  const [newest] = await rotateSecret(database.sql, purpose, overlapSeconds);
  await secrets.refresh();
  return newest?.id ?? '';
}
/** As if so many seconds had gone by since the last rotation. */
async function later(seconds: number): Promise<void> {
  await database.sql`
    update log.secret set signs_at = signs_at - make_interval(secs => ${seconds}),
      ends_at = ends_at - make_interval(secs => ${seconds})`;
  await secrets.refresh();
}

describe('secrets', () => {
  it('are the same for processes that ask at the same moment, and differ by purpose', async () => {
    await database.sql`delete from log.secret`;
    const [one, other] = await Promise.all([0, 1].map(() => openSecrets(database.sql, fail)));
    const values = purposes.map((purpose) => String(one?.of(purpose)()[0]?.secret));
    expect(purposes.map((purpose) => String(other?.of(purpose)()[0]?.secret))).toEqual(values);
    expect(new Set(values).size).toBe(purposes.length);
    expect(one?.of('cursor')()[0]?.secret).toHaveLength(32);
    await Promise.all([one?.close(), other?.close()]);
  });

  it('are known everywhere before they sign', async () => {
    const id = await rotate('principal', 60);
    expect(idsOf('principal')).toEqual(['first', id]);
    await later(leadSeconds - 1);
    expect(idsOf('principal')).toEqual(['first', id]);
    await later(1);
    expect(idsOf('principal')).toEqual([id, 'first']);
    expect(idsOf('session')).toEqual(['first']);
  });

  it('are believed until their overlap is over, and then deleted', async () => {
    const id = await rotate('principal', 60);
    await later(leadSeconds + 59);
    expect(idsOf('principal')).toEqual([id, 'first']);
    await later(1);
    expect(idsOf('principal')).toEqual([id]);
    expect(await database.sql`select id from log.secret where purpose = 'principal'`).toEqual([{ id }]);
  });

  it('end earlier, and never later, when they are rotated again', async () => {
    await rotate('cursor', 600);
    const endOf = async () =>
      (await storedSecrets(database.sql)).find((one) => one.purpose === 'cursor' && one.id === 'first')
        ?.endsAt;
    const first = await endOf();
    await rotate('cursor', 6_000);
    expect(await endOf()).toEqual(first);
    await rotate('cursor', 60);
    expect((await endOf())?.getTime()).toBeLessThan(first?.getTime() ?? 0);
  });

  it('are rotated one after another by those who do it at once, and one of them signs', async () => {
    await Promise.all([1, 2, 3].map(() => rotateSecret(database.sql, 'session', 60)));
    await secrets.refresh();
    await later(leadSeconds);
    const stored = (await storedSecrets(database.sql)).filter(({ purpose }) => purpose === 'session');
    expect(stored).toHaveLength(4);
    expect(stored.filter(({ endsAt }) => endsAt === null).map(({ id }) => id)).toEqual([idsOf('session')[0]]);
    expect(stored.filter(({ signs }) => signs)).toHaveLength(1);
  });

  it('go on to work while the database does not answer', async () => {
    const sql = connect(database.url);
    const cut = await openSecrets(sql, () => {});
    await sql.end();
    await expect(cut.refresh()).rejects.toThrow();
    expect(cut.of('principal')()).toHaveLength(1);
    await cut.close();
  });

  it('are listed without their values', async () => {
    expect(Object.keys((await storedSecrets(database.sql))[0] ?? {})).toEqual([
      'purpose',
      'id',
      'createdAt',
      'signsAt',
      'endsAt',
      'signs',
    ]);
  });
});

describe('secrets of sessions', () => {
  it('make gateways ask again whose tokens are, when they end', async () => {
    const tokens = sessionTokens(secrets.of('session'));
    const { token } = await tokens.sign('com_1', 'ses_1', new Date());
    await rotate('session', 60);
    await later(leadSeconds);
    expect(await tokens.read(token, new Date())).not.toBeNull();
    const { last } = await credentialChanges(database.sql, null);
    await later(60);
    expect(await tokens.read(token, new Date())).toBeNull();
    expect((await credentialChanges(database.sql, last)).ids).toEqual(['*']);
  });
});

describe('secrets of principals, between processes', () => {
  it('are replaced while a gateway goes on to ask a subgraph', async () => {
    const [signing, verifying] = [
      await openSecrets(database.sql, fail),
      await openSecrets(database.sql, fail),
    ];
    const server = await createSubgraphServer({
      subgraph: identity,
      resources: database.resources,
      log: pino({ level: 'silent' }),
      keys: verifying.of('principal'),
    });
    const { port } = await server.listen({ host: '127.0.0.1', port: 0 });
    const sign = principalSigner(signing.of('principal'));
    const ask = async (token: string) => {
      const response = await fetch(`http://127.0.0.1:${port}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', [principalHeader]: token },
        body: JSON.stringify({ query: '{ __typename }' }),
      });
      return response.status;
    };
    const former = await sign(gatewayPrincipal);
    expect(await ask(former)).toBe(200);
    await rotate('principal', 60);
    await Promise.all([signing.refresh(), verifying.refresh()]);
    await later(leadSeconds);
    // Whichever of them hears of it first.
    await signing.refresh();
    const token = await sign(gatewayPrincipal);
    expect(token).not.toBe(former);
    expect(await ask(token)).toBe(200);
    await verifying.refresh();
    expect([await ask(token), await ask(former)]).toEqual([200, 200]);
    await later(60);
    await verifying.refresh();
    expect([await ask(token), await ask(former)]).toEqual([200, 401]);
    await server.close();
    await Promise.all([signing.close(), verifying.close()]);
  });
});
