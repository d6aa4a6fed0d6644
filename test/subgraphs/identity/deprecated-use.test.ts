import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { addKey } from '../../../subgraphs/identity/api-key.ts';
import {
  noteUses,
  pruneUses,
  useRetentionDays,
  usesOfKey,
} from '../../../subgraphs/identity/deprecated-use.ts';
import { identity } from '../../../subgraphs/identity/index.ts';
import { newCommunity, type TestCommunity } from '../../kit/community.ts';
import { freshDatabase, type TestDatabase } from '../../kit/database.ts';
import { asking } from '../../kit/subgraph.ts';

let database: TestDatabase;
let place: TestCommunity;
const { errorsOf } = asking(identity, () => database.resources);
beforeAll(async () => {
  database = await freshDatabase();
  place = await newCommunity(database.resources);
});
afterAll(() => database.close());

const newKey = async () =>
  (await addKey(database.sql, place.id, { kind: 'INTEGRATION', name: 'Partner', scopes: [] })).id;
const today = Date.UTC(new Date().getUTCFullYear(), new Date().getUTCMonth(), new Date().getUTCDate());
/** Uses of `User.nick` so many days ago, a moment after midnight. */
const use = (keyId: string, calls: number, daysAgo = 0, coordinate = 'User.nick') => ({
  communityId: place.id,
  keyId,
  coordinate,
  calls,
  at: today - daysAgo * 86_400_000 + 1,
});
const usesOf = (keyId: string) =>
  usesOfKey(database.sql, { kind: 'integration', communityId: place.id, keyId, scopes: [] });

describe('uses of what is deprecated: rules', () => {
  it('add up over thirty days, today included', async () => {
    const [key, other] = [await newKey(), await newKey()];
    await noteUses(database.sql, [use(key, 2), use(other, 5), use(key, 1, 0, 'Plan.FREE')]);
    await noteUses(database.sql, [use(key, 3)]);
    await noteUses(database.sql, [use(key, 10, 29)]);
    await noteUses(database.sql, [use(key, 100, 30)]);
    expect(await usesOf(key)).toEqual([
      { coordinate: 'Plan.FREE', lastUsedAt: new Date(today + 1), callsLast30Days: 1 },
      { coordinate: 'User.nick', lastUsedAt: new Date(today + 1), callsLast30Days: 15 },
    ]);
  });

  it('are forgotten with their age and with their key', async () => {
    const [key, gone] = [await newKey(), await newKey()];
    await noteUses(database.sql, [use(key, 1, useRetentionDays), use(gone, 1)]);
    await noteUses(database.sql, [use(key, 1, useRetentionDays + 1, 'User.old')]);
    await pruneUses(database.sql);
    expect(await usesOf(key)).toMatchObject([{ coordinate: 'User.nick', callsLast30Days: 0 }]);
    await database.sql`delete from identity.api_key where id = ${gone}`;
    expect(await usesOf(gone)).toEqual([]);
  });

  it('of keys that are gone are left out, and cost the others nothing', async () => {
    const key = await newKey();
    await noteUses(database.sql, [use('key_gone', 1), use(key, 1)]);
    expect(await usesOf(key)).toHaveLength(1);
  });

  it('lose nothing and never deadlock when gateways tell at once', async () => {
    const keys = [await newKey(), await newKey(), await newKey()];
    const tell = (n: number) =>
      noteUses(
        database.sql,
        (n % 2 === 0 ? keys : [...keys].reverse()).map((key) => use(key, 1)),
      );
    await Promise.all(Array.from({ length: 20 }, (_, n) => tell(n)));
    for (const key of keys) expect(await usesOf(key)).toMatchObject([{ callsLast30Days: 20 }]);
  });
});

describe('uses of what is deprecated: refusals', () => {
  it('FORBIDDEN: anybody but the gateway notes some', async () => {
    const text = 'mutation ($uses: JSON!) { _noteDeprecatedUses(uses: $uses) }';
    for (const principal of [place.system, place.person(0)])
      expect(await errorsOf(principal, text, { uses: [use(await newKey(), 1)] })).toMatchObject([
        { code: 'FORBIDDEN' },
      ]);
  });
});

describe('uses of what is deprecated: cost', () => {
  it('of noting a hundred is one statement', async () => {
    const key = await newKey();
    const many = Array.from({ length: 100 }, (_, n) => use(key, 1, 0, `User.field${n}`));
    expect(await database.statementsOf(() => noteUses(database.sql, many))).toEqual(['noteUses']);
  });
});
