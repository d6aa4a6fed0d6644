import {
  Arg,
  Ctx,
  Field,
  FieldResolver,
  ID,
  ObjectType,
  Query,
  Resolver,
  Root,
  registerEnumType,
} from 'type-graphql';
import type { Context } from '../context.ts';
import { type Feature, Key, Partner, Scoped, Usually } from '../feature.ts';
import { perRequest } from '../loader.ts';
import { communityOf } from '../principal.ts';
import { DateTime, TimeZone, Url } from '../scalars.ts';
import { ExternalSystem, UserIdentifierInput } from '../shared.graphql.ts';
import { type ExternalId as ExternalIdRow, externalIdsByUser, userIdBy, usersById } from './user.ts';

enum UserStatus {
  ACTIVE = 'ACTIVE',
  SUSPENDED = 'SUSPENDED',
  BANNED = 'BANNED',
  DELETED = 'DELETED',
  PENDING_VERIFICATION = 'PENDING_VERIFICATION',
}
registerEnumType(UserStatus, {
  name: 'UserStatus',
  description: "A person's standing in the community.",
  valuesConfig: {
    ACTIVE: { description: 'May do all that the roles allow.' },
    SUSPENDED: { description: 'Kept out until a suspension ends by itself, or is revoked.' },
    BANNED: { description: 'Kept out until the ban is revoked.' },
    DELETED: { description: 'The account was deleted and can be restored.' },
    PENDING_VERIFICATION: { description: 'Registered; the e-mail address is not verified yet.' },
  },
});

@ObjectType({ simpleResolvers: true, description: 'An id that another system gave. Scope: users:read.' })
@Scoped('users:read')
@Partner()
class ExternalId {
  @Field(() => ExternalSystem, { description: 'The system.' })
  system!: ExternalSystem;

  @Field(() => String, { description: 'The id as that system writes it.' })
  value!: string;
}

@ObjectType({ simpleResolvers: true, description: 'A person in a community.' })
@Key('id')
@Partner()
export class User {
  @Field(() => ID, { description: '`usr_…`.' })
  id!: string;

  @Field(() => String, { nullable: true, description: 'The e-mail address. Scope: users:read.' })
  @Scoped('users:read')
  email!: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'The name to mention the person by. Scope: users:read.',
  })
  @Scoped('users:read')
  username!: string | null;

  @Field(() => String, { description: 'The name to show. Scope: users:read.' })
  @Scoped('users:read')
  displayName!: string;

  @Field(() => String, { nullable: true, description: 'The given name. Scope: users:read.' })
  @Scoped('users:read')
  firstName!: string | null;

  @Field(() => String, { nullable: true, description: 'The family name. Scope: users:read.' })
  @Scoped('users:read')
  lastName!: string | null;

  @Field(() => Url, { nullable: true, description: 'The picture to show. Scope: users:read.' })
  @Scoped('users:read')
  avatarUrl!: string | null;

  @Field(() => String, { description: 'The preferred language, BCP 47. Scope: users:read.' })
  @Scoped('users:read')
  language!: string;

  @Field(() => TimeZone, { description: "The person's time zone. Scope: users:read." })
  @Scoped('users:read')
  timeZone!: string;

  @Field(() => UserStatus, { description: 'The standing in the community. Scope: users:read.' })
  @Scoped('users:read')
  status!: UserStatus;

  @Field(() => DateTime, { description: 'When the person joined the community. Scope: users:read.' })
  @Scoped('users:read')
  joinedAt!: Date;
}

export const userById = perRequest<string, object | null>((ids, { sql, principal }) =>
  usersById(sql, communityOf(principal), ids),
);

const externalIds = perRequest<string, ExternalIdRow[]>((ids, { sql, principal }) =>
  externalIdsByUser(sql, communityOf(principal), ids),
);

@Resolver(() => User)
class UserResolver {
  @Partner()
  @Query(() => User, {
    nullable: true,
    description: 'One person, by any identifier; null when nobody has it. Scope: users:read.',
  })
  @Scoped('users:read')
  async user(
    @Arg('by', () => UserIdentifierInput, { description: 'Who.' }) by: UserIdentifierInput,
    @Ctx() context: Context,
  ): Promise<object | null> {
    const id = await userIdBy(context.sql, communityOf(context.principal), { ...by });
    return id === null ? null : userById(context).load(id);
  }

  @FieldResolver(() => [ExternalId], {
    description: 'What other systems call the person. Scope: users:read.',
  })
  @Scoped('users:read')
  @Usually(3)
  externalIds(@Root() { id }: User, @Ctx() context: Context): Promise<ExternalIdRow[]> {
    return externalIds(context).load(id);
  }
}

export const user: Feature = {
  name: 'user',
  resolvers: [UserResolver],
  types: [User],
  references: { User: ({ id }: { id: string }, context) => userById(context).load(id) },
};
