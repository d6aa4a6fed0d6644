import type { Sql, SqlPart } from './db.ts';

// Many rows as parameters of one statement: an array a column, which PostgreSQL reads about five times as fast as JSON.

type Trimmed<Text extends string> = Text extends `${' ' | '\n'}${infer Rest}` ? Trimmed<Rest> : Text;

/** The names in `id text, amount bigint`. */
type NamesIn<Columns extends string> = Columns extends `${infer First},${infer Rest}`
  ? NamesIn<First> | NamesIn<Rest>
  : Trimmed<Columns> extends `${infer Name} ${string}`
    ? Name
    : never;

/**
 * Rows as a table: `select e.id, e."userId" from ${rowsOf(tx, 'e', 'id text, userId text, amount bigint', entries)}`.
 * @param columns  their names in the rows and their types, none of them an array. Objects are JSON, `undefined` is null.
 */
export function rowsOf<const Columns extends string>(
  sql: Sql,
  name: string,
  columns: Columns,
  rows: readonly { readonly [Name in NamesIn<Columns>]: unknown }[],
): SqlPart {
  const named = columns.split(',').map((column) => column.trim().split(' ') as [NamesIn<Columns>, string]);
  const arrays = named.map(
    ([column, type], n) =>
      sql`${n === 0 ? sql`` : sql`, `}${arrayOf(rows, column)}::${sql.unsafe(`${type}[]`)}`,
  );
  return sql`unnest(${arrays}) as ${sql(name)}(${sql(named.map(([column]): string => column))})`;
}

/** A column as PostgreSQL reads an array: `{usr_1,NULL}`. */
function arrayOf<Name extends string>(
  rows: readonly { readonly [_ in Name]: unknown }[],
  column: Name,
): string {
  return `{${rows.map((row) => elementOf(row[column])).join(',')}}`;
}

function elementOf(value: unknown): string {
  if (value === null || value === undefined) return 'NULL';
  if (typeof value === 'string') return plain.test(value) ? value : quoted(value);
  if (value instanceof Date) return value.toISOString();
  return typeof value === 'object' ? quoted(JSON.stringify(value)) : String(value);
}

/** Text that needs no quotes, and isn't NULL. */
const plain = /^[\w.:-]+$(?<!^null$)/i;

function quoted(text: string): string {
  return `"${text.replace(/["\\]/g, '\\$&')}"`;
}
