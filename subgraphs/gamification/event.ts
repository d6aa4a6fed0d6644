import { alignTo, type Sql } from '../db.ts';
import { Refusal } from '../errors.ts';
import { newId } from '../id.ts';
import { entriesByEvent, type LedgerEntry, type Unit } from './ledger.ts';

// Events that earn: what happened, to whom, and by the community's rules what it is worth.

/** One way to name a person, as the port `identity.find_members` takes it. */
export interface Identifier {
  id?: string;
  email?: string;
  username?: string;
  external?: { system: string; value: string };
}

export interface NewEvent {
  user: Identifier;
  eventType: string;
  /** How many units of what happened, for rules that count them. */
  amount: string | null;
  metadata: Record<string, unknown> | null;
  /** When it happened; null: now. */
  occurredAt: Date | null;
  /** What a repeat is recognised by, unique per event type; null: never a repeat. */
  reference: string | null;
}

export interface TrackedEvent {
  entries: LedgerEntry[];
  leveledUp: boolean;
  replayed: boolean;
}

interface Rule {
  eventType: string;
  once: boolean;
  awards: Partial<Record<Unit, number>>;
}

/** An event that passed all checks, with the entries it earns if it turns out to be new. */
interface Candidate {
  id: string;
  eventType: string;
  reference: string | null;
  userId: string;
  /** No enabled rule has its type: it can only be the repeat of an event from before. */
  worthless: boolean;
  once: boolean;
  occurredAt: Date | null;
  /** What a repeat is compared with. */
  input: { userId: string; amount: string | null; metadata: unknown; occurredAt: Date | null };
  awards: { id: string; unit: string; amount: number }[];
}

/**
 * Tracks up to 100 events in one statement: event, ledger entries, balances, day sums and log commit together.
 * @param makeId  makes the ids of events and entries; the demo has its own.
 * @returns one answer per event, in their order; a Refusal where one was refused, which costs the others nothing.
 * @throws nothing but faults; in the answers: NOT_FOUND, RULE_NOT_FOUND, IDEMPOTENCY_KEY_REUSED
 * @cost four statements; two more when one was a repeat.
 */
export async function trackEvents(
  sql: Sql,
  communityId: string,
  events: readonly NewEvent[],
  makeId: typeof newId = newId,
): Promise<(TrackedEvent | Refusal)[]> {
  const [rules, userIds] = await Promise.all([
    rulesByType(
      sql,
      communityId,
      events.map(({ eventType }) => eventType),
    ),
    findMembers(
      sql,
      communityId,
      events.map(({ user }) => user),
    ),
  ]);
  const checked = events.map((event, at) =>
    candidateOf(event, rules[at] ?? null, userIds[at] ?? null, makeId),
  );

  // Of several events under one reference the first is written; the others are answered as its repeats.
  const firsts = new Map<string, Candidate>();
  for (const candidate of checked) {
    if (candidate instanceof Refusal || candidate.worthless) continue;
    const key = candidate.reference === null ? candidate.id : `${candidate.eventType} ${candidate.reference}`;
    if (!firsts.has(key)) firsts.set(key, candidate);
  }
  const written = await writeEvents(sql, communityId, [...firsts.values()]);
  const repeats = checked.filter(
    (one): one is Candidate => !(one instanceof Refusal) && !written.has(one.id),
  );
  const answers = new Map([...written, ...(await repeatedEvents(sql, communityId, repeats))]);
  return checked.map((one) => {
    if (one instanceof Refusal) return one;
    const answer = answers.get(one.id);
    if (answer !== undefined) return answer;
    const message = `No enabled rule has the event type "${one.eventType}".`;
    return new Refusal('RULE_NOT_FOUND', message, {}, ['input', 'eventType']);
  });
}

/** Adds rules; one that exists is replaced. */
export async function setRules(
  sql: Sql,
  communityId: string,
  rules: readonly (Rule & { title: Record<string, string> })[],
): Promise<void> {
  await sql`
    -- setRules
    insert into gamification.rule (community_id, event_type, title, once, awards)
    select ${communityId}, r."eventType", r.title, r.once, r.awards
    from jsonb_to_recordset(${sql.json(rules as never)}) r("eventType" text, title jsonb, once boolean, awards jsonb)
    on conflict (community_id, event_type) do update
      set title = excluded.title, once = excluded.once, awards = excluded.awards`;
}

