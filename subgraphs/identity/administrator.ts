import type { Sql } from '../db.ts';
import { Refusal } from '../errors.ts';
import { communityOf, type Principal } from '../principal.ts';

// Who speaks for the community where its credentials are concerned: the system key, people who administer it, and
// whoever runs Laurel.

/** Whether a caller may do to all keys and sessions what people may do to their own. @cost none, or one query. */
export async function administers(sql: Sql, principal: Principal): Promise<boolean> {
  if (principal.kind === 'system' || principal.kind === 'operator') return true;
  if (principal.userId === undefined) return false;
  const [row] = await sql<{ administers: boolean }[]>`
    -- administers
    select community.administers(${communityOf(principal)}, ${principal.userId}) as administers`;
  return row?.administers ?? false;
}

/** @throws FORBIDDEN  for everybody but the system key and administrators. */
export async function mustAdminister(sql: Sql, principal: Principal, what: string): Promise<void> {
  if (await administers(sql, principal)) return;
  throw new Refusal('FORBIDDEN', `${what} takes the system key, or an administrator of the community.`);
}
