import { alignTo, groupTo, type Sql } from '../db.ts';
import { keyset, type Page, type PageArguments, pageOf, pageRequest } from '../page.ts';

// Custom fields: what a community records about its members beyond who they are.

export type FieldType = 'TEXT' | 'NUMBER' | 'BOOLEAN' | 'DATE' | 'SELECT';

export interface Field {
  id: string;
  key: string;
  name: Record<string, string>;
  type: FieldType;
  description: string | null;
  required: boolean;
  options: string[] | null;
  /** No change may be recorded. */
  locked: boolean;
  createdAt: Date;
  updatedAt: Date;
}

export type NewField = Omit<Field, 'locked'> & { locked?: boolean };

/** A member's value of a field: the one of the field's type is set. */
export interface FieldValue {
  userId: string;
  fieldId: string;
  type: FieldType;
  number: string | null;
  text: string | null;
  boolean: boolean | null;
  date: string | null;
  updatedAt: Date;
}

/** A page of fields, oldest first. @throws BAD_PAGE, BAD_CURSOR @cost one query, O(page) rows. */
export async function fieldsPage(sql: Sql, communityId: string, page: PageArguments): Promise<Page<Field>> {
  const request = pageRequest('field', page);
  const { beyond, order } = keyset(sql, request, { at: 'created_at', id: 'id', newestFirst: false });
  const rows = await sql<Field[]>`
    -- fieldsPage
    select ${columns(sql)}
    from community.field
    where community_id = ${communityId} ${beyond}
    order by ${order}
    limit ${request.limit}`;
  return pageOf(rows, request, ({ createdAt, id }) => ({ at: createdAt, id }));
}

/** Fields by id, in their order; null where there is none. @cost one query by primary key. */
export async function fieldsById(
  sql: Sql,
  communityId: string,
  ids: readonly string[],
): Promise<(Field | null)[]> {
  const rows = await sql<Field[]>`
    -- fieldsById
    select ${columns(sql)}
    from community.field
    where community_id = ${communityId} and id = any(${ids as string[]})`;
  return alignTo(ids, rows, ({ id }) => id);
}

/** The field with this key, or null. @cost one query by a unique index. */
export async function fieldByKey(sql: Sql, communityId: string, key: string): Promise<Field | null> {
  const [row] = await sql<Field[]>`
    -- fieldByKey
    select ${columns(sql)}
    from community.field
    where community_id = ${communityId} and key = ${key}`;
  return row ?? null;
}

/**
 * Each member's values, in the order of the fields.
 * @param keys  only these fields; null: all.
 * @returns one page per id, in `userIds` order.
 * @throws BAD_PAGE, BAD_CURSOR
 * @cost one query, O(members x page) rows.
 */
export async function valuesByUser(
  sql: Sql,
  communityId: string,
  userIds: readonly string[],
  keys: readonly string[] | null,
  page: PageArguments,
): Promise<Page<FieldValue>[]> {
  const request = pageRequest('field-value', page);
  const { beyond, order } = keyset(sql, request, { at: 'f.created_at', id: 'f.id', newestFirst: false });
  const rows = await sql<(FieldValue & { fieldCreatedAt: Date })[]>`
    -- valuesByUser
    select w.*
    from unnest(${userIds as string[]}::text[]) as u(id)
    cross join lateral (
      select v.user_id as "userId", v.field_id as "fieldId", f.type, trim_scale(v.number) as number, v.text, v.boolean,
        v.date, v.updated_at as "updatedAt", f.created_at as "fieldCreatedAt"
      from community.field_value v
      join community.field f on f.community_id = v.community_id and f.id = v.field_id
      where v.community_id = ${communityId} and v.user_id = u.id
        ${keys === null ? sql`` : sql`and f.key = any(${keys as string[]})`} ${beyond}
      order by ${order}
      limit ${request.limit}
    ) w`;
  return groupTo(userIds, rows, ({ userId }) => userId).map((own) =>
    pageOf(own, request, ({ fieldCreatedAt, fieldId }) => ({ at: fieldCreatedAt, id: fieldId })),
  );
}

/** Adds fields; ids that exist are left as they are. */
export async function addFields(sql: Sql, communityId: string, fields: readonly NewField[]): Promise<void> {
  await sql`
    -- addFields
    insert into community.field (community_id, id, key, name, type, description, required, options, locked, created_at,
      updated_at)
    select ${communityId}, f.id, f.key, f.name, f.type, f.description, f.required, f.options,
      coalesce(f.locked, false), f."createdAt", f."updatedAt"
    from jsonb_to_recordset(${sql.json(fields as never)}) f(
      id text, key text, name jsonb, type text, description text, required boolean, options text[], locked boolean,
      "createdAt" timestamptz, "updatedAt" timestamptz
    )
    on conflict do nothing`;
}

/** Sets values of fields that have no history; one that exists is replaced. */
export async function setValues(
  sql: Sql,
  communityId: string,
  values: readonly Omit<FieldValue, 'type' | 'number'>[],
): Promise<void> {
  await sql`
    -- setValues
    insert into community.field_value (community_id, user_id, field_id, text, boolean, date, updated_at)
    select ${communityId}, v."userId", v."fieldId", v.text, v.boolean, v.date, v."updatedAt"
    from jsonb_to_recordset(${sql.json(values as never)}) v(
      "userId" text, "fieldId" text, text text, boolean boolean, date date, "updatedAt" timestamptz
    )
    order by v."userId", v."fieldId"
    on conflict (community_id, user_id, field_id) do update
      set text = excluded.text, boolean = excluded.boolean, date = excluded.date, updated_at = excluded.updated_at`;
}

function columns(sql: Sql) {
  return sql`id, key, name, type, description, required, options, locked, created_at as "createdAt", updated_at as "updatedAt"`;
}
