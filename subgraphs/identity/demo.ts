import { type Sql, transaction } from '../db.ts';
import { demoCommunity, demoId, demoMoment, demoPenalties, demoPeople } from '../demo.ts';
import { issueKey, revokeKeysNamed } from './api-key.ts';
import { authenticate } from './authentication.ts';
import { addPenalties } from './penalty.ts';
import { addUsers } from './user.ts';

export interface DemoKeys {
  systemKey: string;
  integrationKey: string;
  personalKey: string;
}

/** The people of the demo, and what two of them brought upon themselves. */
export async function loadDemo(sql: Sql, now: Date): Promise<void> {
  const users = demoPeople.map(({ joinedDaysAgo, ...person }) => ({
    ...person,
    displayName: `${person.firstName} ${person.lastName}`,
    avatarUrl: null,
    status: 'ACTIVE',
    joinedAt: demoMoment(now, joinedDaysAgo, 600),
  }));
  await addUsers(sql, demoCommunity.id, users);
  const penalties = demoPenalties.map(({ person, kind, reason, daysAgo, lastsDays }, n) => ({
    id: demoId('Penalty', n),
    userId: demoPeople[person]?.id ?? '',
    kind,
    reason,
    endsAt: lastsDays === null ? null : demoMoment(now, daysAgo - lastsDays, 900),
    issuerUserId: demoPeople[1]?.id ?? '',
    createdAt: demoMoment(now, daysAgo, 900),
  }));
  await addPenalties(sql, demoCommunity.id, penalties);
}

const names = { integration: 'Demo integration', personal: 'Demo app' };

/** New keys of the demo, each random; those of before stop working. The personal one is the administrator's. */
export async function issueDemoKeys(sql: Sql): Promise<DemoKeys> {
  const { id } = demoCommunity;
  return transaction(sql, async (tx) => {
    await revokeKeysNamed(tx, id, Object.values(names));
    return {
      systemKey: await issueKey(tx, id, { kind: 'SYSTEM', name: 'System' }),
      integrationKey: await issueKey(tx, id, { kind: 'INTEGRATION', name: names.integration }),
      personalKey: await issueKey(tx, id, {
        kind: 'PERSONAL',
        name: names.personal,
        userId: demoPeople[0]?.id ?? '',
        scopes: [
          'users:read',
          'community:read',
          'fields:read',
          'stats:read',
          'messages:read',
          'messages:write',
        ],
      }),
    };
  });
}

/** Whether keys of the demo are known to this store, and not those of another. */
export async function keysWork(sql: Sql, keys: DemoKeys): Promise<boolean> {
  const secrets = [keys.systemKey, keys.integrationKey, keys.personalKey];
  const principals = await Promise.all(secrets.map((secret) => authenticate(sql, String(secret), null)));
  return principals.every((principal) => principal?.communityId === demoCommunity.id);
}
