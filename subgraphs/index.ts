import { loadDemo as loadCommunity } from './community/demo.ts';
import { community } from './community/index.ts';
import type { Resources } from './context.ts';
import type { Sql } from './db.ts';
import { demoChannels, demoCommunity, demoId, demoPeople } from './demo.ts';
import type { Subgraph } from './feature.ts';
import { loadDemo as loadGamification } from './gamification/demo.ts';
import { gamification } from './gamification/index.ts';
import { books } from './gamification/verify.ts';
import { type DemoKeys, issueDemoKeys, loadDemo as loadIdentity } from './identity/demo.ts';
import { identity } from './identity/index.ts';
import { catchUp } from './log-reader.ts';
import { loadDemo as loadMessaging } from './messaging/demo.ts';
import { messaging } from './messaging/index.ts';
import type { Verifiable } from './verify.ts';

export { keysWork } from './identity/demo.ts';

/** What `laurel verify` proves. */
export const verifiable: readonly Verifiable[] = [books];

/** The four subgraphs, in the order that a newcomer reads them. */
export const subgraphs: readonly Subgraph[] = [identity, community, gamification, messaging];

/** What a user of the demo needs; all of `demo.json` but the endpoint. */
export interface Demo extends DemoKeys {
  communityId: string;
  userId: string;
  userEmail: string;
  channelId: string;
  fieldId: string;
}

/** Whether the store holds any community at all. */
export async function isEmpty(sql: Sql): Promise<boolean> {
  const [row] = await sql<{ empty: boolean }[]>`
    -- isEmpty
    select not exists (select from community.community) as empty`;
  return row?.empty ?? true;
}

/**
 * Loads the demo community, or what of it is missing.
 * @param keys  those it has; without them it gets new ones, and those of before stop working.
 * @cost about 2 s the first time.
 */
export async function loadDemo(resources: Resources, keys?: DemoKeys): Promise<Demo> {
  const { sql } = resources;
  const now = resources.now();
  await loadIdentity(sql, now);
  await loadCommunity(sql, now);
  for (const reader of community.readers(resources)) await catchUp(sql, reader);
  await loadGamification(sql, now);
  await loadMessaging(sql, now);
  for (const reader of gamification.readers(resources)) await catchUp(sql, reader);
  const { systemKey, integrationKey, personalKey } = keys ?? (await issueDemoKeys(sql));
  return {
    systemKey,
    integrationKey,
    personalKey,
    communityId: demoCommunity.id,
    userId: demoPeople[0]?.id ?? '',
    userEmail: demoPeople[0]?.email ?? '',
    channelId: demoChannels[0]?.id ?? '',
    fieldId: demoId('Field', 0),
  };
}

/** Whether the demo is in the store. */
export async function hasDemo(sql: Sql): Promise<boolean> {
  const [row] = await sql<{ found: boolean }[]>`
    -- hasDemo
    select exists (select from community.community where community_id = ${demoCommunity.id}) as found`;
  return row?.found ?? false;
}