async function rulesByType(
  sql: Sql,
  communityId: string,
  eventTypes: readonly string[],
): Promise<(Rule | null)[]> {
  const rows = await sql<Rule[]>`
    -- rulesByType
    select event_type as "eventType", once, awards
    from gamification.rule
    where community_id = ${communityId} and event_type = any(${eventTypes as string[]}) and enabled`;
  return alignTo(eventTypes, rows, ({ eventType }) => eventType);
}

async function findMembers(
  sql: Sql,
  communityId: string,
  users: readonly Identifier[],
): Promise<(string | null)[]> {
  const identifiers = users.map(({ external, ...others }) => ({ ...others, ...external }));
  const rows = await sql<{ userId: string | null }[]>`
    -- findMembers
    select user_id as "userId" from identity.find_members(${communityId}, ${sql.json(identifiers)}) order by at`;
  return rows.map(({ userId }) => userId);
}

function candidateOf(
  event: NewEvent,
  rule: Rule | null,
  userId: string | null,
  makeId: typeof newId,
): Candidate | Refusal {
  const { eventType, reference, amount, metadata, occurredAt } = event;
  if (userId === null) {
    return new Refusal('NOT_FOUND', 'Nobody in this community has that identifier.', {}, ['input', 'user']);
  }
  return {
    id: makeId('LedgerEvent'),
    eventType,
    reference,
    userId,
    worthless: rule === null,
    once: rule?.once ?? false,
    occurredAt,
    input: { userId, amount, metadata, occurredAt },
    awards: Object.entries(rule?.awards ?? {}).map(([unit, sum]) => ({
      id: makeId('LedgerEntry'),
      unit,
      amount: sum,
    })),
  };
}

