import {
  Arg,
  Args,
  Ctx,
  Field,
  FieldResolver,
  ID,
  InputType,
  ObjectType,
  Resolver,
  Root,
} from 'type-graphql';
import { z } from 'zod';
import type { Context } from '../context.ts';
import { Refusal } from '../errors.ts';
import { Authenticated, type Feature, Paged, Write } from '../feature.ts';
import { communityOf } from '../principal.ts';
import { DateTime } from '../scalars.ts';
import {
  Connection,
  type ConnectionOf,
  connectionOf,
  idempotencyKey,
  PageArgs,
  Payload,
  ReplayablePayload,
  UserIdentifierInput,
} from '../shared.graphql.ts';
import {
  beginSession,
  endSession,
  pruneSessions,
  type Session as Row,
  refreshSession,
  sessionsPage,
} from './session.ts';
import { User, userById } from './user.graphql.ts';
import { Viewer } from './viewer.graphql.ts';

@ObjectType({ simpleResolvers: true, description: 'A person who was let in for a while.' })
class Session {
  userId!: string;

  @Field(() => ID, { description: '`ses_…`.' })
  id!: string;

  @Field(() => [String], { description: 'What it allows.' })
  scopes!: string[];

  @Field(() => [ID], { nullable: true, description: 'The channels it is limited to; null: not limited.' })
  channelIds!: string[] | null;

  @Field(() => DateTime, { description: 'When it began.' })
  createdAt!: Date;

  @Field(() => DateTime, { description: 'When it was last refreshed; before that when it began.' })
  refreshedAt!: Date;

  @Field(() => DateTime, { description: 'When it ends unless it is refreshed: 30 days after `refreshedAt`.' })
  expiresAt!: Date;

  @Field(() => DateTime, { nullable: true, description: 'When it was ended; null: it was not.' })
  endedAt!: Date | null;
}

const SessionConnection = Connection(() => Session, 'session', 'Session');

@InputType({ description: 'A person to let in.' })
class CreateSessionInput {
  static rules = z.object({
    user: UserIdentifierInput.rules,
    scopes: z.array(z.string().max(64)).max(100, 'Name each scope once, 100 at most.').nullish(),
    channelIds: z.array(z.string().max(64)).max(100, 'Name 1-100 channels, or leave them out.').nullish(),
    idempotencyKey,
  });

  @Field(() => UserIdentifierInput, { description: 'Who.' })
  user!: UserIdentifierInput;

  @Field(() => [String], {
    nullable: true,
    description: 'What it is to allow; what people do by themselves when left out.',
  })
  scopes?: string[] | null;

  @Field(() => [ID], { nullable: true, description: 'Limits it to 1-100 channels.' })
  channelIds?: string[] | null;

  @Field(() => String, {
    description: 'Any text of 1-200 characters, new for each session; kept for 30 days.',
  })
  idempotencyKey!: string;
}

@InputType({ description: 'A session to go on with.' })
class RefreshSessionInput {
  static rules = z.object({
    refreshToken: z.string().max(200, 'A refresh token has at most 200 characters.'),
  });

  @Field(() => String, { description: 'The refresh token that came last; it works once.' })
  refreshToken!: string;
}

@InputType({ description: 'A session to end.' })
class EndSessionInput {
  static rules = z.object({ id: z.string().min(1).max(64, 'An id has at most 64 characters.').nullish() });

  @Field(() => ID, { nullable: true, description: 'Which; the one of this request when left out.' })
  id?: string | null;
}

const accessTokenDescription =
  'What the app sends as `Authorization: Bearer`; works for 15 minutes at most, and not once the session has ended.';

@ObjectType({ simpleResolvers: true, description: 'What came of `createSession`.' })
class CreateSessionPayload extends ReplayablePayload {
  @Field(() => Session, { nullable: true, description: 'The session; null when it was refused.' })
  session: object | null = null;

  @Field(() => String, { nullable: true, description: accessTokenDescription })
  accessToken: string | null = null;

  @Field(() => DateTime, { nullable: true, description: 'When the access token ends.' })
  accessTokenExpiresAt: Date | null = null;

  @Field(() => String, {
    nullable: true,
    description: 'What `refreshSession` takes, shown this once; null in a repeat.',
  })
  refreshToken: string | null = null;
}

