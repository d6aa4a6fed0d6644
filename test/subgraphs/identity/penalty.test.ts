import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { addAdministrators } from '../../../subgraphs/community/member.ts';
import { newId } from '../../../subgraphs/id.ts';
import { issueKey } from '../../../subgraphs/identity/api-key.ts';
import { authenticate } from '../../../subgraphs/identity/authentication.ts';
import { identity } from '../../../subgraphs/identity/index.ts';
import { addPenalties, type PenaltyKind } from '../../../subgraphs/identity/penalty.ts';
import { eventsAfter, type StreamId } from '../../../subgraphs/log.ts';
import type { Principal } from '../../../subgraphs/principal.ts';
import { newCommunity, newRole } from '../../kit/community.ts';
import { freshDatabase, type TestDatabase } from '../../kit/database.ts';
import { asking } from '../../kit/subgraph.ts';

// Warnings, suspensions and bans: what they do to a person, who decides, and who reads of it.

let database: TestDatabase;
const { ask, errorsOf, entities } = asking(identity, () => database.resources);
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.close());

const inHours = (hours: number) => new Date(Date.now() + hours * 3_600_000);
const fields = 'id kind reason endsAt active revokedAt revokeReason user { id status } issuer { id }';

async function change(
  principal: Principal,
  name: string,
  input: object,
  selection = `penalty { ${fields} }`,
) {
  const type = `${name[0]?.toUpperCase()}${name.slice(1)}Input`;
  const text = `mutation ($input: ${type}!) { ${name}(input: $input) { ${selection} userErrors { code path } } }`;
  return (await ask(principal, text, { input }))[name];
}

const apply = (principal: Principal, userId: string | undefined, kind: PenaltyKind, details: object = {}) =>
  change(principal, 'applyPenalty', {
    userId,
    kind,
    reason: 'Spam.',
    idempotencyKey: newId('Penalty'),
    ...(kind === 'SUSPENSION' ? { endsAt: inHours(1) } : {}),
    ...details,
  });

/** A community whose first member warns, suspends and bans by a role of rank 10, and whose second has a key. */
async function judged() {
  const place = await newCommunity(database.resources, { members: 4 });
  const permissions = ['WARN_MEMBERS', 'SUSPEND_MEMBERS', 'BAN_MEMBERS'];
  await newRole(database.resources, place.id, { permissions, holders: [place.memberIds[0]] });
  const [, accused = ''] = place.memberIds;
  const key = { kind: 'PERSONAL', name: 'App', userId: accused, scopes: ['users:read'] } as const;
  const secret = await issueKey(database.sql, place.id, key);
  return {
    ...place,
    judge: place.person(0),
    accused,
    status: async () => (await entities(place.system, 'User', [accused], '{ status }'))[0].status,
    isLetIn: async () => (await authenticate(database.sql, secret, null)) !== null,
  };
}

