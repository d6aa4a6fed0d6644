import 'reflect-metadata';
import { buildSubgraphSchema } from '@apollo/subgraph';
import { getDocumentNodeFromSchema } from '@graphql-tools/utils';
import { type GraphQLSchema, parse, print } from 'graphql';
import {
  buildSchemaSync,
  createResolversMap,
  Directive,
  type MiddlewareFn,
  Mutation,
  type ResolverData,
  UseMiddleware,
} from 'type-graphql';
import { ZodError, type ZodType } from 'zod';
import type { Chore } from './chore.ts';
import type { Context, Resources } from './context.ts';
import type { Sql } from './db.ts';
import { type References, resolveEntities } from './entities.ts';
import { Refusal } from './errors.ts';
import type { FileRecords } from './file-server.ts';
import { boundSubscriptions, idBound, pathToLongId } from './id-bound.ts';
import type { Prune } from './log.ts';
import type { LogReader } from './log-reader.ts';
import { pageSize } from './page.ts';
import type { Scope } from './scopes.ts';

// A subgraph is a list of features. This file turns the features' classes into a federated schema; no feature repeats
// any of it.

// biome-ignore lint/complexity/noBannedTypes: type-graphql's own words for "a class".
type Class = Function;

/** What a feature's GraphQL file exports. */
export interface Feature {
  /** The word the feature is found by. */
  name: string;
  /** Resolver classes: queries, mutations, subscriptions, fields of other types. */
  resolvers: Class[];
  /** Types that no field names directly: implementers of interfaces, entities only reached by key. */
  types?: Class[];
  /** How an entity is found by its key, for `_entities`; by the GraphQL name of its type. */
  references?: References<Context>;
  /** What the feature does in the background. */
  readers?: (resources: Resources) => LogReader[];
  /** What it does by the clock. */
  chores?: readonly Chore[];
  /** Forgets what of the feature is older than its retention. */
  prune?: (sql: Sql, resources: Resources) => Promise<unknown>;
  /** Knows of files that are sent and read over HTTP, below `/files/`; one feature of all subgraphs does. */
  files?: FileRecords;
}

export interface Subgraph {
  name: string;
  /** What is composed: the schema with its federation directives. */
  sdl: string;
  schema: GraphQLSchema;
  readers(resources: Resources): LogReader[];
  chores: readonly Chore[];
  prunes(resources: Resources): Prune[];
  files: FileRecords | undefined;
}

const federation = 'https://specs.apollo.dev/federation/v2.9';
const imported = [
  '@authenticated',
  '@composeDirective',
  '@cost',
  '@inaccessible',
  '@key',
  '@listSize',
  '@requiresScopes',
  '@shareable',
  '@tag',
];

/** Marks subscription fields that can be resumed; the gateway reads it from the supergraph. */
const resumableDefinition = `extend schema
  @link(url: "https://laurel.dev/resumable/v1.0", import: ["@resumable"])
  @composeDirective(name: "@resumable")

"""A stream whose items carry a cursor, and that goes on after a cursor given back to it."""
directive @resumable(
  """The field of an item that holds its cursor."""
  cursor: String!
  """The argument that takes the cursor to go on after."""
  after: String!
  """Types of the items that say that the stream is live: what was missed, if anything, has been sent."""
  live: [String!]
  """A type of the items, that the gateway makes when it ends a stream: it has the fields reason and reconnectAfterMs."""
  ending: String
) on FIELD_DEFINITION
`;

/** graphql-js knows this directive by itself, @apollo/subgraph has to be told. */
const oneOfDefinition = '\ndirective @oneOf on INPUT_OBJECT\n';

/** Builds a subgraph of its features. Pure: the same features give the same SDL, whatever else is loaded. */
export function subgraph(name: string, features: readonly Feature[]): Subgraph {
  const built = buildSchemaSync({
    resolvers: features.flatMap(({ resolvers }) => resolvers) as unknown as [Class],
    orphanedTypes: features.flatMap(({ types = [] }) => types),
    validate: false,
    validateFn: checkArgument,
    pubSub: noBroker,
  });
  const body = print(getDocumentNodeFromSchema(built));
  const sdl = [
    `extend schema @link(url: "${federation}", import: ${JSON.stringify(imported)})`,
    body.includes('@resumable') ? resumableDefinition : '',
    body,
  ]
    .filter((part) => part !== '')
    .join('\n\n');

  const resolvers = createResolversMap(built) as never;
  const schema = buildSubgraphSchema({ typeDefs: parse(sdl + oneOfDefinition), resolvers });
  boundSubscriptions(schema);
  resolveEntities(schema, Object.assign({}, ...features.map(({ references }) => references)));
  return {
    name,
    sdl: `${sdl}\n`,
    schema,
    readers: (resources) => features.flatMap(({ readers }) => readers?.(resources) ?? []),
    chores: features.flatMap(({ chores = [] }) => chores),
    prunes: (resources) =>
      features.flatMap(({ prune }) => (prune === undefined ? [] : (sql: Sql) => prune(sql, resources))),
    files: features.find(({ files }) => files !== undefined)?.files,
  };
}

