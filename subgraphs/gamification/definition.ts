import type { Sql, SqlPart } from '../db.ts';
import { remembered } from '../remembered.ts';
import { type Awardable, type Badges, badgesAmong } from './awarding.ts';
import type { Ground } from './decide.ts';
import type { Rule } from './rule.ts';
import type { Unit } from './unit.ts';

// What postings are decided on that is the same for all of a community: its rules, levels, units and badges. The database
// gives them a new version with every change, so a process remembers them by it, and reads the version alone.

export interface Definitions extends Standing {
  /** What writing compares; null: nothing was ever defined. */
  version: string | null;
  /** The enabled rules by event type, oldest first. */
  rules: Ground['rules'];
  /** In characters of JSON. */
  size: number;
}

/** What is looked at of a community whatever happens in it. */
export interface Standing {
  levels: Ground['levels'];
  belowZero: ReadonlySet<Unit>;
  badges: Badges;
}

/** So much is remembered of all communities, in characters of JSON; a community's are at most about 30 million. */
const mostRemembered = 50_000_000;

const latest = remembered<Definitions>(mostRemembered, ({ size }) => size);

/**
 * The definitions of a version, or newer ones where it is over.
 * @param version  as `gamification.definition` has it.
 * @cost nothing; one statement the first time.
 */
export function definitionsOf(
  sql: Sql,
  communityId: string,
  version: string | null,
): Definitions | Promise<Definitions> {
  const known = latest.get(communityId);
  if (known !== undefined && known.version === version) return known;
  return latest.read(sql, `${communityId} ${version}`, () => readDefinitions(sql, communityId));
}

async function readDefinitions(sql: Sql, communityId: string): Promise<Definitions> {
  const [row] = await sql<(StandingRow & { version: string | null; rules: Rule[] | null })[]>`
    -- readDefinitions
    select ${versionIn(sql, communityId)} as version, (
      select json_agg(json_build_object(
        'id', id, 'eventType', event_type, 'awards', awards, 'conditions', conditions,
        'cooldownSeconds', cooldown_seconds, 'dayCap', day_cap, 'weekCap', week_cap, 'lifetimeCap', lifetime_cap,
        'activityType', activity_type, 'wordingId', wording_id,
        'limited', coalesce(cooldown_seconds, day_cap, week_cap, lifetime_cap) is not null
      ) order by created_at, id)
      from gamification.rule
      where community_id = ${communityId} and enabled
    ) as rules, ${standingIn(sql, communityId, [])}`;
  if (row === undefined) throw new Error('A query without a table gave no row.');
  const rules = new Map<string, Rule[]>();
  for (const rule of row.rules ?? []) rules.set(rule.eventType, [...(rules.get(rule.eventType) ?? []), rule]);
  const size = JSON.stringify(row).length;
  const definitions = { version: row.version, size, rules, ...standingOf(row) };
  latest.set(communityId, definitions);
  return definitions;
}

/** SQL: the version of a community's definitions; null: nothing was ever defined. */
export function versionIn(sql: Sql, communityId: string): SqlPart {
  return sql`(select version from gamification.definition where community_id = ${communityId})`;
}

/** `Standing` as columns, which have no 64-bit numbers where they are JSON. */
export interface StandingRow {
  levels: { number: number; minXp: string }[] | null;
  below: Unit[];
  awardable: AwardableRow[] | null;
}

type AwardableRow = Omit<Awardable, 'criterion' | 'rewards'> & {
  measure: NonNullable<Awardable['criterion']>['measure'] | null;
  atLeast: string | null;
  xpReward: string;
  coinsReward: string;
};

/** SQL: the columns of `StandingRow`, with the badges that award themselves and those that are named. */
export function standingIn(sql: Sql, communityId: string, named: readonly string[]): SqlPart {
  return sql`(
      select json_agg(json_build_object('number', number, 'minXp', min_xp::text) order by number)
      from gamification.level
      where community_id = ${communityId}
    ) as levels, array(
      select unit from gamification.unit where community_id = ${communityId} and may_go_below_zero
    ) as below, (
      select json_agg(json_build_object(
        'id', id, 'enabled', enabled, 'measure', measure, 'atLeast', at_least::text, 'left', quantity - award_count,
        'requiresAttachment', requires_attachment, 'xpReward', xp_reward::text, 'coinsReward', coins_reward::text,
        'wordingId', wording_id
      ) order by created_at, id)
      from gamification.badge
      where community_id = ${communityId} and deleted_at is null
        and (measure is not null or id = any(${named as string[]}))
    ) as awardable`;
}

export function standingOf({ levels, below, awardable }: StandingRow): Standing {
  return {
    levels: (levels ?? []).map(({ number, minXp }) => ({ number, minXp: BigInt(minXp) })),
    belowZero: new Set(below),
    badges: badgesAmong((awardable ?? []).map(awardableOf)),
  };
}

function awardableOf({ measure, atLeast, xpReward, coinsReward, ...badge }: AwardableRow): Awardable {
  const rewards = [
    { unit: 'XP', by: BigInt(xpReward) },
    { unit: 'COINS', by: BigInt(coinsReward) },
  ] as const;
  return {
    ...badge,
    criterion: measure === null || atLeast === null ? null : { measure, atLeast: BigInt(atLeast) },
    rewards: rewards.filter(({ by }) => by > 0n),
  };
}