describe('penalties: rules', () => {
  it.each([
    ['WARNING', 'ACTIVE'],
    ['SUSPENSION', 'SUSPENDED'],
    ['BAN', 'BANNED'],
  ] as const)(
    'a %s makes a person %s, and its credentials stop or go on accordingly',
    async (kind, status) => {
      const place = await judged();
      const { penalty, userErrors } = await apply(place.judge, place.accused, kind);
      expect(userErrors).toEqual([]);
      expect(penalty).toEqual({
        id: expect.stringMatching(/^pen_/),
        kind,
        reason: 'Spam.',
        endsAt: kind === 'SUSPENSION' ? expect.any(String) : null,
        active: true,
        revokedAt: null,
        revokeReason: null,
        user: { id: place.accused, status },
        issuer: { id: place.memberIds[0] },
      });
      expect(await place.isLetIn()).toBe(status === 'ACTIVE');
      const revoked = await change(place.judge, 'revokePenalty', { id: penalty.id, reason: 'A mistake.' });
      expect(revoked.penalty).toMatchObject({
        active: false,
        revokeReason: 'A mistake.',
        user: { status: 'ACTIVE' },
      });
      expect(await place.isLetIn()).toBe(true);
      const again = await change(place.judge, 'revokePenalty', { id: penalty.id, reason: 'Another.' });
      expect(again.penalty).toEqual(revoked.penalty);
    },
  );

  it('end with their time, without anything being written', async () => {
    const place = await judged();
    const common = {
      userId: place.accused,
      kind: 'SUSPENSION',
      reason: 'Spam.',
      createdAt: inHours(-2),
    } as const;
    await addPenalties(database.sql, place.id, [{ ...common, id: newId('Penalty'), endsAt: inHours(1) }]);
    expect(await place.status()).toBe('SUSPENDED');
    await database.sql`
      update identity.user set suspended_until = now() where community_id = ${place.id} and id = ${place.accused}`;
    expect(await place.status()).toBe('ACTIVE');
    expect(await place.isLetIn()).toBe(true);
  });

  it('that are over when they are added keep nobody out', async () => {
    const place = await judged();
    const over = {
      userId: place.accused,
      kind: 'SUSPENSION',
      reason: 'Spam.',
      createdAt: inHours(-2),
    } as const;
    await addPenalties(database.sql, place.id, [{ ...over, id: newId('Penalty'), endsAt: inHours(-1) }]);
    expect(await place.status()).toBe('ACTIVE');
  });

  it('last until the last of several ends, and a ban outlasts them', async () => {
    const place = await judged();
    const first = await apply(place.judge, place.accused, 'SUSPENSION', { endsAt: inHours(1) });
    const second = await apply(place.judge, place.accused, 'SUSPENSION', { endsAt: inHours(5) });
    const ban = await apply(place.judge, place.accused, 'BAN');
    const revoke = ({ penalty }: { penalty: { id: string } }) =>
      change(place.judge, 'revokePenalty', { id: penalty.id }, '');
    await revoke(first);
    expect(await place.status()).toBe('BANNED');
    await revoke(ban);
    expect(await place.status()).toBe('SUSPENDED');
    await revoke(second);
    expect(await place.status()).toBe('ACTIVE');
  });

  it('are applied once by an idempotency key', async () => {
    const place = await judged();
    const endsAt = inHours(1);
    const first = await apply(place.judge, place.accused, 'SUSPENSION', { idempotencyKey: 'a', endsAt });
    const repeat = await apply(place.judge, place.accused, 'SUSPENSION', { idempotencyKey: 'a', endsAt });
    expect(repeat.penalty.id).toBe(first.penalty.id);
    const { penalties } = await ask(place.system, '{ penalties { nodes { id } } }');
    expect(penalties.nodes).toHaveLength(1);
  });

  it('are told to the gateways and to whoever follows access, at their beginning and when they are revoked', async () => {
    const place = await judged();
    const streams: StreamId[] = [
      { communityId: '', stream: 'credentials' },
      { communityId: place.id, stream: 'access' },
    ];
    const last = async () =>
      Promise.all(
        streams.map(async (id) => (await eventsAfter(database.sql, id, 0, 1_000)).at(-1)?.number ?? 0),
      );
    const news = async (since: readonly number[]) =>
      Promise.all(streams.map(async (id, at) => eventsAfter(database.sql, id, since[at] ?? 0, 1_000)));
    let before = await last();
    const { penalty } = await apply(place.judge, place.accused, 'SUSPENSION');
    for (let n = 0; n < 2; n++) {
      const [credentials = [], access = []] = await news(before);
      expect(credentials.map(({ payload }) => payload.id)).toEqual([place.accused]);
      expect(access.map(({ kind, userId }) => [kind, userId])).toEqual([['StandingChanged', place.accused]]);
      before = await last();
      if (n === 0) await change(place.judge, 'revokePenalty', { id: penalty.id }, '');
    }
    await apply(place.judge, place.accused, 'WARNING');
    expect((await news(before)).flat()).toEqual([]);
  });

  it('stand in the audit, without their reasons', async () => {
    const place = await judged();
    const { penalty } = await apply(place.judge, place.accused, 'BAN');
    await change(place.judge, 'revokePenalty', { id: penalty.id }, '');
    const text = '{ auditEntries { nodes { action actor { id } user { id } details } } }';
    const { auditEntries } = await ask(place.system, text);
    const common = { actor: { id: place.memberIds[0] }, user: { id: place.accused } };
    expect(auditEntries.nodes).toEqual([
      { action: 'PENALTY_REVOKED', ...common, details: { penaltyId: penalty.id, kind: 'BAN' } },
      { action: 'PENALTY_APPLIED', ...common, details: { penaltyId: penalty.id, kind: 'BAN', endsAt: null } },
    ]);
  });
});

