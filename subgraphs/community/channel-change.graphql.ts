import { Arg, Ctx, Field, ID, InputType, ObjectType, Resolver } from 'type-graphql';
import { z } from 'zod';
import type { Context } from '../context.ts';
import { type Feature, Write } from '../feature.ts';
import { Url } from '../scalars.ts';
import {
  idempotencyKey,
  LocalizedTextInput,
  localizedTexts,
  Payload,
  ReplayablePayload,
  textsOf,
} from '../shared.graphql.ts';
import { Channel, ChannelKind } from './channel.graphql.ts';
import { createChannel, deleteChannel, openDirectChannel, updateChannel } from './channel-change.ts';

// Opening, changing and closing channels.

const id = z.string().min(1).max(64, 'An id has at most 64 characters.');
const description = z.string().max(1_000, 'A description has at most 1,000 characters.');
const category = z
  .string()
  .min(1, 'A category has 1-100 characters.')
  .max(100, 'A category has 1-100 characters.');
const iframeUrl = z
  .custom<URL | string>()
  .refine(
    (url) => /^https:\/\//.test(String(url)) && String(url).length <= 2_000,
    'A page to show begins with https:// and has at most 2,000 characters.',
  );
const roleIds = z.array(id).max(250, 'Name up to 250 roles, each once.');
const viewRoleIdsDescription =
  'For whom it is there: the holders of these roles, up to 250; null: every member, []: administrators.';
const postRoleIdsDescription =
  'Who writes in it: the holders of these roles, up to 250; null: whoever it is there for, []: administrators.';

@InputType({ description: 'A new channel.' })
class CreateChannelInput {
  static rules = z.object({
    topic: localizedTexts(200),
    description: description.nullish(),
    category: category.nullish(),
    iframeUrl: iframeUrl.nullish(),
    viewRoleIds: roleIds.nullish(),
    postRoleIds: roleIds.nullish(),
    idempotencyKey,
  });

  @Field(() => [LocalizedTextInput], { description: 'The name to show, once a language; 1-20 languages.' })
  topic!: LocalizedTextInput[];

  @Field(() => String, { nullable: true, description: 'What it is for, up to 1,000 characters.' })
  description?: string | null;

  @Field(() => ChannelKind, { description: 'How people talk in it, for good; not DIRECT.' })
  kind!: ChannelKind;

  @Field(() => String, { nullable: true, description: 'The heading it stands under, 1-100 characters.' })
  category?: string | null;

  @Field(() => Url, { nullable: true, description: 'The page that an IFRAME channel shows, `https://…`.' })
  iframeUrl?: string | null;

  @Field(() => Boolean, { defaultValue: false, description: 'There only for those who manage channels.' })
  hidden!: boolean;

  @Field(() => [ID], { nullable: true, description: viewRoleIdsDescription })
  viewRoleIds?: string[] | null;

  @Field(() => [ID], { nullable: true, description: postRoleIdsDescription })
  postRoleIds?: string[] | null;

  @Field(() => String, {
    description: 'Any text of 1-200 characters, new for each channel: a repeat gives the first answer.',
  })
  idempotencyKey!: string;
}

@InputType({ description: 'Changes of a channel; what is left out stays.' })
class UpdateChannelInput {
  static rules = z.object({
    id,
    topic: localizedTexts(200).nullish(),
    description: description.nullish(),
    category: category.nullish(),
    iframeUrl: iframeUrl.nullish(),
    viewRoleIds: roleIds.nullish(),
    postRoleIds: roleIds.nullish(),
  });

  @Field(() => ID, { description: 'The channel.' })
  id!: string;

  @Field(() => [LocalizedTextInput], {
    nullable: true,
    description: 'The name to show, all its languages; 1-20.',
  })
  topic?: LocalizedTextInput[] | null;

  @Field(() => String, {
    nullable: true,
    description: 'What it is for, up to 1,000 characters; null: nothing said.',
  })
  description?: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'The heading it stands under, 1-100 characters; null: none.',
  })
  category?: string | null;

  @Field(() => Url, { nullable: true, description: 'The page that an IFRAME channel shows, `https://…`.' })
  iframeUrl?: string | null;

  @Field(() => Boolean, { nullable: true, description: 'There only for those who manage channels.' })
  hidden?: boolean | null;

  @Field(() => [ID], { nullable: true, description: viewRoleIdsDescription })
  viewRoleIds?: string[] | null;

  @Field(() => [ID], { nullable: true, description: postRoleIdsDescription })
  postRoleIds?: string[] | null;
}

@InputType({ description: 'A channel to close.' })
class DeleteChannelInput {
  static rules = z.object({ id });

  @Field(() => ID, { description: 'The channel.' })
  id!: string;
}

@InputType({ description: 'Somebody to talk to.' })
class OpenDirectChannelInput {
  static rules = z.object({ userId: id });

