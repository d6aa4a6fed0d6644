import { Arg, Ctx, Field, FieldResolver, ID, InputType, Int, ObjectType, Resolver, Root } from 'type-graphql';
import { z } from 'zod';
import type { Context } from '../context.ts';
import { type Feature, Partner, Scoped, Usually, Write } from '../feature.ts';
import { perRequest } from '../loader.ts';
import { communityOf } from '../principal.ts';
import { DateTime, Url } from '../scalars.ts';
import { isVisible, Payload } from '../shared.graphql.ts';
import {
  attachmentsByMessage,
  awaitedFile,
  carriedFile,
  createTicket,
  largestFile,
  pruneAttachments,
  type Attachment as Row,
  storedFile,
} from './attachment.ts';
import { Message } from './message.graphql.ts';
import { senderFor } from './right.ts';

@ObjectType({ simpleResolvers: true, description: 'A file that a message carries. Scope: messages:read.' })
@Scoped('messages:read')
@Partner()
class Attachment {
  @Field(() => ID, { description: '`att_…`.' })
  id!: string;

  @Field(() => Url, {
    description:
      'Where to read it, without a credential; good for 5-10 minutes. Ask for the message again for another.',
  })
  url!: string;

  @Field(() => String, { description: 'What its sender called it, 1-200 characters. It is text.' })
  fileName!: string;

  @Field(() => String, { description: 'Its media type, found by its bytes: `image/png`.' })
  contentType!: string;

  @Field(() => Int, { description: 'Its size in bytes, up to 26,214,400.' })
  bytes!: number;
}

@ObjectType({
  simpleResolvers: true,
  description: 'Leave to send the bytes of one file. Scope: messages:write.',
})
@Scoped('messages:write')
@Partner()
class UploadTicket {
  @Field(() => ID, {
    description: '`att_…`; name it in `attachmentIds` of a message once the bytes are sent.',
  })
  id!: string;

  @Field(() => Url, { description: 'Where to PUT the bytes, as they are, without a credential.' })
  uploadUrl!: string;

  @Field(() => Int, { description: 'How many bytes are taken at most.' })
  maxBytes!: number;

  @Field(() => DateTime, {
    description: 'Until when; a file that no message carries within a day is forgotten.',
  })
  expiresAt!: Date;
}

const size = `A file has 1 to ${largestFile} bytes.`;

@InputType({ description: 'A file to send.' })
class CreateUploadInput {
  static rules = z.object({
    fileName: z
      .string()
      .refine((text) => isVisible(text) && text.length <= 200, 'A file name has 1-200 characters.'),
    bytes: z.number().min(1, size).max(largestFile, size),
  });

  @Field(() => String, { description: 'What it is called, 1-200 characters: `chart.png`.' })
  fileName!: string;

  @Field(() => Int, { description: 'Its size in bytes, 1-26,214,400 (25 MiB); more isn’t taken.' })
  bytes!: number;

  @Field(() => ID, {
    nullable: true,
    description: "Who will send it. Needed with a key of the community; a person's key sends as its person.",
  })
  senderId?: string | null;
}

@ObjectType({ simpleResolvers: true, description: 'What came of `createUpload`.' })
@Partner()
class CreateUploadPayload extends Payload {
  @Field(() => UploadTicket, { nullable: true, description: 'The ticket; null when that was refused.' })
  ticket: UploadTicket | null = null;
}

const attachmentsOf = perRequest<string, Row[]>((ids, { sql, principal }) =>
  attachmentsByMessage(sql, communityOf(principal), ids),
);

const linkStepMs = 5 * 60_000;

@Resolver(() => Message)
class AttachmentResolver {
  @Partner()
  @Write(() => CreateUploadPayload, {
    scope: 'messages:write',
    description:
      'Gives leave to send the bytes of a file: PNG, JPEG, GIF, WebP, AVIF, MP4, WebM, MP3, Ogg, PDF, ZIP or text. Each call gives another ticket; 20 may wait for a message.',
  })
  async createUpload(
    @Arg('input', () => CreateUploadInput, { description: 'The file.' }) input: CreateUploadInput,
    @Ctx() { sql, principal, files, now }: Context,
  ): Promise<CreateUploadPayload> {
    const communityId = communityOf(principal);
    const ownerId = await senderFor(sql, principal, input.senderId ?? null);
    const file = { ownerId, fileName: input.fileName, maxBytes: input.bytes, now: now() };
    const ticket = await createTicket(sql, communityId, file);
    const uploadUrl = files.link({ method: 'PUT', communityId, fileId: ticket.id }, ticket.expiresAt);
    return Object.assign(new CreateUploadPayload(), { ticket: { ...ticket, uploadUrl } });
  }

  @FieldResolver(() => [Attachment], {
    description: 'The files it carries, up to 10, in their order; none once deleted.',
  })
  @Usually(1)
  async attachments(@Root() { id }: Message, @Ctx() context: Context): Promise<Attachment[]> {
    const { principal, files, now } = context;
    const communityId = communityOf(principal);
    // Links end at full steps, so that whoever asks within one gets the same and may keep the file.
    const expiresAt = new Date((Math.floor(now().getTime() / linkStepMs) + 2) * linkStepMs);
    const rows = await attachmentsOf(context).load(id);
    return rows.map((row) => ({
      ...row,
      url: files.link({ method: 'GET', communityId, fileId: row.id }, expiresAt),
    }));
  }
}

export const attachment: Feature = {
  name: 'attachment',
  resolvers: [AttachmentResolver],
  files: {
    awaited: ({ sql, now }, communityId, fileId) => awaitedFile(sql, communityId, fileId, now()),
    stored: ({ sql }, communityId, fileId, found) => storedFile(sql, communityId, fileId, found),
    readable: ({ sql }, communityId, fileId) => carriedFile(sql, communityId, fileId),
  },
  prune: (sql, { files, now }) => pruneAttachments(sql, now(), (key) => files.store.remove(key)),
};