describe('penalties: query', () => {
  it('list the newest first, by person, kind and whether they are active', async () => {
    const place = await judged();
    const other = place.memberIds[2];
    const warning = await apply(place.judge, place.accused, 'WARNING');
    const ban = await apply(place.judge, place.accused, 'BAN');
    const elsewhere = await apply(place.judge, other, 'WARNING');
    await change(place.judge, 'revokePenalty', { id: ban.penalty.id }, '');
    const listed = async (filter: object | null, principal = place.judge) => {
      const text = 'query ($filter: PenaltyFilter) { penalties(filter: $filter) { nodes { id } } }';
      return (await ask(principal, text, { filter })).penalties.nodes.map(({ id }: { id: string }) => id);
    };
    const ids = [elsewhere, ban, warning].map(({ penalty }) => penalty.id);
    expect(await listed(null)).toEqual(ids);
    expect(await listed(null, place.system)).toEqual(ids);
    expect(await listed({ userIds: [place.accused] })).toEqual(ids.slice(1));
    expect(await listed({ kinds: ['BAN'] })).toEqual(ids.slice(1, 2));
    expect(await listed({ active: true })).toEqual([ids[0], ids[2]]);
    expect(await listed({ active: false })).toEqual(ids.slice(1, 2));
  });

  it("show one's own without who decided, and others' to those who decide", async () => {
    const place = await judged();
    const { penalty } = await apply(place.judge, place.accused, 'WARNING');
    const selection = '{ penalties { nodes { id reason issuer { id } } } }';
    const [own] = await entities(place.person(1), 'User', [place.accused], selection);
    expect(own.penalties.nodes).toEqual([{ id: penalty.id, reason: 'Spam.', issuer: null }]);
    const [judges] = await entities(place.judge, 'User', [place.accused], selection);
    expect(judges.penalties.nodes).toEqual([
      { id: penalty.id, reason: 'Spam.', issuer: { id: place.memberIds[0] } },
    ]);
    expect(await entities(place.person(1), 'Penalty', [penalty.id], '{ id }')).toEqual([{ id: penalty.id }]);
    expect(await entities(place.person(2), 'Penalty', [penalty.id], '{ id }')).toEqual([null]);
  });
});

