import { GraphQLError } from 'graphql';
import { Arg, Ctx, Field, ID, InterfaceType, ObjectType, Query, Resolver } from 'type-graphql';
import { Refusal } from '../../subgraphs/errors.ts';
import { type Feature, Key, Partner } from '../../subgraphs/feature.ts';
import { type EntityName, entityOf, idPrefixes } from '../../subgraphs/id.ts';
import { perRequest } from '../../subgraphs/loader.ts';
import type { Scope } from '../../subgraphs/scopes.ts';
import { type Result, SubgraphFailure } from '../engine/index.ts';
import type { OwnContext } from './context.ts';

// Any entity by its id alone, as Relay's clients fetch it again. The id's prefix tells the type, and the subgraph that owns
// the type whether there is one; what isn't there and what the caller may not see are the same null.

@InterfaceType({
  autoRegisterImplementations: false,
  description: 'What can be fetched again by its id alone.',
})
abstract class Node {
  @Field(() => ID, { description: 'The id; its prefix tells the type: `usr_…`.' })
  id!: string;
}

/** How it is found out whether an entity exists. */
interface NodeType {
  /** The subgraph that knows. */
  owner: string;
  /** What a caller needs to be told of one; its owner's rules come on top, or stand alone when undefined. */
  scope: Scope | undefined;
  /** A reference to an entity, all that this subgraph has of it. */
  Reference: new () => Node;
}

const key = nodeType('ApiKey', 'identity', undefined, 'A key, without its secret.', true);

/** A reference to a key, to which this subgraph adds what the gateway knows of it. */
export const ApiKey = key[1].Reference;

const nodeTypes: ReadonlyMap<EntityName, NodeType> = new Map([
  key,
  nodeType('User', 'identity', 'users:read', 'A person in a community.'),
  nodeType(
    'Penalty',
    'identity',
    'penalties:read',
    'What misconduct brought a person: a warning, a suspension or a ban. Scope: penalties:read.',
  ),
  nodeType('Community', 'community', 'community:read', 'A community: its people, places and game.'),
  nodeType('Channel', 'community', 'community:read', 'A place to talk.'),
  nodeType(
    'Role',
    'community',
    'community:read',
    'What its holders may do beyond what every member may. Scope: community:read.',
  ),
  nodeType('Field', 'community', 'fields:read', 'A custom field of members. Scope: fields:read.'),
  nodeType('FieldHistory', 'community', 'fields:read', "One change of a member's field. Scope: fields:read."),
  nodeType(
    'Activity',
    'gamification',
    'stats:read',
    'Something that a person did, in the words of that time. Scope: stats:read.',
  ),
  nodeType('Badge', 'gamification', 'stats:read', 'A distinction to award. Scope: stats:read.'),
  nodeType('BadgeAward', 'gamification', 'stats:read', 'A badge that a person holds. Scope: stats:read.'),
  nodeType(
    'Leaderboard',
    'gamification',
    'stats:read',
    'Who leads: people ranked by what they gained. Scope: stats:read.',
  ),
  nodeType(
    'LedgerEntry',
    'gamification',
    'stats:read',
    'One change of what a person has. Never changed, never deleted. Scope: stats:read.',
  ),
  nodeType(
    'ForumTopic',
    'messaging',
    'messages:read',
    'What messages of a forum gather under. Scope: messages:read.',
  ),
  nodeType(
    'Rule',
    'gamification',
    'stats:read',
    'What an event of one type earns, and how often. Scope: stats:read.',
  ),
  nodeType(
    'Tier',
    'gamification',
    'stats:read',
    'A broad rank by XP, and what it brings. Scope: stats:read.',
  ),
  nodeType('Message', 'messaging', 'messages:read', 'What somebody said in a channel. Scope: messages:read.'),
]);

/**
 * @param description  the owner's, word by word.
 * @param added        whether this subgraph adds fields to it.
 */
function nodeType(
  name: EntityName,
  owner: string,
  scope: Scope | undefined,
  description: string,
  added = false,
): readonly [EntityName, NodeType] {
  @ObjectType(name, { implements: Node, simpleResolvers: true, description })
  @Key('id', added)
  class Reference extends Node {
    @Field(() => ID, { description: `\`${idPrefixes[name]}_…\`.` })
    declare id: string;
  }
  return [name, { owner, scope, Reference }];
}

const mostIds = 100;

/** What is no id is null, however it looks and however long it is. */
const anyText = (): void => {};

