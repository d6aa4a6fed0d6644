import { alignTo, groupTo, type Sql, transaction } from '../db.ts';
import { Refusal } from '../errors.ts';
import { newId } from '../id.ts';
import { keyset, type Page, type PageArguments, type Place, pageOf, pageRequest } from '../page.ts';
import { fieldsById } from './field.ts';

// The changes of members' NUMBER fields: an append-only history whose running sum is the field's value.
// Source: Returning.AI docs, "Create user field history".

export type FieldAction = 'INCREASE' | 'DECREASE' | 'OVERWRITE';

export interface FieldChange {
  id: string;
  fieldId: string;
  userId: string;
  action: FieldAction;
  value: string;
  resultingSum: string;
  idempotencyKey: string;
  createdAt: Date;
}

/** PostgreSQL's numeric_value_out_of_range. */
const sumTooLarge = '22003';

const listOrder = { at: 'h.created_at', id: 'h.id', newestFirst: true };

export type NewFieldChange = Pick<FieldChange, 'fieldId' | 'userId' | 'action' | 'value' | 'idempotencyKey'>;

export interface FieldChangeFilter {
  fieldIds?: readonly string[] | null;
  userIds?: readonly string[] | null;
  actions?: readonly FieldAction[] | null;
}

/**
 * Changes a member's field and remembers how: the new sum is the old one plus, minus, or replaced by `value`.
 * @returns the change, `replayed` when this idempotency key had made it before.
 * @throws NOT_FOUND, FIELD_LOCKED, VALIDATION_FAILED, LIMIT_EXCEEDED, IDEMPOTENCY_KEY_REUSED
 * @cost five statements in one transaction, which holds the value's row: changes of one value follow one another.
 */
export async function recordChange(
  sql: Sql,
  communityId: string,
  change: NewFieldChange,
): Promise<{ change: FieldChange; replayed: boolean }> {
  const { fieldId, userId, action, value, idempotencyKey } = change;
  await mustTakeChanges(sql, communityId, fieldId);
  await mustBeMember(sql, communityId, userId);
  return transaction(sql, async (tx) => {
    // The row of the value is the lock: whoever changes it next sees this change.
    await tx`
      -- recordChange: lock
      insert into community.field_value as v (community_id, user_id, field_id, number)
      values (${communityId}, ${userId}, ${fieldId}, 0)
      on conflict (community_id, user_id, field_id) do update set updated_at = v.updated_at`;
    const [made] = await tx<FieldChange[]>`
      -- recordChange
      with added as (
        insert into community.field_history (
          community_id, id, field_id, user_id, action, value, resulting_sum, idempotency_key, created_at
        )
        select ${communityId}, ${newId('FieldHistory')}, ${fieldId}, ${userId}, ${action}, ${value},
          case ${action}
            when 'INCREASE' then coalesce(v.number, 0) + ${value}::numeric
            when 'DECREASE' then coalesce(v.number, 0) - ${value}::numeric
            else ${value}::numeric
          end,
          -- now() is when the transaction began, before it waited for the lock: times follow the sums.
          ${idempotencyKey}, greatest(clock_timestamp(), v.updated_at + interval '1 ms')
        from community.field_value v
        where v.community_id = ${communityId} and v.user_id = ${userId} and v.field_id = ${fieldId}
        on conflict (community_id, idempotency_key) do nothing
        returning *
      ), applied as (
        update community.field_value v set number = added.resulting_sum, updated_at = added.created_at
        from added
        where v.community_id = added.community_id and v.user_id = added.user_id and v.field_id = added.field_id
      )
      select ${columns(tx)} from added h`;
    if (made !== undefined) return { change: made, replayed: false };
    return { change: await firstChangeOf(tx, communityId, change), replayed: true };
  }).catch((error) => {
    throw error.code === sumTooLarge
      ? new Refusal('LIMIT_EXCEEDED', 'A sum has at most 20 digits before the point.', {}, ['input', 'value'])
      : error;
  });
}

/**
 * A page of changes, newest first.
 * @throws BAD_PAGE, BAD_CURSOR
 * @source table field_history and its three indexes by created_at.   @cost one query, O(page) rows.
 */
export async function changesPage(
  sql: Sql,
  communityId: string,
  filter: FieldChangeFilter,
  page: PageArguments,
): Promise<Page<FieldChange>> {
  const request = pageRequest('field-history', page);
  const { beyond, order } = keyset(sql, request, listOrder);
  const rows = await sql<FieldChange[]>`
    -- changesPage
    select ${columns(sql)}
    from community.field_history h
    where h.community_id = ${communityId} ${narrowed(sql, filter)} ${beyond}
    order by ${order}
    limit ${request.limit}`;
  return pageOf(rows, request, placeOf);
}

/**
 * Each member's changes, newest first; ties broken by id.
 * @param userIds  1-500 ids, duplicates allowed.
 * @returns one page per id, in `userIds` order.
 * @throws BAD_PAGE, BAD_CURSOR
 * @source table field_history; index (community_id, user_id, created_at desc, id desc).
 * @cost one query, O(members x page) rows.
 */
export async function changesByUser(
  sql: Sql,
  communityId: string,
  userIds: readonly string[],
  filter: FieldChangeFilter,
  page: PageArguments,
): Promise<Page<FieldChange>[]> {
  return changesBy(sql, communityId, 'user_id', userIds, filter, page);
}

/** Each field's changes, newest first; otherwise as `changesByUser`. */
export async function changesByField(
  sql: Sql,
  communityId: string,
  fieldIds: readonly string[],
  filter: FieldChangeFilter,
  page: PageArguments,
): Promise<Page<FieldChange>[]> {
  return changesBy(sql, communityId, 'field_id', fieldIds, filter, page);
}

