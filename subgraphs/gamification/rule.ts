import { alignTo, type Sql } from '../db.ts';
import { keyset, type Page, type PageArguments, pageOf, pageRequest } from '../page.ts';
import type { EarnedType } from './activity.ts';
import { mondayOf } from './day.ts';
import { stepsOf, wholeProduct } from './exact.ts';
import type { Unit } from './unit.ts';

// What events are worth: rules of an event type, each with awards, conditions and limits.
// Source: GamifyHost docs, "Award points": an event type must match a rule. Lynes docs, "Events": fixed, per unit, conditional.

export interface RuleAward {
  unit: Unit;
  /** A decimal; below zero it costs. */
  amount: string;
  /** Once for each unit of the event's amount, instead of once an event. */
  perUnit: boolean;
}

export const ruleOperators = [
  'EQUALS',
  'NOT_EQUALS',
  'AT_LEAST',
  'AT_MOST',
  'MORE',
  'LESS',
  'EXISTS',
] as const;

export type RuleOperator = (typeof ruleOperators)[number];

export interface RuleCondition {
  /** `amount`, or a path in the metadata: `metadata.order.country`. */
  field: string;
  operator: RuleOperator;
  /** For EQUALS any of them, for NOT_EQUALS none of them; one number for comparisons; none for EXISTS. */
  values: readonly string[];
}

/** A rule as events meet it. */
export interface Rule {
  id: string;
  eventType: string;
  awards: readonly RuleAward[];
  conditions: readonly RuleCondition[];
  cooldownSeconds: number | null;
  dayCap: number | null;
  weekCap: number | null;
  lifetimeCap: number | null;
  /** What the activities of those whom it pays are; null: it makes none. */
  activityType: EarnedType | null;
  /** The words and pictures of these activities. */
  wordingId: string;
  /** It has a cooldown or a cap. */
  limited: boolean;
}

export interface NewRule extends Omit<Rule, 'limited' | 'wordingId'> {
  title: Record<string, string>;
}

/** A rule as those who keep it see it. */
export interface KeptRule extends Omit<Rule, 'limited' | 'wordingId'> {
  title: Record<string, string>;
  description: Record<string, string> | null;
  /** A picture's URL by language. */
  images: Record<string, string> | null;
  enabled: boolean;
  createdAt: Date;
  updatedAt: Date;
}

/** What a rule has paid a person: on the day and in the week of an event, ever, and whether it is still cooling down. */
export interface Limits {
  day: number;
  week: number;
  lifetime: number;
  near: boolean;
}

/** What a rule looks at in an event. */
interface Event {
  amount: string | null;
  metadata: Record<string, unknown> | null;
}

/** Why a rule doesn't pay an event; undefined when it does. @param here  what it paid earlier in the same batch. */
export function whyNot(
  rule: Rule,
  event: Event,
  { day, occurredAt }: { day: string; occurredAt: Date },
  before: Limits | undefined,
  here: readonly { day: string; at: number }[],
): 'CONDITION' | 'COOLDOWN' | 'ONCE' | 'DAY_CAP' | 'WEEK_CAP' | 'LIFETIME_CAP' | undefined {
  if (!rule.conditions.every((condition) => holds(condition, event))) return 'CONDITION';
  if (!rule.limited) return undefined;
  const { lifetimeCap, weekCap, dayCap, cooldownSeconds } = rule;
  const used = before ?? { day: 0, week: 0, lifetime: 0, near: false };
  if (lifetimeCap !== null && used.lifetime + here.length >= lifetimeCap) {
    return lifetimeCap === 1 ? 'ONCE' : 'LIFETIME_CAP';
  }
  const week = mondayOf(day);
  const inWeek = here.filter((use) => mondayOf(use.day) === week);
  if (weekCap !== null && used.week + inWeek.length >= weekCap) return 'WEEK_CAP';
  const onDay = inWeek.filter((use) => use.day === day);
  if (dayCap !== null && used.day + onDay.length >= dayCap) return 'DAY_CAP';
  if (cooldownSeconds === null) return undefined;
  const at = occurredAt.getTime();
  const near = used.near || here.some((use) => Math.abs(use.at - at) < cooldownSeconds * 1_000);
  return near ? 'COOLDOWN' : undefined;
}

/** What a rule pays for an event, nothing where it comes to less than one. An event without an amount is one unit. */
export function worthOf({ awards }: Rule, amount: string | null): { unit: Unit; by: bigint }[] {
  return awards
    .map((award) => ({
      unit: award.unit,
      by: wholeProduct(award.amount, award.perUnit ? (amount ?? '1') : '1'),
    }))
    .filter(({ by }) => by !== 0n);
}

/** Whether a rule looks at an event's amount at all. */
export function countsAmount({ awards, conditions }: Rule): boolean {
  return awards.some(({ perUnit }) => perUnit) || conditions.some(({ field }) => field === 'amount');
}

/** A rule without conditions and limits that pays the same for each event. */
export function plainRule(
  eventType: string,
  title: Record<string, string>,
  amounts: Partial<Record<Unit, number>>,
): Omit<NewRule, 'id'> {
  const awards = Object.entries(amounts).map(([unit, amount]) => ({
    unit: unit as Unit,
    amount: String(amount),
    perUnit: false,
  }));
  const limits = { cooldownSeconds: null, dayCap: null, weekCap: null, lifetimeCap: null };
  return { eventType, title, awards, conditions: [], activityType: 'EVENT', ...limits };
}

