import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { addAdministrators } from '../../../subgraphs/community/member.ts';
import { createKey, revokeKey, rotateKey, updateKey } from '../../../subgraphs/identity/api-key-change.ts';
import { pruneAudit } from '../../../subgraphs/identity/audit.ts';
import { identity } from '../../../subgraphs/identity/index.ts';
import type { Principal } from '../../../subgraphs/principal.ts';
import { newCommunity, type TestCommunity } from '../../kit/community.ts';
import { freshDatabase, type TestDatabase } from '../../kit/database.ts';
import { type Answer, asking } from '../../kit/subgraph.ts';

let database: TestDatabase;
const { ask, errorsOf } = asking(identity, () => database.resources);
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.close());

const now = new Date();

async function newPlace(): Promise<TestCommunity> {
  const place = await newCommunity(database.resources, { members: 3 });
  await addAdministrators(database.sql, place.id, place.memberIds.slice(0, 1));
  return place;
}

/** The life of a key, from its making to its end; gives its id. */
async function liveThrough(principal: Principal): Promise<string> {
  const wish = { kind: 'PERSONAL', name: 'App', scopes: ['users:read'], idempotencyKey: 'a' } as const;
  const { id } = (await createKey(database.sql, principal, wish, now)).apiKey;
  await updateKey(database.sql, principal, { id, name: 'Other' }, now);
  await rotateKey(database.sql, principal, { id, overlapSeconds: 60, idempotencyKey: 'b' });
  await revokeKey(database.sql, principal, id);
  return id;
}

const entries = `query ($filter: AuditFilter, $first: Int, $after: String) {
  auditEntries(filter: $filter, first: $first, after: $after) {
    nodes { action actorKind actor { id } actorKey { id } apiKey { id } user { id } details }
    pageInfo { hasNextPage endCursor }
  }
}`;

describe('audit: rules', () => {
  it('tells each step of a key once, also where a step was repeated', async () => {
    const { system, person } = await newPlace();
    const member = person(1);
    const id = await liveThrough(member);
    await revokeKey(database.sql, member, id);
    await updateKey(database.sql, system, { id, name: 'Third' }, now).catch(() => {});
    const { auditEntries } = await ask(system, entries);
    const steps = ['KEY_REVOKED', 'KEY_ROTATED', 'KEY_UPDATED', 'KEY_CREATED'];
    expect(auditEntries.nodes.map(({ action }: Answer) => action)).toEqual(steps);
  });

  it('refuses to be changed, and forgets by age alone', async () => {
    const { id, person } = await newPlace();
    await liveThrough(person(1));
    const { sql } = database;
    await expect(
      sql`update identity.audit_entry set action = 'X' where community_id = ${id}`,
    ).rejects.toThrow('kept');
    await expect(sql`delete from identity.audit_entry where community_id = ${id}`).rejects.toThrow('kept');
    await sql`
      insert into identity.audit_entry (community_id, id, at, action, actor_kind)
      values (${id}, 'aud_old', now() - interval '401 days', 'KEY_CREATED', 'SYSTEM')`;
    await pruneAudit(sql);
    const [row] = await sql`
      select count(*)::int as kept, count(*) filter (where id = 'aud_old')::int as old
      from identity.audit_entry where community_id = ${id}`;
    expect(row).toEqual({ kept: 4, old: 0 });
  });
});

describe('audit: query', () => {
  it('tells who did what to which key, and what changed', async () => {
    const { system, person } = await newPlace();
    const member = { ...person(1), keyId: 'key_gone' };
    const apiKey = { id: await liveThrough(member) };
    const user = { id: member.userId };
    const common = { actorKind: 'PERSONAL', actor: user, actorKey: null, apiKey, user };
    const { auditEntries } = await ask(system, entries, {
      filter: { actions: ['KEY_UPDATED', 'KEY_CREATED'] },
    });
    expect(auditEntries.nodes).toEqual([
      { ...common, action: 'KEY_UPDATED', details: { name: { before: 'App', after: 'Other' } } },
      {
        ...common,
        action: 'KEY_CREATED',
        details: { kind: 'PERSONAL', name: 'App', scopes: ['users:read'], channelIds: null, expiresAt: null },
      },
    ]);
  });

  it('narrows by who did it, to whom, to which key and when, and goes by page', async () => {
    const { system, person, memberIds } = await newPlace();
    const [first, second] = [await liveThrough(person(1)), await liveThrough(person(2))];
    const keysBy = async (filter: object) => {
      const { auditEntries } = await ask(system, entries, { filter });
      return new Set(auditEntries.nodes.map(({ apiKey }: Answer) => apiKey.id));
    };
    expect(await keysBy({ actorIds: [memberIds[1]] })).toEqual(new Set([first]));
    expect(await keysBy({ userIds: [memberIds[2]] })).toEqual(new Set([second]));
    expect(await keysBy({ keyIds: [first] })).toEqual(new Set([first]));
    expect(await keysBy({ until: '2020-01-01T00:00:00Z' })).toEqual(new Set());
    expect(await keysBy({ since: '2020-01-01T00:00:00Z' })).toEqual(new Set([second, first]));
    const page = (await ask(system, entries, { first: 6 })).auditEntries;
    const rest = (await ask(system, entries, { first: 6, after: page.pageInfo.endCursor })).auditEntries;
    expect([page.nodes.length, page.pageInfo.hasNextPage]).toEqual([6, true]);
    expect([rest.nodes.length, rest.pageInfo.hasNextPage]).toEqual([2, false]);
  });

  it('is read by administrators, and by integrations that were given its scope', async () => {
    const { id, person } = await newPlace();
    await liveThrough(person(1));
    const integration: Principal = { kind: 'integration', communityId: id, scopes: ['audit:read'] };
    for (const principal of [person(0), integration])
      expect((await ask(principal, entries)).auditEntries.nodes).toHaveLength(4);
  });
});

describe('audit: refusals', () => {
  it('FORBIDDEN: a person who does not administer the community', async () => {
    const { person } = await newPlace();
    expect(await errorsOf(person(1), entries)).toEqual([{ code: 'FORBIDDEN', path: ['auditEntries'] }]);
  });
});

describe('audit: cost', () => {
  it('of a page with all that it names are three statements', async () => {
    const { system, person } = await newPlace();
    await liveThrough(person(1));
    await liveThrough(person(2));
    const statements = await database.statementsOf(() => ask(system, entries));
    expect(statements.sort()).toEqual(['auditPage', 'keysById', 'usersById']);
  });
});
