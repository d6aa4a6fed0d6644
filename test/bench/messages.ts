import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'graphql';
import { compileQuery, isCompiledQuery } from 'graphql-jit';
import { contextFor, type Resources } from '../../subgraphs/context.ts';
import { connect, migrate, type Sql } from '../../subgraphs/db.ts';
import { startEmbedded } from '../../subgraphs/embedded.ts';
import { newId } from '../../subgraphs/id.ts';
import { messaging } from '../../subgraphs/messaging/index.ts';
import type { Principal } from '../../subgraphs/principal.ts';
import { allScopes } from '../../subgraphs/scopes.ts';
import { openStore } from '../../subgraphs/store.ts';
import { newCommunity, type TestCommunity } from '../kit/community.ts';

// `node dist/bench/test/bench/messages.js [seconds]`: messages accepted a second by the messaging subgraph, checked, stored
// and told to the log, beside a bare insert of the same rows by the same number of senders. Each sender waits for its
// answer before it sends the next. Only the ratios within one run mean something.

const seconds = Number(process.argv[2] ?? 5);
const rounds = 3;
const text = 'A message of a usual length, as people write them to each other all day long.';

const compiled = compileQuery(
  messaging.schema,
  parse(
    `mutation ($input: SendMessageInput!) { sendMessage(input: $input) { message { id } userErrors { code } } }`,
  ),
);
if (!isCompiledQuery(compiled)) throw new Error('The mutation is valid.');
const { query } = compiled;

type Send = (channelId: string, n: number) => Promise<unknown>;

/** Messages a second that so many senders get accepted. */
async function rate(send: Send, senders: number, channelIds: readonly string[]): Promise<number> {
  const from = performance.now();
  const until = from + (seconds * 1_000) / rounds;
  let accepted = 0;
  const sender = async (one: number) => {
    for (let n = one; performance.now() < until; n += senders) {
      await send(channelIds[n % channelIds.length] ?? '', n);
      accepted++;
    }
  };
  await Promise.all(Array.from({ length: senders }, (_, one) => sender(one)));
  return (accepted * 1_000) / (performance.now() - from);
}

function throughLaurel(resources: Resources, { system, memberIds }: TestCommunity): Send {
  const principal: Principal = { ...system, scopes: allScopes };
  return async (channelId, n) => {
    const input = {
      channelId,
      body: text,
      senderId: memberIds[n % memberIds.length],
      idempotencyKey: newId('Message'),
    };
    const { data, errors } = await query({}, contextFor(resources, principal), { input });
    if (errors || data?.sendMessage.userErrors.length > 0) throw new Error(JSON.stringify(errors ?? data));
  };
}

function bareInsert(sql: Sql, { id, memberIds }: TestCommunity): Send {
  return (channelId, n) => sql`
    insert into messaging.message (community_id, id, channel_id, author_id, body, idempotency_key)
    values (${id}, ${newId('Message')}, ${channelId}, ${memberIds[n % memberIds.length] ?? ''}, ${text}, ${newId('Message')})`;
}

const folder = await mkdtemp(join(tmpdir(), 'laurel-bench-'));
const embedded = await startEmbedded({ dataFolder: folder, log: () => {} });
try {
  const sql = connect(embedded.url);
  await migrate(sql);
  const { resources, close } = await openStore(sql, { dataFolder: folder }, console.error);
  const place = await newCommunity(resources, {
    members: 64,
    channels: Array.from({ length: 64 }, () => 'OPEN'),
  });
  const [laurel, bare] = [throughLaurel(resources, place), bareInsert(sql, place)];
  for (const [what, channelIds] of [
    ['one hot channel', place.channelIds.slice(0, 1)],
    ['64 channels', place.channelIds],
  ] as const) {
    for (const senders of [1, 8, 64]) {
      const measured = { laurel: 0, bare: 0 };
      for (let round = 0; round < rounds; round++) {
        measured.laurel = Math.max(measured.laurel, await rate(laurel, senders, channelIds));
        measured.bare = Math.max(measured.bare, await rate(bare, senders, channelIds));
      }
      const ratio = (measured.laurel / measured.bare).toFixed(2);
      console.log(
        `${what}, ${senders} senders: ${measured.laurel.toFixed(0)}/s, a bare insert ${measured.bare.toFixed(0)}/s, ratio ${ratio}`,
      );
    }
  }
  await close();
  await sql.end();
} finally {
  await embedded.stop();
  await rm(folder, { recursive: true, force: true });
}
