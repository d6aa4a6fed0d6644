import { GraphQLError, GraphQLScalarType } from 'graphql';
import {
  GraphQLBigInt,
  GraphQLDateTimeISO,
  GraphQLJSON,
  GraphQLLocalDate,
  GraphQLTimeZone,
  GraphQLURL,
} from 'graphql-scalars';

// The scalars of the graph. Checking is graphql-scalars'; names, descriptions and the serialising of rows are ours.

/** A moment; `Date` inside. */
export const DateTime = new GraphQLScalarType<Date, string>({
  ...GraphQLDateTimeISO.toConfig(),
  name: 'DateTime',
  description: 'A moment in UTC, ISO-8601 with milliseconds: `2026-03-01T09:30:00.000Z`.',
  serialize: (value) => (value instanceof Date ? value.toISOString() : String(value)),
});

/** A calendar day; `YYYY-MM-DD` inside. */
export const Day = new GraphQLScalarType<string, string>({
  ...(GraphQLLocalDate.toConfig() as ReturnType<GraphQLScalarType<string, string>['toConfig']>),
  name: 'Date',
  description: 'A calendar day, `YYYY-MM-DD`, in the time zone that stands beside it.',
  serialize: String,
});

export const TimeZone = new GraphQLScalarType({
  ...GraphQLTimeZone.toConfig(),
  name: 'TimeZone',
  description: 'A time zone of the IANA database: `Europe/Berlin`, `UTC`.',
});

export const Url = new GraphQLScalarType({
  ...GraphQLURL.toConfig(),
  name: 'URL',
  description: 'An absolute URL; inputs take `https:` and `http:` alone.',
  serialize: String,
});

export const Json = new GraphQLScalarType({
  ...GraphQLJSON.toConfig(),
  name: 'JSON',
  description: 'Any JSON value.',
});

/** An exact whole number; `bigint` inside. */
export const BigIntScalar = new GraphQLScalarType<bigint, number | string>({
  ...(GraphQLBigInt.toConfig() as unknown as ReturnType<
    GraphQLScalarType<bigint, number | string>['toConfig']
  >),
  name: 'BigInt',
  description:
    'A whole number of up to 64 bits. A JSON number up to 9,007,199,254,740,991, which every client reads exactly; a string of digits beyond.',
  serialize: (value) => {
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : String(value);
  },
  parseValue: (value) => parseBigInt(value),
  parseLiteral: (node) => parseBigInt('value' in node ? node.value : undefined),
});

/** An exact decimal number; text inside, as PostgreSQL's numeric is. */
export const Decimal = new GraphQLScalarType<string, string>({
  name: 'Decimal',
  description:
    'An exact decimal number of up to 20 digits before and 10 after the point, as a string: `"12.5"`. Inputs may be numbers too.',
  serialize: String,
  parseValue: (value) => parseDecimal(value),
  parseLiteral: (node) => parseDecimal('value' in node ? node.value : undefined),
});

/** A place in a stream; issued and read by `CursorSeal`. */
export const EventCursor = new GraphQLScalarType<string, string>({
  name: 'EventCursor',
  description:
    'A position in a stream of events. Opaque: keep the last one you got and send it as `after` to go on.',
  serialize: String,
  parseValue: (value) => parseCursor(value),
  parseLiteral: (node) => parseCursor('value' in node ? node.value : undefined),
});

/** All of them. */
export const scalars = [DateTime, Day, TimeZone, Url, Json, BigIntScalar, Decimal, EventCursor];

function parseBigInt(value: unknown): bigint {
  if (typeof value === 'bigint') return value;
  const text = typeof value === 'number' || typeof value === 'string' ? String(value) : '';
  if (!/^-?\d{1,19}$/.test(text)) throw badArgument('BigInt', 'a whole number of at most 64 bits', value);
  const number = BigInt(text);
  if (BigInt.asIntN(64, number) !== number)
    throw badArgument('BigInt', 'a whole number of at most 64 bits', value);
  return number;
}

function parseDecimal(value: unknown): string {
  const text = typeof value === 'number' || typeof value === 'string' ? String(value) : '';
  if (!/^-?\d{1,20}(\.\d{1,10})?$/.test(text)) {
    throw badArgument('Decimal', 'a decimal number of up to 20 digits before and 10 after the point', value);
  }
  return text;
}

function parseCursor(value: unknown): string {
  if (typeof value === 'string' && value.length <= 64) return value;
  throw badArgument('EventCursor', 'a cursor that a stream issued', value);
}

function badArgument(scalar: string, expected: string, value: unknown): GraphQLError {
  return new GraphQLError(`${scalar} is ${expected}, got ${JSON.stringify(value) ?? String(value)}.`);
}
