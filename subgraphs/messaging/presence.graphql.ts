import {
  Arg,
  Args,
  ArgsType,
  Ctx,
  Field,
  FieldResolver,
  ID,
  InputType,
  ObjectType,
  Resolver,
  Root,
  registerEnumType,
  Subscription,
} from 'type-graphql';
import { z } from 'zod';
import type { Context } from '../context.ts';
import { checked, type Feature, Scoped, Write } from '../feature.ts';
import { perRequest } from '../loader.ts';
import { communityOf } from '../principal.ts';
import { DateTime } from '../scalars.ts';
import { Payload } from '../shared.graphql.ts';
import { User } from './message.graphql.ts';
import { type PresenceStatus, presences, presentSeconds, prunePresence, setPresence } from './presence.ts';
import { followSignals, type Signal } from './signal.ts';

enum Presence {
  ONLINE = 'ONLINE',
  AWAY = 'AWAY',
  OFFLINE = 'OFFLINE',
}
registerEnumType(Presence, {
  name: 'Presence',
  description: 'Whether somebody is around.',
  valuesConfig: {
    ONLINE: { description: 'Around.' },
    AWAY: { description: 'Around, but not looking.' },
    OFFLINE: { description: 'Not around, or silent for 90 seconds.' },
  },
});

@ObjectType({
  simpleResolvers: true,
  description: 'Whether somebody is around, as they say. Scope: messages:read.',
})
@Scoped('messages:read')
class PresenceTold {
  userId!: string;

  @Field(() => Presence, { description: 'What they say.' })
  presence!: string;

  @Field(() => DateTime, {
    description: 'When to take them for OFFLINE, unless they say it again: 90 seconds later.',
  })
  until!: Date;
}

@InputType({ description: 'Whether one is around.' })
class SetPresenceInput {
  @Field(() => Presence, { description: 'What is true for the next 90 seconds.' })
  presence!: PresenceStatus;
}

@ObjectType({ simpleResolvers: true, description: 'What came of `setPresence`.' })
class SetPresencePayload extends Payload {
  @Field(() => Boolean, { description: 'It was another before.' })
  changed = false;
}

@ArgsType()
class PresenceArgs {
  static rules = z.object({
    userIds: z.array(z.string().max(64)).min(1, 'name 1-100 people').max(100, 'name 1-100 people'),
  });

  @Field(() => [ID], { description: 'The people, 1-100.' })
  userIds!: string[];
}

const presenceOf = perRequest<string, PresenceStatus>((ids, { sql, principal }) =>
  presences(sql, communityOf(principal), ids),
);

@Resolver(() => PresenceTold)
class PresenceResolver {
  @Write(() => SetPresencePayload, {
    scope: 'messages:write',
    description: 'Says whether the person is around. Stands in no log; say it every 30 seconds.',
  })
  async setPresence(
    @Arg('input', () => SetPresenceInput, { description: 'Whether they are.' }) {
      presence,
    }: SetPresenceInput,
    @Ctx() { sql, principal }: Context,
  ): Promise<SetPresencePayload> {
    return Object.assign(new SetPresencePayload(), { changed: await setPresence(sql, principal, presence) });
  }

  @Subscription(() => PresenceTold, {
    description:
      'What people say of whether they are around, from now on; `User.presence` tells how it was before. Can’t be resumed. Scope: messages:read.',
    subscribe: async ({ args, context }: { args: PresenceArgs; context: Context }) => {
      const { userIds } = checked(PresenceArgs, args);
      const communityId = communityOf(context.principal);
      const wanted = new Set(userIds);
      return followSignals(
        context.sql,
        (signal) =>
          signal.kind === 'presence' && signal.communityId === communityId && wanted.has(signal.userId),
      );
    },
  })
  @Scoped('messages:read')
  presence(
    @Root() { userId, status = 'OFFLINE', at }: Signal,
    @Args(() => PresenceArgs) _args: PresenceArgs,
  ): PresenceTold {
    const until = new Date(at + presentSeconds * 1_000);
    return Object.assign(new PresenceTold(), { userId, presence: status, until });
  }

  @FieldResolver(() => User, { nullable: true, description: 'Who.' })
  user(@Root() { userId }: PresenceTold): User {
    return { id: userId };
  }
}

@Resolver(() => User)
class UserPresenceResolver {
  @FieldResolver(() => Presence, {
    nullable: true,
    description:
      'Whether they are around, as they last said; OFFLINE after 90 silent seconds. Scope: messages:read.',
  })
  @Scoped('messages:read')
  presence(@Root() { id }: User, @Ctx() context: Context): Promise<PresenceStatus> {
    return presenceOf(context).load(id);
  }
}

export const presence: Feature = {
  name: 'presence',
  resolvers: [PresenceResolver, UserPresenceResolver],
  prune: prunePresence,
};