const nodeById = perRequest<string, Node | null, OwnContext>(async (ids, context) => {
  const byOwner = new Map<string, string[]>();
  for (const id of ids) {
    const owner = visibleTypeOf(id, context)?.owner;
    if (owner !== undefined) byOwner.set(owner, [...(byOwner.get(owner) ?? []), id]);
  }
  const found = new Map<string, Node | Error>();
  await Promise.all([...byOwner].map(([owner, owned]) => lookUp(owner, owned, context, found)));
  return ids.map((id) => found.get(id) ?? null);
});

@Resolver()
class NodeResolver {
  @Partner()
  @Query(() => Node, {
    nullable: true,
    description:
      'Whatever has this id; null when nothing has, or nothing that the caller may see. Public; each type needs its scope.',
  })
  node(
    @Arg('id', () => ID, { description: 'The id of any type that implements Node.', validateFn: anyText })
    id: string,
    @Ctx() context: OwnContext,
  ): Promise<Node | null> {
    return nodeById(context).load(id);
  }

  @Partner()
  @Query(() => [Node], {
    nullable: 'items',
    description: 'Whatever has these ids, in their order; null for each that `node` has null for. Public.',
  })
  nodes(
    @Arg('ids', () => [ID], {
      description: '1-100 ids, of any types; duplicates allowed.',
      validateFn: anyText,
    })
    ids: string[],
    @Ctx() context: OwnContext,
  ): Promise<(Node | Error | null)[]> {
    if (ids.length < 1 || ids.length > mostIds)
      throw new Refusal('BAD_ARGUMENT', `ids: 1-${mostIds} ids at a time, got ${ids.length}.`);
    return nodeById(context).loadMany(ids);
  }
}

function visibleTypeOf(id: string, { caller }: OwnContext): NodeType | undefined {
  const name = entityOf(id) as EntityName;
  const type = nodeTypes.get(name);
  const { principal, seesPart, view } = caller;
  // What the view doesn't have could not be told anyway, and whether it exists isn't told either.
  if (view.schema.getType(name) === undefined) return undefined;
  const isHidden = seesPart && type?.scope !== undefined && !principal.scopes.includes(type.scope);
  return isHidden ? undefined : type;
}

const existenceText =
  'query exist($representations: [_Any!]!) { _entities(representations: $representations) { __typename } }';

/** Codes of owners that mean: not for this caller, whether or not it is there. */
const unseen: readonly unknown[] = ['FORBIDDEN', 'NOT_FOUND', 'COMMUNITY_REQUIRED', 'NEEDS_USER'];

/** Asks an owner which of its entities there are, all at once. */
async function lookUp(
  owner: string,
  ids: readonly string[],
  { caller, subgraphs, fault }: OwnContext,
  found: Map<string, Node | Error>,
): Promise<void> {
  const representations = ids.map((id) => ({ __typename: entityOf(id), id }));
  const failed = (code: string, message: string) =>
    new GraphQLError(message, { extensions: { code, subgraph: owner } });
  const call = { kind: 'query', text: existenceText, variables: { representations }, caller } as const;
  let answer: Result | undefined;
  try {
    answer = await subgraphs.get(owner)?.execute({ ...call, signal: undefined });
  } catch (error) {
    if (!(error instanceof SubgraphFailure)) throw error;
    fault(error.cause ?? error, `nodes of subgraph ${owner}`);
    const failure = failed(error.code, error.message);
    for (const id of ids) found.set(id, failure);
    return;
  }
  const { data, errors = [] } = answer ?? {};
  const entities = (data?._entities ?? []) as readonly unknown[];
  for (const [at, id] of ids.entries()) {
    if (entities[at] == null) continue;
    const { Reference } = nodeTypes.get(entityOf(id) as EntityName) as NodeType;
    found.set(id, Object.assign(new Reference(), { id }));
  }
  for (const { message, path, extensions = {} } of errors) {
    const { code } = extensions;
    if (unseen.includes(code)) continue;
    // Only errors with a code are meant to be read outside.
    if (typeof code !== 'string') fault(message, `nodes of subgraph ${owner}`);
    const failure =
      typeof code === 'string'
        ? new GraphQLError(message, { extensions })
        : failed('SUBGRAPH_ERROR', `Subgraph "${owner}" failed to answer this field.`);
    // An error without a place concerns all that was asked.
    const at = path?.[1];
    for (const id of at === undefined ? ids : ids.slice(Number(at), Number(at) + 1)) found.set(id, failure);
  }
}

export const node: Feature = {
  name: 'node',
  resolvers: [NodeResolver],
  types: [...nodeTypes.values()].map(({ Reference }) => Reference),
};
