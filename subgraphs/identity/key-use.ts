import type { Sql } from '../db.ts';

// When keys were last used: noted in memory while somebody waits, written once a second for all of them, and of each key
// once a minute at most.

interface Use {
  communityId: string;
  keyId: string;
  at: Date;
}

/** The uses of one pool that are not written yet. */
export class KeyUses {
  private readonly pending = new Map<string, Use>();
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly sql: Sql,
    private readonly writeAfterMs = 1_000,
  ) {}

  /** Notes that a key was used; it is written soon. */
  note(use: Use): void {
    this.pending.set(use.keyId, use);
    this.timer ??= setTimeout(() => {
      // What can't be written now comes again with the next use.
      void this.write().catch(() => {});
    }, this.writeAfterMs).unref();
  }

  /** Writes what was noted. @cost one statement, O(keys); none when nothing was. */
  async write(): Promise<void> {
    clearTimeout(this.timer);
    this.timer = undefined;
    const uses = [...this.pending.values()];
    this.pending.clear();
    if (uses.length === 0) return;
    await this.sql`
      -- KeyUses.write
      update identity.api_key k set last_used_at = used.at
      from (
        select k.community_id, k.id, u.at
        from jsonb_to_recordset(${this.sql.json(uses as never)}) u("communityId" text, "keyId" text, at timestamptz)
        join identity.api_key k on k.community_id = u."communityId" and k.id = u."keyId"
        where k.last_used_at is null or k.last_used_at <= u.at - interval '1 minute'
        order by k.community_id, k.id
        -- A row that is being changed can wait for the next use; a revocation can't wait for this.
        for no key update of k skip locked
      ) used
      where k.community_id = used.community_id and k.id = used.id`;
  }
}

const usesByPool = new WeakMap<Sql, KeyUses>();

/** The uses that processes on this pool note. */
export function keyUsesOf(sql: Sql): KeyUses {
  const uses = usesByPool.get(sql) ?? new KeyUses(sql);
  usesByPool.set(sql, uses);
  return uses;
}
