import Fastify, { type FastifyInstance } from 'fastify';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { serveFiles } from '../../../subgraphs/file-server.ts';
import { mostAttachments, mostUnused, pruneAttachments } from '../../../subgraphs/messaging/attachment.ts';
import { messaging } from '../../../subgraphs/messaging/index.ts';
import type { Principal } from '../../../subgraphs/principal.ts';
import { newCommunity, type TestCommunity } from '../../kit/community.ts';
import { freshDatabase, type TestDatabase } from '../../kit/database.ts';
import { type Answer, asking } from '../../kit/subgraph.ts';
import { said } from '../../kit/talk.ts';

let database: TestDatabase;
let app: FastifyInstance;
const { ask, entities } = asking(messaging, () => database.resources);
beforeAll(async () => {
  database = await freshDatabase();
  app = Fastify();
  if (messaging.files !== undefined)
    serveFiles(app, messaging.files, database.resources, pino({ level: 'silent' }));
  database.resources.files.servedAt(await app.listen({ host: '127.0.0.1', port: 0 }));
});
afterAll(async () => {
  await app.close();
  await database.close();
});

const create = `mutation ($input: CreateUploadInput!) { createUpload(input: $input) {
  ticket { id uploadUrl maxBytes expiresAt } userErrors { code path }
} }`;
const send = `mutation ($input: SendMessageInput!) { sendMessage(input: $input) {
  replayed message { id attachments { id url fileName contentType bytes } } userErrors { code path }
} }`;

/** A pixel. */
const png = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==',
  'base64',
);

async function ticketFor(who: Principal, details: Answer = {}): Promise<Answer> {
  const input = { fileName: 'pixel.png', bytes: 1_000, ...details };
  return (await ask(who, create, { input })).createUpload.ticket;
}

async function put(url: string, body: BodyInit, headers: Record<string, string> = {}): Promise<number> {
  const response = await fetch(url, { method: 'PUT', body, headers, duplex: 'half' } as RequestInit);
  await response.arrayBuffer();
  return response.status;
}

/** Sends a message of the first member that carries files. */
async function carry(
  place: TestCommunity,
  attachmentIds: readonly string[],
  more: Answer = {},
): Promise<Answer> {
  const input = { channelId: place.channelIds[0], body: 'Look', attachmentIds, idempotencyKey: 'a', ...more };
  return (await ask(place.person(0), send, { input })).sendMessage;
}

