import {
  ArgsType,
  type ClassType,
  Directive,
  Field,
  ID,
  InputType,
  Int,
  ObjectType,
  registerEnumType,
} from 'type-graphql';
import { z } from 'zod';
import { Partner, Shareable } from './feature.ts';
import { type NumberedPage, type Page, pageSize } from './page.ts';
import { DateTime, Day, TimeZone } from './scalars.ts';

// The value types that several subgraphs declare: here once, so that they are the same everywhere.

@ObjectType({ simpleResolvers: true, description: 'Where a page stands in its list.' })
@Shareable()
@Partner()
export class PageInfo {
  @Field(() => Boolean, { description: 'More follows after `endCursor`.' })
  hasNextPage!: boolean;

  @Field(() => Boolean, { description: 'More stands before `startCursor`.' })
  hasPreviousPage!: boolean;

  @Field(() => String, {
    nullable: true,
    description: 'The cursor of the first edge; null on an empty page.',
  })
  startCursor!: string | null;

  @Field(() => String, { nullable: true, description: 'The cursor of the last edge; null on an empty page.' })
  endCursor!: string | null;
}

@ArgsType()
export class PageArgs {
  @Field(() => Int, {
    nullable: true,
    description: 'Rows forwards, 1-100; 20 when neither `first` nor `last` is given.',
  })
  first?: number | null;

  @Field(() => String, { nullable: true, description: 'Start after this cursor.' })
  after?: string | null;

  @Field(() => Int, { nullable: true, description: 'Rows backwards, 1-100.' })
  last?: number | null;

  @Field(() => String, { nullable: true, description: 'Start before this cursor.' })
  before?: string | null;
}

export interface ConnectionOf<Node> {
  edges: { cursor: string; node: Node }[];
  nodes: Node[];
  pageInfo: PageInfo;
}

/**
 * The connection type of a node type: `const BadgeConnection = Connection(Badge, 'Badge')`. It shows partners no more than
 * the node and the field that names it do.
 */
export function Connection<Node extends object>(
  node: () => ClassType<Node>,
  name: string,
  list = name,
): new () => ConnectionOf<Node> {
  @ObjectType(`${list}Edge`, { simpleResolvers: true, description: `A ${name} and its place in the list.` })
  @Partner()
  class Edge {
    @Field(() => String, { description: 'Opaque; give it to `after` or `before`.' })
    cursor!: string;

    @Field(node, { description: `The ${name}.` })
    node!: Node;
  }

  @ObjectType(`${list}Connection`, { simpleResolvers: true, description: `A page of ${name}s.` })
  @Partner()
  class Page {
    @Field(() => [Edge], { description: 'The rows with their cursors.' })
    edges!: Edge[];

    @Field(() => [node()], { description: 'The rows alone.' })
    nodes!: Node[];

    @Field(() => PageInfo, { description: 'Where this page stands.' })
    pageInfo!: PageInfo;
  }
  return Page;
}

export interface NumberedOf<Node> {
  nodes: Node[];
  total: number;
  hasMore: boolean;
}

/** The type of a numbered page: `const LedgerPage = Numbered(() => LedgerEntry, 'LedgerEntry', 'Ledger')`. */
export function Numbered<Node extends object>(
  node: () => ClassType<Node>,
  name: string,
  list = name,
): new () => NumberedOf<Node> {
  @ObjectType(`${list}Page`, {
    simpleResolvers: true,
    description: `Some ${name}s by number, and how many there are.`,
  })
  class Page {
    @Field(() => [node()], { description: 'The rows.' })
    nodes!: Node[];

    @Field(() => Int, { description: 'How many rows the whole list has, exactly.' })
    total!: number;

    @Field(() => Boolean, { description: 'The list goes on after this page.' })
    hasMore!: boolean;
  }
  return Page;
}

/** A numbered page as its type has it. */
export function numberedOf<Row extends object>({ rows, total, offset }: NumberedPage<Row>): NumberedOf<Row> {
  return { nodes: rows, total, hasMore: offset + rows.length < total };
}

