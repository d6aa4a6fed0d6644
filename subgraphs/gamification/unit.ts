import { noteChange } from '../audit.ts';
import { type Sql, transaction } from '../db.ts';
import { communityOf, type Principal } from '../principal.ts';

// The four things that a ledger counts, and what a community makes of them.

export const units = ['XP', 'COINS', 'POINTS', 'PREMIUM'] as const;

export type Unit = (typeof units)[number];

export type Balances = Record<Unit, bigint>;

export interface UnitSettings {
  unit: Unit;
  /** What the community calls it; null: by its own name. */
  name: Record<string, string> | null;
  /** Whether more can be spent than there is. */
  mayGoBelowZero: boolean;
}

/** The settings of every unit, XP first. @cost one query by primary key. */
export async function unitsOf(sql: Sql, communityId: string): Promise<UnitSettings[]> {
  const rows = await sql<UnitSettings[]>`
    -- unitsOf
    select unit, name, may_go_below_zero as "mayGoBelowZero"
    from gamification.unit
    where community_id = ${communityId}`;
  return units.map(
    (unit) => rows.find((row) => row.unit === unit) ?? { unit, name: null, mayGoBelowZero: false },
  );
}

/** Sets what the community makes of a unit, as somebody who administers it does. */
export async function setUnit(sql: Sql, principal: Principal, settings: UnitSettings): Promise<void> {
  const communityId = communityOf(principal);
  const { unit } = settings;
  await transaction(sql, async (tx) => {
    const before = await unitsOf(tx, communityId);
    await setUnits(tx, communityId, [settings]);
    const after = await unitsOf(tx, communityId);
    const at = units.indexOf(unit);
    await noteChange(tx, principal, 'UNIT_SET', { unit }, before[at] ?? {}, after[at] ?? {});
  });
}

/** Sets what the community makes of units; those not named stay as they are. */
export async function setUnits(
  sql: Sql,
  communityId: string,
  settings: readonly UnitSettings[],
): Promise<void> {
  await sql`
    -- setUnits
    insert into gamification.unit (community_id, unit, name, may_go_below_zero)
    select ${communityId}, u.unit, u.name, u."mayGoBelowZero"
    from jsonb_to_recordset(${sql.json(settings as never)}) u(unit text, name jsonb, "mayGoBelowZero" boolean)
    on conflict (community_id, unit) do update
      set name = excluded.name, may_go_below_zero = excluded.may_go_below_zero`;
}
