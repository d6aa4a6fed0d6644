import { isDeepStrictEqual } from 'node:util';
import { noteAudit, noteChange } from '../audit.ts';
import { type Sql, transaction } from '../db.ts';
import { Refusal } from '../errors.ts';
import { newId } from '../id.ts';
import { communityOf, type Principal } from '../principal.ts';
import { lockChanges } from './change-lock.ts';
import { ownEventTypes, ownType } from './event.ts';
import { type KeptRule, ruleColumns } from './rule.ts';

// Making, changing and deleting rules. What is changed counts from the next event on.

/** What can be set of a rule. */
export type RuleContent = Omit<KeptRule, 'id' | 'createdAt' | 'updatedAt'>;

const mostRules = 1_000;
const mostOfOneType = 20;

/**
 * Makes a rule.
 * @returns the rule, `replayed` when this idempotency key had made it before.
 * @throws VALIDATION_FAILED (an event type of Laurel's own), LIMIT_EXCEEDED, IDEMPOTENCY_KEY_REUSED
 */
export async function createRule(
  sql: Sql,
  principal: Principal,
  { idempotencyKey, ...content }: RuleContent & { idempotencyKey: string },
): Promise<{ rule: KeptRule; replayed: boolean }> {
  if (ownEventTypes.has(content.eventType)) throw ownType(content.eventType);
  const communityId = communityOf(principal);
  return transaction(sql, async (tx) => {
    await lockChanges(tx, communityId, 'rule');
    const id = newId('Rule');
    const [made] = await tx<KeptRule[]>`
      -- createRule
      insert into gamification.rule (
        community_id, id, event_type, title, description, images, awards, conditions, cooldown_seconds, day_cap, week_cap,
        lifetime_cap, activity_type, enabled, idempotency_key, made_from
      )
      select ${communityId}, ${id}, r."eventType", r.title, r.description, r.images, r.awards, r.conditions,
        r."cooldownSeconds", r."dayCap", r."weekCap", r."lifetimeCap", r."activityType", r.enabled, ${idempotencyKey},
        ${tx.json(content as never)}
      from ${contentOf(tx, content)}
      where (select count(*) from gamification.rule where community_id = ${communityId}) < ${mostRules}
        and (
          select count(*) from gamification.rule
          where community_id = ${communityId} and event_type = ${content.eventType}
        ) < ${mostOfOneType}
      on conflict (community_id, idempotency_key) do nothing
      returning ${ruleColumns(tx)}`;
    if (made !== undefined) {
      await noteAudit(tx, communityId, principal, { action: 'RULE_CREATED', details: told(made) });
      return { rule: made, replayed: false };
    }
    const [before] = await tx<(KeptRule & { madeFrom: unknown })[]>`
      -- createRule: a repeat
      select ${ruleColumns(tx)}, made_from as "madeFrom"
      from gamification.rule
      where community_id = ${communityId} and idempotency_key = ${idempotencyKey}`;
    if (before === undefined) {
      const message = `A community has at most ${mostRules} rules, an event type at most ${mostOfOneType}: delete one first.`;
      throw new Refusal('LIMIT_EXCEEDED', message, {}, ['input']);
    }
    const { madeFrom, ...rule } = before;
    if (isDeepStrictEqual(madeFrom, JSON.parse(JSON.stringify(content)))) return { rule, replayed: true };
    const message = `The idempotency key "${idempotencyKey}" was used for another rule: use a new one.`;
    throw new Refusal('IDEMPOTENCY_KEY_REUSED', message, {}, ['input', 'idempotencyKey']);
  });
}

/**
 * Changes of a rule what is given.
 * @throws NOT_FOUND, VALIDATION_FAILED (an event type of Laurel's own), LIMIT_EXCEEDED (the event type has as many rules as
 *   it may)
 */
export async function updateRule(
  sql: Sql,
  principal: Principal,
  id: string,
  changes: Partial<RuleContent>,
): Promise<KeptRule> {
  const communityId = communityOf(principal);
  if (changes.eventType !== undefined && ownEventTypes.has(changes.eventType))
    throw ownType(changes.eventType);
  return transaction(sql, async (tx) => {
    await lockChanges(tx, communityId, 'rule');
    const [before] = await tx<KeptRule[]>`
      -- updateRule: lock
      select ${ruleColumns(tx)}
      from gamification.rule
      where community_id = ${communityId} and id = ${id}
      for update`;
    if (before === undefined) throw noRule(id);
    const { eventType = before.eventType } = changes;
    if (eventType !== before.eventType) await mustHaveRoom(tx, communityId, eventType);
    const [after] = await tx<KeptRule[]>`
      -- updateRule
      update gamification.rule set
        event_type = r."eventType", title = r.title, description = r.description, images = r.images, awards = r.awards,
        conditions = r.conditions, cooldown_seconds = r."cooldownSeconds", day_cap = r."dayCap",
        week_cap = r."weekCap", lifetime_cap = r."lifetimeCap", activity_type = r."activityType", enabled = r.enabled,
        updated_at = now()
      from ${contentOf(tx, { ...before, ...changes })}
      where community_id = ${communityId} and id = ${id}
      returning ${ruleColumns(tx, 'rule')}`;
    if (after === undefined) throw noRule(id);
    await noteChange(tx, principal, 'RULE_UPDATED', { id }, told(before), told(after));
    return after;
  });
}

/** Deletes a rule; what it paid stays. @throws NOT_FOUND */
export async function deleteRule(sql: Sql, principal: Principal, id: string): Promise<void> {
  const communityId = communityOf(principal);
  await transaction(sql, async (tx) => {
    const [deleted] = await tx<KeptRule[]>`
      -- deleteRule
      delete from gamification.rule
      where community_id = ${communityId} and id = ${id}
      returning ${ruleColumns(tx)}`;
    if (deleted === undefined) throw noRule(id);
    await noteAudit(tx, communityId, principal, { action: 'RULE_DELETED', details: told(deleted) });
  });
}

/** A rule as the audit tells of it. */
function told({ createdAt: _, updatedAt: __, ...rule }: KeptRule) {
  return rule;
}

/** @throws LIMIT_EXCEEDED  an event type has as many rules as it may. */
async function mustHaveRoom(tx: Sql, communityId: string, eventType: string): Promise<void> {
  const [row] = await tx<{ count: number }[]>`
    -- mustHaveRoom
    select count(*)::integer as count
    from gamification.rule
    where community_id = ${communityId} and event_type = ${eventType}`;
  if ((row?.count ?? 0) < mostOfOneType) return;
  const message = `An event type has at most ${mostOfOneType} rules: delete one first.`;
  throw new Refusal('LIMIT_EXCEEDED', message, {}, ['input', 'eventType']);
}

function noRule(id: string): Refusal {
  return new Refusal('NOT_FOUND', `No rule has the id "${id}".`, {}, ['input', 'id']);
}

/** What is set of a rule, as a row to select from. */
function contentOf(sql: Sql, content: RuleContent) {
  return sql`jsonb_to_record(${sql.json(content as never)}) r(
    "eventType" text, title jsonb, description jsonb, images jsonb, awards jsonb, conditions jsonb,
    "cooldownSeconds" integer, "dayCap" integer, "weekCap" integer, "lifetimeCap" integer, "activityType" text, enabled boolean
  )`;
}