/** Changes by id, in their order; null where there is none. @cost one query by primary key. */
export async function changesById(
  sql: Sql,
  communityId: string,
  ids: readonly string[],
): Promise<(FieldChange | null)[]> {
  const rows = await sql<FieldChange[]>`
    -- changesById
    select ${columns(sql)}
    from community.field_history h
    where h.community_id = ${communityId} and h.id = any(${ids as string[]})`;
  return alignTo(ids, rows, ({ id }) => id);
}

/** Adds changes with sums that are worked out already, oldest first, and sets each value to its last sum. */
export async function addChanges(
  sql: Sql,
  communityId: string,
  changes: readonly FieldChange[],
): Promise<void> {
  await sql`
    -- addChanges
    with added as (
      insert into community.field_history (
        community_id, id, field_id, user_id, action, value, resulting_sum, idempotency_key, created_at
      )
      select ${communityId}, c.id, c."fieldId", c."userId", c.action, c.value, c."resultingSum", c."idempotencyKey",
        c."createdAt"
      from jsonb_to_recordset(${sql.json(changes as never)}) c(
        id text, "fieldId" text, "userId" text, action text, value numeric, "resultingSum" numeric,
        "idempotencyKey" text, "createdAt" timestamptz
      )
      on conflict do nothing
      returning *
    )
    insert into community.field_value (community_id, user_id, field_id, number, updated_at)
    select distinct on (user_id, field_id) community_id, user_id, field_id, resulting_sum, created_at
    from added
    order by user_id, field_id, created_at desc, id desc
    on conflict (community_id, user_id, field_id) do update set number = excluded.number, updated_at = excluded.updated_at`;
}

async function changesBy(
  sql: Sql,
  communityId: string,
  column: 'user_id' | 'field_id',
  owners: readonly string[],
  filter: FieldChangeFilter,
  page: PageArguments,
): Promise<Page<FieldChange>[]> {
  const request = pageRequest('field-history', page);
  const { beyond, order } = keyset(sql, request, listOrder);
  const rows = await sql<(FieldChange & { owner: string })[]>`
    -- changesBy
    select o.owner, h.*
    from unnest(${owners as string[]}::text[]) as o(owner)
    cross join lateral (
      select ${columns(sql)}
      from community.field_history h
      where h.community_id = ${communityId} and h.${sql(column)} = o.owner
        ${narrowed(sql, filter)} ${beyond}
      order by ${order}
      limit ${request.limit}
    ) h`;
  return groupTo(owners, rows, ({ owner }) => owner).map((own) => pageOf(own, request, placeOf));
}

async function mustTakeChanges(sql: Sql, communityId: string, fieldId: string): Promise<void> {
  const [field] = await fieldsById(sql, communityId, [fieldId]);
  if (field == null)
    throw new Refusal('NOT_FOUND', `No field has the id "${fieldId}".`, {}, ['input', 'fieldId']);
  if (field.locked) {
    throw new Refusal('FIELD_LOCKED', `Field "${field.key}" is locked.`, {}, ['input', 'fieldId']);
  }
  if (field.type === 'NUMBER') return;
  const message = `Field "${field.key}" is of type ${field.type}; changes are recorded of NUMBER fields.`;
  throw new Refusal('VALIDATION_FAILED', message, {}, ['input', 'fieldId']);
}

async function mustBeMember(sql: Sql, communityId: string, userId: string): Promise<void> {
  const [found] = await sql<{ userId: string | null }[]>`
    -- mustBeMember
    select user_id as "userId" from identity.find_members(${communityId}, ${sql.json([{ id: userId }])})`;
  if (found?.userId == null)
    throw new Refusal('NOT_FOUND', `No user has the id "${userId}".`, {}, ['input', 'userId']);
}

// Read in a statement of its own: the snapshot of the one that lost the race is older than the winner's row.
async function firstChangeOf(sql: Sql, communityId: string, change: NewFieldChange): Promise<FieldChange> {
  const [first] = await sql<(FieldChange & { same: boolean })[]>`
    -- firstChangeOf
    select ${columns(sql)},
      (h.field_id, h.user_id, h.action, h.value)
        = (${change.fieldId}, ${change.userId}, ${change.action}, ${change.value}::numeric) as same
    from community.field_history h
    where h.community_id = ${communityId} and h.idempotency_key = ${change.idempotencyKey}`;
  if (first === undefined)
    throw new Error('A change that conflicts with an idempotency key has a first change.');
  const { same, ...answer } = first;
  if (same) return answer;
  throw new Refusal(
    'IDEMPOTENCY_KEY_REUSED',
    `The idempotency key "${change.idempotencyKey}" was used for another change: use a new key for a new change.`,
    {},
    ['input', 'idempotencyKey'],
  );
}

function columns(sql: Sql) {
  return sql`h.id, h.field_id as "fieldId", h.user_id as "userId", h.action, trim_scale(h.value) as value,
    trim_scale(h.resulting_sum) as "resultingSum", h.idempotency_key as "idempotencyKey", h.created_at as "createdAt"`;
}

function narrowed(sql: Sql, { fieldIds, userIds, actions }: FieldChangeFilter) {
  return sql`
    ${fieldIds == null ? sql`` : sql`and h.field_id = any(${fieldIds as string[]})`}
    ${userIds == null ? sql`` : sql`and h.user_id = any(${userIds as string[]})`}
    ${actions == null ? sql`` : sql`and h.action = any(${actions as string[]})`}`;
}

function placeOf({ createdAt, id }: FieldChange): Place {
  return { at: createdAt, id };
}