describe('penalties: refusals', () => {
  it.each([
    ['VALIDATION_FAILED', { reason: ' ' }, ['input', 'reason']],
    ['VALIDATION_FAILED', { reason: 'x'.repeat(1_001) }, ['input', 'reason']],
    ['VALIDATION_FAILED', { endsAt: null }, ['input', 'endsAt']],
    ['VALIDATION_FAILED', { endsAt: inHours(-1) }, ['input', 'endsAt']],
    ['VALIDATION_FAILED', { endsAt: inHours(11 * 366 * 24) }, ['input', 'endsAt']],
    ['VALIDATION_FAILED', { kind: 'BAN' }, ['input', 'endsAt']],
    ['VALIDATION_FAILED', { idempotencyKey: '' }, ['input', 'idempotencyKey']],
    ['NOT_FOUND', { userId: 'usr_none' }, ['input', 'userId']],
  ])('%s: applying %j', async (code, details, path) => {
    const place = await judged();
    for (const principal of [place.system, place.judge]) {
      const { userErrors } = await apply(principal, place.accused, 'SUSPENSION', details);
      expect(userErrors).toEqual([{ code, path }]);
    }
    expect(await place.status()).toBe('ACTIVE');
  });

  it.each(['WARNING', 'SUSPENSION', 'BAN'] as const)(
    'FORBIDDEN: a %s by whoever has no such permission',
    async (kind) => {
      const place = await judged();
      expect((await apply(place.person(2), place.accused, kind)).userErrors).toEqual([
        { code: 'FORBIDDEN', path: null },
      ]);
      const { penalty } = await apply(place.judge, place.accused, kind);
      expect((await change(place.person(2), 'revokePenalty', { id: penalty.id }, '')).userErrors).toEqual([
        { code: 'FORBIDDEN', path: null },
      ]);
    },
  );

  it('FORBIDDEN: a penalty for oneself, for an equal, or for an administrator', async () => {
    const place = await judged();
    const [self, , equal, administrator = ''] = place.memberIds;
    await newRole(database.resources, place.id, { rank: 10, holders: [equal] });
    await addAdministrators(database.sql, place.id, [administrator]);
    for (const userId of [self, equal, administrator]) {
      expect((await apply(place.judge, userId, 'WARNING')).userErrors).toEqual([
        { code: 'FORBIDDEN', path: ['input', 'userId'] },
      ]);
    }
  });

  it('NOT_FOUND: revoking what there is not', async () => {
    const { judge } = await judged();
    expect((await change(judge, 'revokePenalty', { id: 'pen_none' }, '')).userErrors).toEqual([
      { code: 'NOT_FOUND', path: ['input', 'id'] },
    ]);
  });

  it('IDEMPOTENCY_KEY_REUSED: another penalty by the same key', async () => {
    const place = await judged();
    await apply(place.judge, place.accused, 'WARNING', { idempotencyKey: 'a' });
    const { userErrors } = await apply(place.judge, place.accused, 'BAN', { idempotencyKey: 'a' });
    expect(userErrors).toEqual([{ code: 'IDEMPOTENCY_KEY_REUSED', path: ['input', 'idempotencyKey'] }]);
  });

  it("FORBIDDEN: reading all of them, or another's, without deciding", async () => {
    const place = await judged();
    expect(await errorsOf(place.person(2), '{ penalties { nodes { id } } }')).toEqual([
      { code: 'FORBIDDEN', path: ['penalties'] },
    ]);
    const text = 'query ($by: UserIdentifierInput!) { user(by: $by) { id penalties { nodes { id } } } }';
    expect(await errorsOf(place.person(2), text, { by: { id: place.accused } })).toEqual([
      { code: 'FORBIDDEN', path: ['user', 'penalties'] },
    ]);
  });

  it('NEEDS_USER: a class of people reads them', async () => {
    const place = await judged();
    const someone: Principal = {
      kind: 'class',
      communityId: place.id,
      ofPeople: true,
      scopes: place.system.scopes,
    };
    const text = 'query ($by: UserIdentifierInput!) { user(by: $by) { penalties { nodes { id } } } }';
    const [error] = await errorsOf(someone, text, { by: { id: place.accused } });
    expect(error?.code).toBe('NEEDS_USER');
  });

  it.each([
    ['BAD_PAGE', 'penalties(first: 101)'],
    ['BAD_CURSOR', 'penalties(before: "MTIz")'],
  ])('%s: %s', async (code, field) => {
    const { system } = await judged();
    expect(await errorsOf(system, `{ ${field} { nodes { id } } }`)).toEqual([{ code, path: ['penalties'] }]);
  });
});

describe('penalties: cost', () => {
  it('reads those of 100 people with the statements of one', async () => {
    const { id, person, memberIds } = await newCommunity(database.resources, { members: 100 });
    await addAdministrators(database.sql, id, memberIds.slice(0, 1));
    await addPenalties(
      database.sql,
      id,
      memberIds.map((userId, n) => ({
        id: newId('Penalty'),
        userId,
        kind: 'WARNING',
        reason: `Reason ${n}`,
        endsAt: null,
        createdAt: inHours(-n),
      })),
    );
    const list = (count: number) =>
      database.statementsOf(() =>
        entities(
          person(0),
          'User',
          memberIds.slice(1, count + 1),
          '{ penalties { nodes { reason issuer { id } user { id } } } }',
        ),
      );
    expect(await list(1)).toEqual(['usersById', 'judges', 'penaltiesByUser']);
    expect(await list(99)).toEqual(await list(1));
  });
});