/** A page of rows as the connection of their nodes. */
export function connectionOf<Row, Node>(page: Page<Row>, toNode: (row: Row) => Node): ConnectionOf<Node> {
  const edges = page.edges.map(({ cursor, node }) => ({ cursor, node: toNode(node) }));
  return {
    edges,
    nodes: edges.map(({ node }) => node),
    pageInfo: {
      hasNextPage: page.hasNextPage,
      hasPreviousPage: page.hasPreviousPage,
      startCursor: edges[0]?.cursor ?? null,
      endCursor: edges.at(-1)?.cursor ?? null,
    },
  };
}

@ObjectType({ simpleResolvers: true, description: 'Text that may exist in several languages.' })
@Shareable()
@Partner()
export class LocalizedText {
  @Field(() => String, { description: 'The text.' })
  text!: string;

  @Field(() => String, { description: 'The language it is in, BCP 47.' })
  lang!: string;

  @Field(() => [String], { description: 'The languages it exists in.' })
  available!: string[];
}

/** The text of a jsonb column `{ "en": "…", "de": "…" }` in a language: see `langIn`. */
export function localized(texts: Record<string, string>, wanted = 'en'): LocalizedText {
  const available = Object.keys(texts).sort();
  const lang = langIn(available, wanted);
  return { text: texts[lang] ?? '', lang, available };
}

/** The one of these languages to show: the wanted one, what it is a variant of, English, else the first. */
export function langIn(available: readonly string[], wanted: string): string {
  const [base = wanted] = wanted.split('-');
  for (const lang of [wanted, base, 'en']) {
    const found = available.includes(lang) ? lang : available.find((one) => isSameLang(one, lang));
    if (found !== undefined) return found;
  }
  return available[0] ?? 'en';
}

function isSameLang(one: string, other: string): boolean {
  return one.toLowerCase() === other.toLowerCase();
}

/** How inputs say which language something is in. */
export const langDescription =
  'The language, BCP 47, at most 35 characters: `en`, `pt-BR`. Each stands once: `EN` is `en`.';

/** The bounds of a language. */
export const langRules = z
  .string()
  .max(35, 'A language is a BCP 47 tag: `en`, `pt-BR`.')
  .regex(/^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$/, 'A language is a BCP 47 tag: `en`, `pt-BR`.');

/** Whether each language stands once; `EN` is `en`. */
export function isOnceALang(rows: readonly { lang: string }[]): boolean {
  return new Set(rows.map(({ lang }) => lang.toLowerCase())).size === rows.length;
}

/** The bounds of a URL that clients load or open: a script is one too, as `javascript:`. */
export const webUrl = z
  .custom<URL | string>()
  .refine(
    (url) => /^https?:\/\//i.test(String(url)) && String(url).length <= 2_000,
    'A URL begins with https:// or http:// and has at most 2,000 characters.',
  );

@InputType({ description: 'A text in one language.' })
export class LocalizedTextInput {
  @Field(() => String, { description: langDescription })
  lang!: string;

  @Field(() => String, { description: 'The text.' })
  text!: string;
}

/** The bounds of a text in several languages. @param longest  characters in each at most. */
export function localizedTexts(longest: number) {
  const words = `A text has 1-${longest} characters.`;
  return z
    .array(
      z.object({
        lang: langRules,
        text: z
          .string()
          .max(longest, words)
          .refine((text) => isVisible(text), words),
      }),
    )
    .min(1, 'Texts are in 1-20 languages, each once.')
    .max(20, 'Texts are in 1-20 languages, each once.')
    .refine(isOnceALang, 'Texts are in 1-20 languages, each once.');
}

/** Texts as a jsonb column holds them: `{ "en": "…", "de": "…" }`. */
export function textsOf(texts: readonly LocalizedTextInput[]): Record<string, string> {
  return Object.fromEntries(texts.map(({ lang, text }) => [lang, text]));
}

@ObjectType({
  simpleResolvers: true,
  description: 'Why a mutation changed nothing: an expected "no", to show to a person or handle in code.',
})
@Shareable()
@Partner()
export class UserError {
  @Field(() => String, {
    description: 'A code of the documented list, which may grow: `VALIDATION_FAILED`, `NOT_FOUND` …',
  })
  code!: string;

  @Field(() => String, { description: 'What was wrong and what would be right.' })
  message!: string;

