import {
  Arg,
  Args,
  Ctx,
  Field,
  FieldResolver,
  ID,
  InputType,
  Int,
  ObjectType,
  Query,
  Resolver,
  Root,
} from 'type-graphql';
import { z } from 'zod';
import type { Context } from '../context.ts';
import { type Feature, Key, Paged, Scoped, Usually, Write } from '../feature.ts';
import { perArguments, perRequest } from '../loader.ts';
import type { Page, PageArguments } from '../page.ts';
import { communityOf } from '../principal.ts';
import { DateTime } from '../scalars.ts';
import {
  Connection,
  type ConnectionOf,
  connectionOf,
  idempotencyKey,
  LocalizedText,
  LocalizedTextInput,
  localized,
  localizedTexts,
  PageArgs,
  Payload,
  ReplayablePayload,
  textsOf,
} from '../shared.graphql.ts';
import { User, UserConnection } from './member.graphql.ts';
import { Permission } from './permission.graphql.ts';
import {
  membersByRole,
  type RoleMember,
  type Role as Row,
  rolesById,
  rolesByUser,
  rolesPage,
} from './role.ts';
import { assignRole, createRole, deleteRole, unassignRole, updateRole } from './role-change.ts';

@ObjectType('Role', {
  simpleResolvers: true,
  description: 'What its holders may do beyond what every member may. Scope: community:read.',
})
@Key('id')
@Scoped('community:read')
export class Role {
  @Field(() => ID, { description: '`rol_…`.' })
  id!: string;

  @Field(() => String, {
    nullable: true,
    description: 'The colour of the names of those whose highest role it is, `#rrggbb`; null: none.',
  })
  color!: string | null;

  @Field(() => Boolean, { description: 'Its holders count as paid seats.' })
  billable!: boolean;

  @Field(() => [Permission], { description: 'What its holders may do beyond what every member may.' })
  permissions!: Permission[];

  @Field(() => DateTime, { description: 'When it was made.' })
  createdAt!: Date;

  @Field(() => DateTime, { description: 'When it was last changed.' })
  updatedAt!: Date;
}

const RoleConnection = Connection(() => Role, 'Role');