/**
 * `@key(fields: …)`: how other subgraphs refer to this type.
 * @param resolvable  false for a type that is only referred to here, and that this subgraph adds nothing to.
 */
export function Key(fields: string, resolvable = true): ClassDecorator {
  return Directive(`@key(fields: "${fields}"${resolvable ? '' : ', resolvable: false'})`) as ClassDecorator;
}

/** `@shareable`: a value type that several subgraphs declare alike. */
export function Shareable(): ClassDecorator {
  return Directive('@shareable') as ClassDecorator;
}

/** `@requiresScopes`: the scope a caller needs to see and select the field, or any field of the type. */
export function Scoped(scope: Scope): ClassDecorator & MethodDecorator & PropertyDecorator {
  return Directive(`@requiresScopes(scopes: [["${scope}"]])`) as ClassDecorator &
    MethodDecorator &
    PropertyDecorator;
}

/** `@authenticated`: any credential will do. */
export function Authenticated(): MethodDecorator & PropertyDecorator {
  return Directive('@authenticated') as MethodDecorator & PropertyDecorator;
}

/**
 * `@tag(name: "partner")`: keys of the partner audience see the field, or every field of the type. A type's tag counts for
 * all that other subgraphs add to it. What a field takes and returns comes along if it isn't an object; objects say for
 * themselves.
 */
export function Partner(): ClassDecorator & MethodDecorator & PropertyDecorator {
  return Directive('@tag(name: "partner")') as ClassDecorator & MethodDecorator & PropertyDecorator;
}

/** `@cost`: what one value of the field costs, where it is more than its type tells. */
export function Cost(weight: number): MethodDecorator & PropertyDecorator {
  return Directive(`@cost(weight: ${weight})`) as MethodDecorator & PropertyDecorator;
}

/** `@listSize` of a connection: `first` or `last` say how many rows it brings. */
export function Paged(by = ['first', 'last']): MethodDecorator & PropertyDecorator {
  const size = `assumedSize: ${pageSize.default}, slicingArguments: ${JSON.stringify(by)}`;
  return Directive(
    `@listSize(${size}, sizedFields: ["edges", "nodes"], requireOneSlicingArgument: false)`,
  ) as MethodDecorator & PropertyDecorator;
}

/** `@listSize` of a page by numbers: `limit` says how many rows it brings. Counting the list is for `@Cost`. */
export function PagedByNumber(): MethodDecorator & PropertyDecorator {
  const size = `assumedSize: ${pageSize.default}, slicingArguments: ["limit"]`;
  return Directive(
    `@listSize(${size}, sizedFields: ["nodes"], requireOneSlicingArgument: false)`,
  ) as MethodDecorator & PropertyDecorator;
}

/** `@listSize` of a list without pages: how many items it usually has. */
export function Usually(items: number): MethodDecorator & PropertyDecorator {
  return Directive(`@listSize(assumedSize: ${items})`) as MethodDecorator & PropertyDecorator;
}

/** `@resumable`: for subscription fields that yield StreamItems. */
export function Resumable(): MethodDecorator {
  const live = JSON.stringify(['StreamReady', 'StreamResumed', 'StreamGap']);
  const items = `live: ${live}, ending: "StreamEnding"`;
  return Directive(`@resumable(cursor: "cursor", after: "after", ${items})`) as MethodDecorator;
}

/** Who may call a mutation: the holders of a scope, of any credential, or everybody. */
type Callers = Scope | 'authenticated' | 'public';

/**
 * A mutation: who may call it, and its expected refusals as `userErrors` of the payload instead of top-level errors.
 * @param payload  a class made by `extends Payload`.
 */