  @Field(() => [String], {
    nullable: true,
    description: 'The input value it is about: `["input", "value"]`.',
  })
  path!: string[] | null;
}

/** What every mutation's payload has; subclasses add the changed entity, nullable. */
@ObjectType({ simpleResolvers: true })
export abstract class Payload {
  @Field(() => [UserError], { description: 'Why nothing was changed; empty when it was.' })
  userErrors: UserError[] = [];
}

/** A payload of a mutation that takes an idempotency key. */
@ObjectType({ simpleResolvers: true })
export abstract class ReplayablePayload extends Payload {
  @Field(() => Boolean, {
    description: 'The key was used before with the same input, and this is the first answer again.',
  })
  replayed = false;
}

/** Whether something of a text can be seen: blanks, control characters and characters of no width can't. */
export function isVisible(text: string): boolean {
  return /[^\p{White_Space}\p{Default_Ignorable_Code_Point}\p{Cc}]/u.test(text);
}

/** The bounds of an idempotency key. */
export const idempotencyKey = z
  .string()
  .min(1, 'An idempotency key has 1-200 characters.')
  .max(200, 'An idempotency key has 1-200 characters.');

export enum ExternalSystem {
  RETURNING = 'RETURNING',
  GAMIFYHOST = 'GAMIFYHOST',
  LYNES = 'LYNES',
}
registerEnumType(ExternalSystem, {
  name: 'ExternalSystem',
  description: 'A system whose ids stored elsewhere keep working here.',
  valuesConfig: {
    RETURNING: { description: 'Returning.AI.' },
    GAMIFYHOST: { description: 'GamifyHost.' },
    LYNES: { description: 'Lynes Loyalty.' },
  },
});

@InputType({ description: 'An id that another system gave.' })
export class ExternalIdInput {
  @Field(() => ExternalSystem, { description: 'The system.' })
  system!: ExternalSystem;

  @Field(() => String, { description: 'The id as that system writes it, 1-200 characters.' })
  value!: string;
}

@InputType({ description: 'Names one person, in exactly one way.' })
@Directive('@oneOf')
export class UserIdentifierInput {
  static rules = z.object({
    id: z.string().max(64).optional(),
    email: z.string().max(320).optional(),
    username: z.string().max(100).optional(),
    external: z.object({ value: z.string().min(1).max(200) }).optional(),
  });

  @Field(() => ID, { nullable: true, description: 'The id here: `usr_…`.' })
  id?: string;

  @Field(() => String, {
    nullable: true,
    description: 'The e-mail address; upper and lower case are the same.',
  })
  email?: string;

  @Field(() => String, { nullable: true, description: 'The user name; upper and lower case are the same.' })
  username?: string;

  @Field(() => ExternalIdInput, { nullable: true, description: 'The id in another system.' })
  external?: ExternalIdInput;
}

@InputType({ description: 'Moments from `from` up to `to`; without end where one is left out.' })
export class TimeRangeInput {
  static rules = z
    .object({ from: z.date().nullish(), to: z.date().nullish() })
    .refine(({ from, to }) => from == null || to == null || from < to, 'A range ends after it begins.');

  @Field(() => DateTime, { nullable: true, description: 'From this moment on.' })
  from?: Date | null;

  @Field(() => DateTime, { nullable: true, description: 'Before this moment.' })
  to?: Date | null;
}

/** Paging by numbers, for callers that count pages. */
@ArgsType()
export class NumberedArgs {
  @Field(() => Int, {
    defaultValue: 0,
    description: 'Rows to skip; with `limit` at most 10,000.',
  })
  offset!: number;

  @Field(() => Int, { defaultValue: pageSize.default, description: 'Rows, 1-100.' })
  limit!: number;
}

@InputType({ description: 'Days from `from` to `to`, both included; at most 366.' })
export class DateRangeInput {
  @Field(() => Day, { description: 'The first day.' })
  from!: string;

  @Field(() => Day, { description: 'The last day.' })
  to!: string;

  @Field(() => TimeZone, {
    nullable: true,
    description: "Where days begin and end; the community's zone when absent.",
  })
  timeZone?: string | null;
}