const id = z.string().min(1).max(64, 'An id has at most 64 characters.');
const color = z.string().regex(/^#[0-9a-fA-F]{6}$/, 'A colour is #rrggbb.');
const order = z.number().min(0, 'An order is 0-1,000,000.').max(1_000_000, 'An order is 0-1,000,000.');
const permissions = z.array(z.string()).max(50, 'Name each permission once.');

@InputType({ description: 'A new role.' })
class CreateRoleInput {
  static rules = z.object({
    title: localizedTexts(200),
    color: color.nullish(),
    order,
    permissions,
    idempotencyKey,
  });

  @Field(() => [LocalizedTextInput], { description: 'The name to show, once a language; 1-20 languages.' })
  title!: LocalizedTextInput[];

  @Field(() => String, {
    nullable: true,
    description: 'The colour of its holders’ names, `#rrggbb`; else none.',
  })
  color?: string | null;

  @Field(() => Int, {
    defaultValue: 0,
    description: 'Where it stands, 0-1,000,000: the greater stands above; below your own highest role.',
  })
  order!: number;

  @Field(() => Boolean, { defaultValue: false, description: 'Its holders count as paid seats.' })
  billable!: boolean;

  @Field(() => [Permission], { description: 'What its holders may do, nothing that you may not.' })
  permissions!: Permission[];

  @Field(() => String, {
    description: 'Any text of 1-200 characters, new for each role: a repeat gives the first answer.',
  })
  idempotencyKey!: string;
}

@InputType({ description: 'Changes of a role; what is left out stays.' })
class UpdateRoleInput {
  static rules = z.object({
    id,
    title: localizedTexts(200).nullish(),
    color: color.nullish(),
    order: order.nullish(),
    permissions: permissions.nullish(),
  });

  @Field(() => ID, { description: 'The role.' })
  id!: string;

  @Field(() => [LocalizedTextInput], {
    nullable: true,
    description: 'The name to show, all its languages; 1-20.',
  })
  title?: LocalizedTextInput[] | null;

  @Field(() => String, { nullable: true, description: 'The colour, `#rrggbb`; null: none.' })
  color?: string | null;

  @Field(() => Int, {
    nullable: true,
    description: 'Where it stands, 0-1,000,000: the greater stands above.',
  })
  order?: number | null;

  @Field(() => Boolean, { nullable: true, description: 'Whether its holders count as paid seats.' })
  billable?: boolean | null;

  @Field(() => [Permission], {
    nullable: true,
    description: 'What its holders may do, in place of what they did.',
  })
  permissions?: Permission[] | null;
}

@InputType({ description: 'A role to delete.' })
class DeleteRoleInput {
  static rules = z.object({ id });

  @Field(() => ID, { description: 'The role.' })
  id!: string;
}

@InputType({ description: 'A role to give.' })
class AssignRoleInput {
  static rules = z.object({ userId: id, roleId: id });

  @Field(() => ID, { description: 'To whom.' })
  userId!: string;

  @Field(() => ID, { description: 'The role.' })
  roleId!: string;
}

@InputType({ description: 'A role to take away.' })
class UnassignRoleInput {
  static rules = z.object({ userId: id, roleId: id });

  @Field(() => ID, { description: 'From whom.' })
  userId!: string;

  @Field(() => ID, { description: 'The role.' })
  roleId!: string;
}

@ObjectType({ simpleResolvers: true, description: 'What came of `createRole`.' })
class CreateRolePayload extends ReplayablePayload {
  @Field(() => Role, { nullable: true, description: 'The role; null when it was refused.' })
  role: object | null = null;
}

@ObjectType({ simpleResolvers: true, description: 'What came of `updateRole`.' })
class UpdateRolePayload extends Payload {
  @Field(() => Role, { nullable: true, description: 'The role; null when it was refused.' })
  role: object | null = null;
}

@ObjectType({ simpleResolvers: true, description: 'What came of `deleteRole`.' })
class DeleteRolePayload extends Payload {
  @Field(() => ID, {
    nullable: true,
    description: 'The id of the role that is gone; null when it was refused.',
  })
  deletedId: string | null = null;
}

@ObjectType({ simpleResolvers: true, description: 'What came of `assignRole`.' })
class AssignRolePayload extends Payload {
  @Field(() => User, { nullable: true, description: 'The person, with the role; null when it was refused.' })
  user: User | null = null;
}

@ObjectType({ simpleResolvers: true, description: 'What came of `unassignRole`.' })
class UnassignRolePayload extends Payload {
  @Field(() => User, {
    nullable: true,
    description: 'The person, without the role; null when it was refused.',
  })
  user: User | null = null;
}

export const roleById = perRequest<string, Row | null>((ids, { sql, principal }) =>
  rolesById(sql, communityOf(principal), ids),
);

const rolesOf = perRequest<string, Row[]>((ids, { sql, principal }) =>
  rolesByUser(sql, communityOf(principal), ids),
);

const membersOf = perArguments<PageArguments, string, Page<RoleMember>>((ids, page, { sql, principal }) =>
  membersByRole(sql, communityOf(principal), ids, page),
);

@Resolver(() => Role)
class RoleResolver {
  @Write(() => CreateRolePayload, {
    scope: 'roles:write',
    description: 'Makes a role; a person needs one with MANAGE_ROLES, and makes roles below it.',
  })
  async createRole(
    @Arg('input', () => CreateRoleInput, { description: 'The role.' })
    { title, color, order, billable, permissions, idempotencyKey }: CreateRoleInput,
    @Ctx() { sql, principal, tail }: Context,
  ): Promise<CreateRolePayload> {
    const made = await createRole(sql, principal, {
      title: textsOf(title),
      color: color?.toLowerCase() ?? null,
      rank: order,
      billable,
      permissions: [...new Set(permissions)],
      idempotencyKey,
    });
    tail.wake();
    return Object.assign(new CreateRolePayload(), made);
  }

  @Write(() => UpdateRolePayload, {
    scope: 'roles:write',
    description: 'Changes a role; what its holders may read changes within a second.',
  })
  async updateRole(
    @Arg('input', () => UpdateRoleInput, { description: 'What is to be another.' })
    { id, title, color, order, billable, permissions }: UpdateRoleInput,
    @Ctx() { sql, principal, tail }: Context,
  ): Promise<UpdateRolePayload> {
    const role = await updateRole(sql, principal, {
      id,
      ...(title == null ? {} : { title: textsOf(title) }),
      ...(color === undefined ? {} : { color: color?.toLowerCase() ?? null }),
      ...(order == null ? {} : { rank: order }),
      ...(billable == null ? {} : { billable }),
      ...(permissions == null ? {} : { permissions: [...new Set(permissions)] }),
    });
    tail.wake();
    return Object.assign(new UpdateRolePayload(), { role });
  }

  @Write(() => DeleteRolePayload, {
    scope: 'roles:write',
    description: 'Deletes a role; channels that were for its holders alone are then for administrators.',
  })
  async deleteRole(
    @Arg('input', () => DeleteRoleInput, { description: 'Which role.' }) { id }: DeleteRoleInput,
    @Ctx() { sql, principal, tail }: Context,
  ): Promise<DeleteRolePayload> {
    const deletedId = await deleteRole(sql, principal, id);
    tail.wake();
    return Object.assign(new DeleteRolePayload(), { deletedId });
  }

  @Write(() => AssignRolePayload, {
    scope: 'roles:write',
    description: 'Gives a role to a person; whoever has it keeps it.',
  })
  async assignRole(
    @Arg('input', () => AssignRoleInput, { description: 'Which role, to whom.' }) input: AssignRoleInput,
    @Ctx() { sql, principal, tail }: Context,
  ): Promise<AssignRolePayload> {
    await assignRole(sql, principal, input);
    tail.wake();
    return Object.assign(new AssignRolePayload(), { user: { id: input.userId } });
  }

  @Write(() => UnassignRolePayload, {
    scope: 'roles:write',
    description: 'Takes a role from a person; whoever does not have it goes without.',
  })
  async unassignRole(
    @Arg('input', () => UnassignRoleInput, { description: 'Which role, from whom.' })
    input: UnassignRoleInput,
    @Ctx() { sql, principal, tail }: Context,
  ): Promise<UnassignRolePayload> {
    await unassignRole(sql, principal, input);
    tail.wake();
    return Object.assign(new UnassignRolePayload(), { user: { id: input.userId } });
  }

  @Query(() => RoleConnection, {
    description: 'The roles of the community, highest first; 250 at most. Scope: community:read.',
  })
  @Scoped('community:read')
  @Paged()
  async roles(
    @Args(() => PageArgs) page: PageArgs,
    @Ctx() { sql, principal }: Context,
  ): Promise<ConnectionOf<object>> {
    return connectionOf(await rolesPage(sql, communityOf(principal), page), (row) => row);
  }

  @Query(() => Role, {
    nullable: true,
    description: 'One role; null when there is none. Scope: community:read.',
  })
  @Scoped('community:read')
  role(
    @Arg('id', () => ID, { description: '`rol_…`.' }) id: string,
    @Ctx() context: Context,
  ): Promise<object | null> {
    return roleById(context).load(id);
  }

  @FieldResolver(() => LocalizedText, { description: 'The name to show.' })
  title(@Root() { title }: Row): LocalizedText {
    return localized(title);
  }

  @FieldResolver(() => Int, { description: 'Where it stands, 0-1,000,000: the greater stands above.' })
  order(@Root() { rank }: Row): number {
    return rank;
  }

  @FieldResolver(() => UserConnection, {
    description: 'Who has it, in the order they got it. Scope: users:read.',
  })
  @Scoped('users:read')
  @Paged()
  async members(
    @Root() { id }: Row,
    @Args(() => PageArgs) page: PageArgs,
    @Ctx() context: Context,
  ): Promise<ConnectionOf<User>> {
    return connectionOf(await membersOf(context, page).load(id), ({ userId }) => ({ id: userId }));
  }
}

@Resolver(() => User)
class UserRoleResolver {
  @FieldResolver(() => [Role], {
    nullable: true,
    description: "The person's roles, highest first; 100 at most. Scope: community:read.",
  })
  @Scoped('community:read')
  @Usually(3)
  roles(@Root() { id }: User, @Ctx() context: Context): Promise<object[]> {
    return rolesOf(context).load(id);
  }

  @FieldResolver(() => Role, {
    nullable: true,
    description:
      'The highest of the roles, which gives the name its colour; null without any. Scope: community:read.',
  })
  @Scoped('community:read')
  async highestRole(@Root() { id }: User, @Ctx() context: Context): Promise<object | null> {
    return (await rolesOf(context).load(id))[0] ?? null;
  }
}

export const role: Feature = {
  name: 'role',
  resolvers: [RoleResolver, UserRoleResolver],
  references: { Role: ({ id }: { id: string }, context) => roleById(context).load(id) },
};