export function Write<P extends { userErrors: unknown[] }>(
  payload: () => new () => P,
  { scope, description }: { scope: Callers; description: string },
): MethodDecorator {
  const decorators = [
    ...(scope === 'public' ? [] : [scope === 'authenticated' ? Authenticated() : Scoped(scope)]),
    Mutation(payload, { description: `${description} ${callersSaid(scope)}` }),
    UseMiddleware(refusalsAsUserErrors(payload)),
  ] as MethodDecorator[];
  return (target, key, descriptor) => {
    for (const decorate of decorators) decorate(target, key, descriptor);
  };
}

function callersSaid(scope: Callers): string {
  if (scope === 'public') return 'Public.';
  return scope === 'authenticated' ? 'Takes any credential.' : `Scope: ${scope}.`;
}

function refusalsAsUserErrors<P extends { userErrors: unknown[] }>(payload: () => new () => P): MiddlewareFn {
  return async (_action, next) => {
    try {
      return await next();
    } catch (error) {
      if (error instanceof ZodError) {
        return refused(
          payload,
          error.issues.map(({ message, path }) => ({
            code: 'VALIDATION_FAILED',
            message,
            path: ['input', ...path.map(String)],
          })),
        );
      }
      if (error instanceof Refusal && error.place === 'payload') {
        const { code, message, path = null } = error;
        return refused(payload, [{ code, message, path }]);
      }
      throw error;
    }
  };
}

function refused<P extends { userErrors: unknown[] }>(payload: () => new () => P, userErrors: unknown[]): P {
  const answer = new (payload())();
  answer.userErrors = userErrors;
  return answer;
}

/** An input or arguments class with the bounds of its values: `static rules = z.object({ … })`. */
interface Ruled {
  rules?: ZodType;
  /** Its items are answered one by one, and their ids are checked with each. */
  answersItems?: boolean;
}

/** Checks what type-graphql hands over before a resolver sees it. In a mutation each problem becomes a `userErrors` item. */
function checkArgument(value: unknown, type: unknown, { args, info }: ResolverData): void {
  const isMutation = info.parentType.name === 'Mutation';
  const refuse = (message: string, path: readonly string[]): Refusal =>
    isMutation
      ? new Refusal('VALIDATION_FAILED', message, {}, path)
      : new Refusal('BAD_ARGUMENT', path.length === 0 ? message : `${path.join('.')}: ${message}`);

  const unstorable = pathToUnstorable(value);
  if (unstorable !== undefined) throw refuse(storableText, isMutation ? ['input', ...unstorable] : []);

  const { rules, answersItems = false } = (type ?? {}) as Ruled;
  const field = info.parentType.getFields()[info.fieldName];
  const long = answersItems || field === undefined ? undefined : pathToLongId(field, args);
  if (long !== undefined) throw refuse(idBound, long);

  if (rules === undefined || value == null) return;
  const { error } = rules.safeParse(value);
  if (error === undefined) return;
  throw isMutation ? error : badArgument(error);
}

const storableText = 'Text is valid Unicode without NUL.';

/** Where in an argument a text stands that PostgreSQL can't keep; undefined when all can be kept. */
function pathToUnstorable(value: unknown, path: readonly string[] = []): readonly string[] | undefined {
  if (typeof value === 'string') return value.isWellFormed() && !value.includes('\0') ? undefined : path;
  if (typeof value !== 'object' || value === null) return undefined;
  for (const [key, inner] of Object.entries(value)) {
    const found = pathToUnstorable(key, path) ?? pathToUnstorable(inner, [...path, key]);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** The arguments of a subscription within the bounds of their class; for `subscribe`, which type-graphql doesn't check. */
export function checked<Args>({ rules }: { rules: ZodType }, args: Args): Args {
  if (pathToUnstorable(args) !== undefined) throw new Refusal('BAD_ARGUMENT', storableText);
  const { error } = rules.safeParse(args);
  if (error !== undefined) throw badArgument(error);
  return args;
}

function badArgument({ issues: [problem] }: ZodError): Refusal {
  return new Refusal('BAD_ARGUMENT', `${problem?.path.join('.')}: ${problem?.message}`);
}

/** Subscriptions read the log; type-graphql asks for a broker all the same. */
const noBroker = {
  publish() {},
  subscribe(): never {
    throw new Error('Subscriptions follow the log, not a broker.');
  },
};