/** Sets the rules of event types: those that these event types had are replaced. */
export async function setRules(sql: Sql, communityId: string, rules: readonly NewRule[]): Promise<void> {
  await sql`
    -- setRules
    with asked as materialized (
      select * from jsonb_to_recordset(${sql.json(rules as never)}) r(
        id text, "eventType" text, title jsonb, awards jsonb, conditions jsonb, "cooldownSeconds" integer,
        "dayCap" integer, "weekCap" integer, "lifetimeCap" integer, "activityType" text
      )
    ), replaced as (
      delete from gamification.rule r
      where r.community_id = ${communityId} and r.event_type in (select "eventType" from asked)
        and r.id not in (select id from asked)
    )
    insert into gamification.rule (
      community_id, id, event_type, title, awards, conditions, cooldown_seconds, day_cap, week_cap, lifetime_cap,
      activity_type
    )
    select ${communityId}, id, "eventType", title, awards, conditions, "cooldownSeconds", "dayCap", "weekCap",
      "lifetimeCap", "activityType"
    from asked
    on conflict (community_id, id) do update set
      event_type = excluded.event_type, title = excluded.title, awards = excluded.awards,
      conditions = excluded.conditions, cooldown_seconds = excluded.cooldown_seconds, day_cap = excluded.day_cap,
      week_cap = excluded.week_cap, lifetime_cap = excluded.lifetime_cap,
      activity_type = excluded.activity_type, updated_at = now()`;
}

/** A page of rules, oldest first. @throws BAD_PAGE, BAD_CURSOR @cost one query, O(page) rows. */
export async function rulesPage(
  sql: Sql,
  communityId: string,
  eventTypes: readonly string[] | null,
  page: PageArguments,
): Promise<Page<KeptRule>> {
  const request = pageRequest('rule', page);
  const { beyond, order } = keyset(sql, request, { at: 'created_at', id: 'id', newestFirst: false });
  const rows = await sql<KeptRule[]>`
    -- rulesPage
    select ${ruleColumns(sql)}
    from gamification.rule
    where community_id = ${communityId}
      ${eventTypes === null ? sql`` : sql`and event_type = any(${eventTypes as string[]})`} ${beyond}
    order by ${order}
    limit ${request.limit}`;
  return pageOf(rows, request, ({ createdAt, id }) => ({ at: createdAt, id }));
}

/** Rules by id, in their order; null where there is none. @cost one query by primary key. */
export async function rulesById(
  sql: Sql,
  communityId: string,
  ids: readonly string[],
): Promise<(KeptRule | null)[]> {
  const rows = await sql<KeptRule[]>`
    -- rulesById
    select ${ruleColumns(sql)}
    from gamification.rule
    where community_id = ${communityId} and id = any(${ids as string[]})`;
  return alignTo(ids, rows, ({ id }) => id);
}

function holds({ field, operator, values }: RuleCondition, { amount, metadata }: Event): boolean {
  const value = field === 'amount' ? amount : valueAt(metadata, field.split('.').slice(1));
  if (operator === 'EXISTS') return value !== undefined && value !== null;
  const text =
    value === null || typeof value === 'object'
      ? undefined
      : (value as string | number | boolean)?.toString();
  if (operator === 'EQUALS') return text !== undefined && values.some((wanted) => sameText(text, wanted));
  if (operator === 'NOT_EQUALS')
    return text === undefined || !values.some((wanted) => sameText(text, wanted));
  const [bound] = values;
  if (text === undefined || bound === undefined || !isDecimal(text) || !isDecimal(bound)) return false;
  const difference = stepsOf(text) - stepsOf(bound);
  if (operator === 'AT_LEAST') return difference >= 0n;
  if (operator === 'AT_MOST') return difference <= 0n;
  return operator === 'MORE' ? difference > 0n : difference < 0n;
}

function valueAt(value: unknown, path: readonly string[]): unknown {
  let found = value;
  for (const key of path) {
    if (typeof found !== 'object' || found === null || !Object.hasOwn(found, key)) return undefined;
    found = (found as Record<string, unknown>)[key];
  }
  return found;
}

/** Numbers are the same however they are written. */
function sameText(a: string, b: string): boolean {
  return a === b || (isDecimal(a) && isDecimal(b) && stepsOf(a) === stepsOf(b));
}

function isDecimal(text: string): boolean {
  return /^-?\d{1,20}(\.\d{1,10})?$/.test(text);
}

/** The columns of a rule as it is kept. */
export function ruleColumns(sql: Sql, table = 'rule') {
  const of = (column: string) => sql(`${table}.${column}`);
  return sql`${of('id')}, ${of('event_type')} as "eventType", ${of('title')}, ${of('description')}, ${of('images')},
    ${of('awards')}, ${of('conditions')}, ${of('cooldown_seconds')} as "cooldownSeconds", ${of('day_cap')} as "dayCap",
    ${of('week_cap')} as "weekCap", ${of('lifetime_cap')} as "lifetimeCap",
    ${of('activity_type')} as "activityType", ${of('enabled')},
    ${of('created_at')} as "createdAt", ${of('updated_at')} as "updatedAt"`;
}
