import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { issueKey, keysById } from '../../../subgraphs/identity/api-key.ts';
import { identity } from '../../../subgraphs/identity/index.ts';
import { KeyUses, keyUsesOf } from '../../../subgraphs/identity/key-use.ts';
import { gatewayPrincipal } from '../../../subgraphs/principal.ts';
import { newCommunity } from '../../kit/community.ts';
import { freshDatabase, type TestDatabase } from '../../kit/database.ts';
import { asking } from '../../kit/subgraph.ts';

let database: TestDatabase;
const { ask } = asking(identity, () => database.resources);
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.close());

const noon = (seconds: number) => new Date(Date.UTC(2026, 2, 1, 12, 0, seconds));

async function newKey() {
  const { id } = await newCommunity(database.resources);
  const secret = await issueKey(database.sql, id, { kind: 'INTEGRATION', name: 'Partner' });
  const authenticate = 'query ($secret: String!) { _authenticate(secret: $secret) }';
  const use = async (at: Date) => {
    database.clock.now = at;
    return (await ask(gatewayPrincipal, authenticate, { secret }))._authenticate;
  };
  const { keyId } = await use(noon(0));
  return {
    communityId: id,
    keyId,
    use,
    async lastUse() {
      await keyUsesOf(database.sql).write();
      return (await keysById(database.sql, id, [keyId]))[0]?.lastUsedAt;
    },
  };
}

describe("a key's last use", () => {
  it('is written of each key once a minute at most', async () => {
    const { use, lastUse } = await newKey();
    expect(await lastUse()).toEqual(noon(0));
    await use(noon(59));
    expect(await lastUse()).toEqual(noon(0));
    await use(noon(60));
    expect(await lastUse()).toEqual(noon(60));
  });

  it('is noted without a statement, and written for all keys in one', async () => {
    const keys = [await newKey(), await newKey(), await newKey()];
    const uses = new KeyUses(database.sql, 3_600_000);
    const noted = await database.statementsOf(async () => {
      for (const { communityId, keyId } of keys) uses.note({ communityId, keyId, at: noon(120) });
    });
    expect(noted).toEqual([]);
    expect(await database.statementsOf(() => uses.write())).toEqual(['KeyUses.write']);
    for (const { lastUse } of keys) expect(await lastUse()).toEqual(noon(120));
    expect(await database.statementsOf(() => uses.write())).toEqual([]);
  });
});