@ObjectType({ simpleResolvers: true, description: 'What came of `refreshSession`.' })
class RefreshSessionPayload extends Payload {
  @Field(() => String, { nullable: true, description: accessTokenDescription })
  accessToken: string | null = null;

  @Field(() => DateTime, { nullable: true, description: 'When the access token ends.' })
  accessTokenExpiresAt: Date | null = null;

  @Field(() => String, { nullable: true, description: 'What `refreshSession` takes next, shown this once.' })
  refreshToken: string | null = null;
}

@ObjectType({ simpleResolvers: true, description: 'What came of `endSession`.' })
class EndSessionPayload extends Payload {
  @Field(() => Session, { nullable: true, description: 'The session, ended; null when it was refused.' })
  session: object | null = null;
}

@Resolver(() => Session)
class SessionResolver {
  @Write(() => CreateSessionPayload, {
    scope: 'sessions:write',
    description: "Lets a person in, for the community's own back end: it takes the system key.",
  })
  async createSession(
    @Arg('input', () => CreateSessionInput, { description: 'Whom.' }) input: CreateSessionInput,
    @Ctx() context: Context,
  ): Promise<CreateSessionPayload> {
    const { sql, principal } = context;
    const begun = await beginSession(sql, principal, { ...input, user: { ...input.user } });
    const access = await accessTo(context, communityOf(principal), begun.session.id);
    return Object.assign(new CreateSessionPayload(), begun, access);
  }

  @Write(() => RefreshSessionPayload, {
    scope: 'public',
    description:
      'Goes on with a session by its refresh token, without any credential. A token of before ends the session.',
  })
  async refreshSession(
    @Arg('input', () => RefreshSessionInput, { description: 'Which.' }) input: RefreshSessionInput,
    @Ctx() context: Context,
  ): Promise<RefreshSessionPayload> {
    const { communityId, session, refreshToken } = await refreshSession(context.sql, input.refreshToken);
    const access = await accessTo(context, communityId, session.id);
    return Object.assign(new RefreshSessionPayload(), { refreshToken }, access);
  }

  @Write(() => EndSessionPayload, {
    scope: 'authenticated',
    description:
      "Ends a session within a second: one's own by a session, anybody's by the system key or an administrator with sessions:write.",
  })
  async endSession(
    @Arg('input', () => EndSessionInput, { description: 'Which.' }) { id }: EndSessionInput,
    @Ctx() { sql, principal }: Context,
  ): Promise<EndSessionPayload> {
    return Object.assign(new EndSessionPayload(), { session: await endSession(sql, principal, id ?? null) });
  }

  @FieldResolver(() => User, { nullable: true, description: 'The person.' })
  user(@Root() { userId }: Row, @Ctx() context: Context): Promise<object | null> {
    return userById(context).load(userId);
  }

  @FieldResolver(() => Boolean, { description: 'Whether this request came with it.' })
  isCurrent(@Root() { id }: Row, @Ctx() { principal }: Context): boolean {
    if (principal.kind === 'class') throw new Refusal('NEEDS_USER', '`isCurrent` is about one session.');
    return principal.sessionId === id;
  }
}

@Resolver(() => Viewer)
class ViewerSessionsResolver {
  @FieldResolver(() => SessionConnection, {
    nullable: true,
    description:
      "The person's sessions that go on, oldest first, for a session; null for any other credential.",
  })
  @Authenticated()
  @Paged()
  async sessions(
    @Root() _viewer: Viewer,
    @Args(() => PageArgs) page: PageArgs,
    @Ctx() { sql, principal }: Context,
  ): Promise<ConnectionOf<object> | null> {
    const { kind, userId } = principal;
    if (kind === 'class') throw new Refusal('NEEDS_USER', '`viewer.sessions` is about one person.');
    if (kind !== 'session' || userId === undefined) return null;
    return connectionOf(await sessionsPage(sql, communityOf(principal), userId, page), (row) => row);
  }
}

async function accessTo({ tokens, now }: Context, communityId: string, sessionId: string) {
  const { token, expiresAt } = await tokens.sign(communityId, sessionId, now());
  return { accessToken: token, accessTokenExpiresAt: expiresAt };
}

export const session: Feature = {
  name: 'session',
  resolvers: [SessionResolver, ViewerSessionsResolver],
  prune: pruneSessions,
};
