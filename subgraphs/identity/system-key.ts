import { randomUUID } from 'node:crypto';
import type { Sql } from '../db.ts';
import type { Principal } from '../principal.ts';
import { allScopes } from '../scopes.ts';
import { type ApiKey, keysPage } from './api-key.ts';
import { createKey, rotateKey } from './api-key-change.ts';

// A community's system key in the hands of whoever runs Laurel: the first one, and another one when it was lost.

/** What a community's system key is, and its new secret, shown once. */
export interface RenewedKey {
  apiKey: ApiKey;
  secret: string;
  /** The community had one before, whose secret ends. */
  renewed: boolean;
}

/**
 * Gives a community's system key a new secret, and a community without one its first; each with its audit entry.
 * @param overlapSeconds  how long the secret of before works on, 0-604,800.
 * @throws LIMIT_EXCEEDED (too many former secrets)
 * @cost up to ten statements, two transactions.
 */
export async function renewSystemKey(
  sql: Sql,
  communityId: string,
  overlapSeconds: number,
  now: Date,
): Promise<RenewedKey> {
  const operator: Principal = { kind: 'operator', communityId, scopes: allScopes };
  const key = await systemKeyOf(sql, communityId);
  const idempotencyKey = `command ${randomUUID()}`;
  const made =
    key === undefined
      ? await createKey(sql, operator, { kind: 'SYSTEM', name: 'System', idempotencyKey }, now)
      : await rotateKey(sql, operator, { id: key.id, overlapSeconds, idempotencyKey });
  return { apiKey: made.apiKey, secret: made.secret ?? '', renewed: key !== undefined };
}

/** A community's system key; undefined when it has none that works. */
export async function systemKeyOf(sql: Sql, communityId: string): Promise<ApiKey | undefined> {
  const { edges } = await keysPage(sql, communityId, { kinds: ['SYSTEM'], revoked: false }, { first: 1 });
  return edges[0]?.node;
}
