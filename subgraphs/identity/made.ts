import { createHash } from 'node:crypto';
import { type Sql, transaction } from '../db.ts';
import { Refusal } from '../errors.ts';
import { communityOf, type Principal } from '../principal.ts';

// Writes that add something are done once, however often they are asked for by the same idempotency key. Secrets are
// stored hashed, so a repeat gives what was made and not its secret.

/** How long an idempotency key is remembered. */
export const madeRetentionDays = 30;

/**
 * Does a write once for an idempotency key of its caller. Writes of one community follow one another, so that what
 * `make` counts doesn't change under it.
 * @param asked  what is to be made; the key must not come with anything else.
 * @param make  writes in the transaction it is given, and gives the id of what it made.
 * @throws IDEMPOTENCY_KEY_REUSED, and what `make` throws.
 */
export async function makeOnce(
  sql: Sql,
  principal: Principal,
  idempotencyKey: string,
  asked: Record<string, unknown>,
  make: (sql: Sql) => Promise<string>,
): Promise<{ id: string; replayed: boolean }> {
  const communityId = communityOf(principal);
  const actor = principal.userId ?? 'community';
  const hash = createHash('sha256').update(JSON.stringify(asked)).digest();
  return transaction(sql, async (tx) => {
    await lockCredentials(tx, communityId);
    const [before] = await tx<{ id: string; asked: Buffer }[]>`
      -- makeOnce
      select id, asked from identity.made
      where community_id = ${communityId} and actor = ${actor} and idempotency_key = ${idempotencyKey}`;
    if (before?.asked.equals(hash)) return { id: before.id, replayed: true };
    if (before !== undefined) {
      const message = `The idempotency key "${idempotencyKey}" was used for something else: use a new one.`;
      throw new Refusal('IDEMPOTENCY_KEY_REUSED', message, {}, ['input', 'idempotencyKey']);
    }
    const id = await make(tx);
    await tx`
      -- makeOnce: remember
      insert into identity.made (community_id, actor, idempotency_key, asked, id)
      values (${communityId}, ${actor}, ${idempotencyKey}, ${hash}, ${id})`;
    return { id, replayed: false };
  });
}

/** Lets writes of a community's keys and sessions follow one another until the transaction ends. */
export async function lockCredentials(sql: Sql, communityId: string): Promise<void> {
  await sql`
    -- lockCredentials
    select pg_advisory_xact_lock(hashtextextended(${`identity ${communityId}`}, 0))`;
}

/** Forgets idempotency keys older than the retention. */
export async function pruneMade(sql: Sql): Promise<void> {
  await sql`
    -- pruneMade
    delete from identity.made where at < now() - make_interval(days => ${madeRetentionDays})`;
}
