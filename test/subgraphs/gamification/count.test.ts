import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { countsByUser } from '../../../subgraphs/gamification/count.ts';
import { balancesByUser } from '../../../subgraphs/gamification/ledger.ts';
import { messageEvents } from '../../../subgraphs/gamification/message-event.ts';
import { plainRule, setRules } from '../../../subgraphs/gamification/rule.ts';
import { newId } from '../../../subgraphs/id.ts';
import { catchUp } from '../../../subgraphs/log-reader.ts';
import { newCommunity } from '../../kit/community.ts';
import { freshDatabase, type TestDatabase } from '../../kit/database.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.close());

describe('counts', () => {
  it('of messages, replies and reactions follow the log, each once, and rules reward them', async () => {
    const { id, memberIds } = await newCommunity(database.resources);
    const { sql } = database;
    await setRules(sql, id, [
      { id: newId('Rule'), ...plainRule('message', { en: 'Message' }, { XP: 5 }), cooldownSeconds: 60 },
    ]);
    const [first = '', second = ''] = memberIds;
    const told = [
      { kind: 'MessagePosted', user_id: first, payload: { messageId: 'msg_a' } },
      { kind: 'MessagePosted', user_id: first, payload: { messageId: 'msg_b' } },
      { kind: 'MessagePosted', user_id: second, payload: { messageId: 'msg_c', replyToId: 'msg_a' } },
      { kind: 'MessageReacted', user_id: second, payload: { messageId: 'msg_a', emoji: '👍', added: true } },
      { kind: 'MessageReacted', user_id: second, payload: { messageId: 'msg_a', emoji: '👍', added: false } },
      { kind: 'MessageReacted', user_id: second, payload: { messageId: 'msg_a', emoji: '👍', added: true } },
      { kind: 'MessageEdited', user_id: first, payload: { messageId: 'msg_a' } },
      { kind: 'MessagePosted', user_id: null, payload: { messageId: 'msg_d' } },
    ];
    await sql`select log.append(${id}, 'messages', ${sql.json(told)})`;
    await Promise.all([catchUp(sql, messageEvents), catchUp(sql, messageEvents)]);
    await catchUp(sql, messageEvents);
    const counts = await countsByUser(sql, id, memberIds);
    expect(counts).toMatchObject([
      { messages: 2, replies: 0, reactions: 0 },
      { messages: 0, replies: 1, reactions: 1 },
    ]);
    // The second message came within the rule's cooldown.
    expect((await balancesByUser(sql, id, memberIds)).map(({ XP }) => XP)).toEqual([5n, 0n]);
  });
});