  @Field(() => ID, { description: 'The other person.' })
  userId!: string;
}

@ObjectType({ simpleResolvers: true, description: 'What came of `createChannel`.' })
class CreateChannelPayload extends ReplayablePayload {
  @Field(() => Channel, { nullable: true, description: 'The channel; null when it was refused.' })
  channel: object | null = null;
}

@ObjectType({ simpleResolvers: true, description: 'What came of `updateChannel`.' })
class UpdateChannelPayload extends Payload {
  @Field(() => Channel, { nullable: true, description: 'The channel; null when it was refused.' })
  channel: object | null = null;
}

@ObjectType({ simpleResolvers: true, description: 'What came of `deleteChannel`.' })
class DeleteChannelPayload extends Payload {
  @Field(() => ID, {
    nullable: true,
    description: 'The id of the channel that is gone; null when it was refused.',
  })
  deletedId: string | null = null;
}

@ObjectType({ simpleResolvers: true, description: 'What came of `openDirectChannel`.' })
class OpenDirectChannelPayload extends Payload {
  @Field(() => Channel, { nullable: true, description: 'The channel; null when it was refused.' })
  channel: object | null = null;
}

@Resolver()
class ChannelChangeResolver {
  @Write(() => CreateChannelPayload, {
    scope: 'channels:write',
    description: 'Opens a channel; a person needs a role with MANAGE_CHANNELS.',
  })
  async createChannel(
    @Arg('input', () => CreateChannelInput, { description: 'The channel.' })
    {
      topic,
      description,
      kind,
      category,
      iframeUrl,
      hidden,
      viewRoleIds,
      postRoleIds,
      idempotencyKey,
    }: CreateChannelInput,
    @Ctx() { sql, principal, tail }: Context,
  ): Promise<CreateChannelPayload> {
    const made = await createChannel(sql, principal, {
      topic: textsOf(topic),
      description: description ?? null,
      kind,
      category: category ?? null,
      iframeUrl: iframeUrl == null ? null : String(iframeUrl),
      hidden,
      viewRoleIds: viewRoleIds ?? null,
      postRoleIds: postRoleIds ?? null,
      idempotencyKey,
    });
    tail.wake();
    return Object.assign(new CreateChannelPayload(), made);
  }

  @Write(() => UpdateChannelPayload, {
    scope: 'channels:write',
    description: 'Changes a channel and who it is there for; its kind stays.',
  })
  async updateChannel(
    @Arg('input', () => UpdateChannelInput, { description: 'What is to be another.' })
    { id, topic, iframeUrl, hidden, ...others }: UpdateChannelInput,
    @Ctx() { sql, principal, tail }: Context,
  ): Promise<UpdateChannelPayload> {
    const { description, category, viewRoleIds, postRoleIds } = others;
    const channel = await updateChannel(sql, principal, {
      id,
      ...(topic == null ? {} : { topic: textsOf(topic) }),
      ...(hidden == null ? {} : { hidden }),
      ...(description === undefined ? {} : { description }),
      ...(category === undefined ? {} : { category }),
      ...(iframeUrl === undefined ? {} : { iframeUrl: iframeUrl === null ? null : String(iframeUrl) }),
      ...(viewRoleIds === undefined ? {} : { viewRoleIds }),
      ...(postRoleIds === undefined ? {} : { postRoleIds }),
    });
    tail.wake();
    return Object.assign(new UpdateChannelPayload(), { channel });
  }

  @Write(() => DeleteChannelPayload, {
    scope: 'channels:write',
    description:
      'Closes a channel for good: nobody reads any more what was said in it, and soon it is gone, files included.',
  })
  async deleteChannel(
    @Arg('input', () => DeleteChannelInput, { description: 'Which channel.' }) { id }: DeleteChannelInput,
    @Ctx() { sql, principal, tail }: Context,
  ): Promise<DeleteChannelPayload> {
    const deletedId = await deleteChannel(sql, principal, id);
    tail.wake();
    return Object.assign(new DeleteChannelPayload(), { deletedId });
  }

  @Write(() => OpenDirectChannelPayload, {
    scope: 'messages:write',
    description:
      'The direct channel between the caller, who is a person, and another; the same two have one.',
  })
  async openDirectChannel(
    @Arg('input', () => OpenDirectChannelInput, { description: 'With whom.' }) {
      userId,
    }: OpenDirectChannelInput,
    @Ctx() { sql, principal, tail }: Context,
  ): Promise<OpenDirectChannelPayload> {
    const channel = await openDirectChannel(sql, principal, userId);
    tail.wake();
    return Object.assign(new OpenDirectChannelPayload(), { channel });
  }
}

export const channelChange: Feature = { name: 'channel-change', resolvers: [ChannelChangeResolver] };