describe('attachments', () => {
  it('go by PUT to the link of a ticket, and come by the link of a message, safe to show', async () => {
    const place = await newCommunity(database.resources);
    const ticket = await ticketFor(place.person(0), { fileName: 'größe "1".png' });
    expect(await put(ticket.uploadUrl, png, { 'content-type': 'text/html' })).toBe(204);
    const { message } = await carry(place, [ticket.id]);
    expect(message.attachments).toEqual([
      {
        id: ticket.id,
        url: expect.any(String),
        fileName: 'größe "1".png',
        contentType: 'image/png',
        bytes: png.length,
      },
    ]);
    const response = await fetch(message.attachments[0].url);
    expect(response.status).toBe(200);
    expect(Buffer.from(await response.arrayBuffer())).toEqual(png);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-type': 'image/png',
      'content-length': String(png.length),
      'x-content-type-options': 'nosniff',
      'content-security-policy': "default-src 'none'; sandbox",
      'content-disposition': `inline; filename="gr__e _1_.png"; filename*=UTF-8''gr%C3%B6%C3%9Fe%20%221%22.png`,
    });
    expect((await fetch(message.attachments[0].url, { method: 'HEAD' })).status).toBe(200);
  });

  it('that are text are saved, never shown, whatever text it is', async () => {
    const place = await newCommunity(database.resources);
    const { id, uploadUrl } = await ticketFor(place.person(0), { fileName: 'page.html' });
    expect(await put(uploadUrl, '<!doctype html><script>alert(1)</script>')).toBe(204);
    const { message } = await carry(place, [id]);
    const response = await fetch(message.attachments[0].url);
    expect(response.headers.get('content-type')).toBe('text/plain; charset=utf-8');
    expect(response.headers.get('content-disposition')).toMatch(/^attachment;/);
  });

  it.each([
    ['an SVG', '<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script/></svg>'],
    ['a program', Buffer.from('7f454c4602010100000000000000000003003e00', 'hex')],
    ['bytes of no known type', Buffer.from([0, 1, 2, 3, 254, 255])],
    ['nothing', ''],
  ])('are not taken where they are %s', async (_what, bytes) => {
    const place = await newCommunity(database.resources);
    const { id, uploadUrl } = await ticketFor(place.person(0));
    expect(await put(uploadUrl, bytes)).toBe(415);
    expect((await carry(place, [id])).userErrors).toEqual([
      { code: 'NOT_FOUND', path: ['input', 'attachmentIds'] },
    ]);
  });

  it('are not taken beyond the bytes that were asked for, whether or not that was said', async () => {
    const place = await newCommunity(database.resources);
    const { uploadUrl } = await ticketFor(place.person(0), { bytes: png.length - 1 });
    expect(await put(uploadUrl, png)).toBe(413);
    const pieces = new ReadableStream({
      start(controller) {
        for (let n = 0; n < 3; n++) controller.enqueue(png);
        controller.close();
      },
    });
    expect(await put(uploadUrl, pieces)).toBe(413);
  });

  it('are taken once, and by their own link alone', async () => {
    const place = await newCommunity(database.resources);
    const [one, two] = [await ticketFor(place.person(0)), await ticketFor(place.person(0))];
    expect(await put(one.uploadUrl, png)).toBe(204);
    expect(await put(one.uploadUrl, png)).toBe(409);
    for (const forged of [
      one.uploadUrl.replace(one.id, two.id),
      two.uploadUrl.replace(/signature=./, 'signature=_'),
      two.uploadUrl.replace(/expires=\d/, 'expires=9'),
      two.uploadUrl.replace(/\?.*/, ''),
    ])
      expect(await put(forged, png)).toBe(403);
    expect((await fetch(one.uploadUrl)).status).toBe(403);
    database.clock.now = new Date(Date.now() + 11 * 60_000);
    expect(await put(two.uploadUrl, png)).toBe(403);
    database.clock.now = undefined;
  });

  it('are carried once, by their owner, and a repeat gives the first answer', async () => {
    const place = await newCommunity(database.resources);
    const { id, uploadUrl } = await ticketFor(place.person(0));
    await put(uploadUrl, png);
    const refused = [{ code: 'NOT_FOUND', path: ['input', 'attachmentIds'] }];
    const foreign = { channelId: place.channelIds[0], body: 'x', attachmentIds: [id], idempotencyKey: 'b' };
    expect((await ask(place.person(1), send, { input: foreign })).sendMessage.userErrors).toEqual(refused);
    const first = await carry(place, [id]);
    expect(first.userErrors).toEqual([]);
    expect(await carry(place, [id])).toMatchObject({ replayed: true, message: { id: first.message.id } });
    expect((await carry(place, [id], { idempotencyKey: 'c' })).userErrors).toEqual(refused);
  });

  it('are there no more, not even by an earlier link, once the message is deleted', async () => {
    const place = await newCommunity(database.resources);
    const { id, uploadUrl } = await ticketFor(place.person(0));
    await put(uploadUrl, png);
    const { message } = await carry(place, [id]);
    const remove =
      'mutation ($id: ID!) { deleteMessage(input: { messageId: $id }) { message { attachments { id } } } }';
    const { deleteMessage } = await ask(place.person(0), remove, { id: message.id });
    expect(deleteMessage.message.attachments).toEqual([]);
    expect((await fetch(message.attachments[0].url)).status).toBe(404);
  });

  it('are forgotten a day after nobody sent them, and when their message is deleted', async () => {
    const place = await newCommunity(database.resources);
    const { sql, resources } = database;
    const tickets: Record<string, Answer> = {};
    for (const name of ['unused', 'gone', 'kept']) {
      tickets[name] = await ticketFor(place.person(0));
      await put(tickets[name].uploadUrl, png);
    }
    await carry(place, [tickets.kept.id], { idempotencyKey: 'kept' });
    const { message } = await carry(place, [tickets.gone.id], { idempotencyKey: 'gone' });
    await sql`update messaging.message set body = null, deleted_at = now() where id = ${message.id}`;
    await pruneAttachments(sql, new Date(Date.now() + 25 * 3_600_000), resources.files.store.remove);
    const there = await Promise.all(
      Object.values(tickets).map(async ({ id }) =>
        (await resources.files.store.open(`${place.id}/${id}`))?.destroy(),
      ),
    );
    expect(there.map((one) => one !== undefined)).toEqual([false, false, true]);
  });
});

describe('attachments: refusals', () => {
  it.each([
    ['VALIDATION_FAILED', 'fileName', { fileName: '' }],
    ['VALIDATION_FAILED', 'bytes', { bytes: 0 }],
    ['VALIDATION_FAILED', 'bytes', { bytes: 26_214_401 }],
    ['NOT_FOUND', 'senderId', { senderId: 'usr_none' }],
    ['VALIDATION_FAILED', 'senderId', { senderId: null }],
  ])('%s: a wrong %s', async (code, name, wrong) => {
    const { system, memberIds } = await newCommunity(database.resources);
    const input = { fileName: 'a.png', bytes: 1, senderId: memberIds[0], ...wrong };
    const { createUpload } = await ask(system, create, { input });
    expect(createUpload).toEqual({ ticket: null, userErrors: [{ code, path: ['input', name] }] });
  });

  it(`LIMIT_EXCEEDED: more than ${mostUnused} that no message carries`, async () => {
    const place = await newCommunity(database.resources);
    for (let n = 0; n < mostUnused; n++) await ticketFor(place.person(0));
    const { createUpload } = await ask(place.person(0), create, { input: { fileName: 'a', bytes: 1 } });
    expect(createUpload.userErrors).toEqual([{ code: 'LIMIT_EXCEEDED', path: ['input'] }]);
  });

  it('VALIDATION_FAILED: more files than a message carries, or one twice', async () => {
    const place = await newCommunity(database.resources);
    for (const ids of [
      Array.from({ length: mostAttachments + 1 }, (_, n) => `att_${n}`),
      ['att_1', 'att_1'],
    ]) {
      expect((await carry(place, ids)).userErrors).toEqual([
        { code: 'VALIDATION_FAILED', path: ['input', 'attachmentIds'] },
      ]);
    }
  });
});

describe('attachments: cost', () => {
  it('reads those of 100 messages with the statements of one', async () => {
    const place = await newCommunity(database.resources);
    const ids = await said(database.sql, place, ...Array.from({ length: 100 }, () => ({})));
    const read = (count: number) =>
      database.statementsOf(() =>
        entities(place.system, 'Message', ids.slice(0, count), '{ attachments { url } }'),
      );
    expect(await read(1)).toEqual(['messagesById', 'attachmentsByMessage']);
    expect(await read(100)).toEqual(await read(1));
  });
});