/** Writes what is new; the answer has the events that were, by id. Everything is locked in one order. */
async function writeEvents(
  sql: Sql,
  communityId: string,
  candidates: readonly Candidate[],
): Promise<Map<string, TrackedEvent>> {
  const rows = await sql<(LedgerEntry & { eventId: string; leveledUp: boolean; none: boolean })[]>`
    -- writeEvents
    with zone as materialized (
      select time_zone from community.time_zone(${communityId})
    ), candidate as (
      select c.*, coalesce(c."occurredAt", now())::timestamptz(3) as occurred_at
      from jsonb_to_recordset(${sql.json(candidates as never)}) c(
        id text, "eventType" text, reference text, "userId" text, once boolean, "occurredAt" timestamptz,
        input jsonb, awards jsonb
      )
    ), fresh as (
      insert into gamification.event (community_id, id, event_type, reference, user_id, input, occurred_at)
      select ${communityId}, id, "eventType", reference, "userId", input, occurred_at
      from candidate
      order by "eventType", reference
      on conflict (community_id, event_type, reference) do nothing
      returning id
    ), used as (
      insert into gamification.rule_use (community_id, event_type, user_id)
      select distinct ${communityId}, c."eventType", c."userId"
      from candidate c join fresh using (id)
      where c.once
      order by 2, 3
      on conflict do nothing
      returning event_type, user_id
    ), entry as (
      -- A rule that counts once pays the first event of a person, also within one batch.
      select c.id as event_id, c."userId" as user_id, c."eventType" as event_type, c.reference, c.occurred_at,
        c.input -> 'metadata' as metadata, a.id, a.unit, a.amount
      from candidate c join fresh using (id),
        jsonb_to_recordset(c.awards) a(id text, unit text, amount bigint)
      where not c.once or c.id in (
        select min(o.id) from candidate o join fresh using (id)
        join used u on u.event_type = o."eventType" and u.user_id = o."userId"
        group by o."eventType", o."userId"
      )
    ), balance as (
      insert into gamification.balance as b (community_id, user_id, unit, amount)
      select ${communityId}, user_id, unit, sum(amount)
      from entry
      group by user_id, unit
      order by user_id, unit
      on conflict (community_id, user_id, unit) do update set amount = b.amount + excluded.amount
      returning b.user_id, b.unit, b.amount
    ), day as (
      insert into gamification.daily_stat as d (community_id, user_id, date, xp, coins)
      select ${communityId}, e.user_id, (e.occurred_at at time zone z.time_zone)::date,
        coalesce(sum(e.amount) filter (where e.unit = 'XP'), 0), coalesce(sum(e.amount) filter (where e.unit = 'COINS'), 0)
      from entry e cross join zone z
      where e.unit in ('XP', 'COINS')
      group by 2, 3
      order by 2, 3
      on conflict (community_id, user_id, date) do update set xp = d.xp + excluded.xp, coins = d.coins + excluded.coins
    ), posted as (
      -- The balance is known after the whole batch; what later entries of the batch add is taken off again.
      select e.*, b.amount - coalesce(sum(e.amount) over (
        partition by e.user_id, e.unit order by e.id rows between 1 following and unbounded following
      ), 0) as balance_after
      from entry e join balance b using (user_id, unit)
    ), ledger as (
      insert into gamification.ledger_entry (
        community_id, id, user_id, unit, amount, balance_after, event_id, event_type, reference, metadata, occurred_at,
        leveled_up
      )
      select ${communityId}, p.id, p.user_id, p.unit, p.amount, p.balance_after, p.event_id, p.event_type, p.reference,
        nullif(p.metadata, 'null'), p.occurred_at, p.unit = 'XP' and exists (
          select from gamification.level v
          where v.community_id = ${communityId}
            and v.min_xp > p.balance_after - p.amount and v.min_xp <= p.balance_after
        )
      from posted p
      returning *
    ), told as (
      select log.append(${communityId}, 'xp', jsonb_agg(jsonb_build_object(
        'kind', 'XpChanged', 'user_id', user_id,
        'payload', jsonb_build_object('entryId', id, 'total', balance_after::text)
      ) order by id))
      from ledger
      where unit = 'XP'
      having count(*) > 0
    )
    select f.id as "eventId", l.id is null as none, coalesce(l.leveled_up, false) as "leveledUp", l.id,
      l.user_id as "userId", l.unit, l.amount, l.balance_after as "balanceAfter", l.event_type as "eventType",
      l.reference, l.metadata, l.occurred_at as "occurredAt", l.recorded_at as "recordedAt"
    from fresh f left join ledger l on l.event_id = f.id, (select count(*) from told) t
    order by l.id`;
  const written = new Map<string, TrackedEvent>();
  for (const { eventId, none, leveledUp, ...entry } of rows) {
    const event = written.get(eventId) ?? { entries: [], leveledUp: false, replayed: false };
    if (!none) event.entries.push(entry);
    event.leveledUp ||= leveledUp;
    written.set(eventId, event);
  }
  return written;
}

// Read in statements of their own: the snapshot of the write is older than the rows it lost to.
async function repeatedEvents(
  sql: Sql,
  communityId: string,
  repeats: readonly Candidate[],
): Promise<[string, TrackedEvent | Refusal][]> {
  if (!repeats.some(({ reference }) => reference !== null)) return [];
  const firsts = await sql<{ id: string; firstId: string; leveledUp: boolean; same: boolean }[]>`
    -- repeatedEvents
    select c.id, e.id as "firstId", e.input = c.input as same, exists (
      select from gamification.ledger_entry l
      where l.community_id = e.community_id and l.event_id = e.id and l.leveled_up
    ) as "leveledUp"
    from jsonb_to_recordset(${sql.json(repeats as never)}) c(id text, "eventType" text, reference text, input jsonb)
    join gamification.event e on e.community_id = ${communityId}
      and e.event_type = c."eventType" and e.reference = c.reference`;
  const entries = await entriesByEvent(
    sql,
    communityId,
    firsts.map(({ firstId }) => firstId),
  );
  return firsts.map(({ id, same, leveledUp }, at) => {
    if (same) return [id, { entries: entries[at] ?? [], leveledUp, replayed: true }];
    const reference = repeats.find((repeat) => repeat.id === id)?.reference;
    const message = `The reference "${reference}" was used for another event: use a new one for a new event.`;
    return [id, new Refusal('IDEMPOTENCY_KEY_REUSED', message, {}, ['input', 'reference'])];
  });
}
