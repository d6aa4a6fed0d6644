import type { Sql } from '../db.ts';
import {
  demoChannels,
  demoCommunity,
  demoDays,
  demoDirectChannel,
  demoId,
  demoMoment,
  demoPeople,
  demoRandom,
} from '../demo.ts';
import type { Principal } from '../principal.ts';
import { addForumTopics } from './forum-topic.ts';
import { messagesById } from './message.ts';
import { deleteMessage, editMessage } from './message-change.ts';
import { setPinned } from './pin.ts';
import { addReactions, type NewReaction } from './reaction.ts';
import { addMessages, type NewMessage } from './sending.ts';

const messageCount = 1_000;
const openings = [
  'Good morning!',
  'Quick question:',
  'I just saw this:',
  'For everybody who missed it:',
  'Small win today:',
  'Does anyone know',
];
const middles = [
  'the new lesson is out',
  'my first streak of seven',
  'how the weekly board is counted',
  'the market was calm today',
  'somebody helped me a lot here',
  'we meet again on Friday',
];
const closings = ['Thanks!', 'What do you think?', 'See you there.', 'Have a good day.', ''];
const emojis = ['👍', '🎉', '❤️', '😂', '🚀'];

/** What the two of the direct channel say in turns, the administrator first; the last answers the first. */
const whispers = [
  'Would you take the newcomers of this week under your wing?',
  'Gladly. How many are they?',
  'Nine, most of them new to trading.',
  'Then I begin with a round of introductions on Thursday.',
  'Thank you! I will announce it.',
  'And yes, next week again.',
];

const topics = ['How do you begin?', 'Stop losses', 'Books worth reading'];

/**
 * A thousand messages with replies and reactions; a forum's under topics, some pinned, one edited, one deleted. And what
 * two people say to each other alone.
 */
export async function loadDemo(sql: Sql, now: Date): Promise<void> {
  const { id: communityId } = demoCommunity;
  const random = demoRandom(5);
  const pick = (words: readonly string[]) => words[random(words.length)] ?? '';
  const people = demoPeople.map(({ id }) => id);
  const channels = demoChannels.filter(({ kind }) => kind !== 'AUDIO');

  const forum = channels.find(({ kind }) => kind === 'FORUM');
  const begun = topics.map((title, n) => ({
    id: demoId('ForumTopic', n),
    channelId: forum?.id ?? '',
    authorId: people[n + 1] ?? '',
    title,
    idempotencyKey: `demo-${n}`,
    createdAt: demoMoment(now, demoDays, n),
  }));
  const kindOf = new Map(channels.map(({ id, kind }) => [id, kind]));
  const messages: (NewMessage & { id: string; createdAt: Date })[] = [];
  const reactions: (NewReaction & { createdAt: Date })[] = [];
  for (let n = 0; n < messageCount; n++) {
    const answered = n > 50 && random(4) === 0 ? messages[n - 1 - random(40)] : undefined;
    const channelId = answered?.channelId ?? pick(channels.map(({ id }) => id));
    const daysAgo = demoDays - 1 - Math.floor((n * demoDays) / messageCount);
    // Within a day the messages of the demo follow one another, so that nobody answers what isn't said yet.
    const ofDay = n - Math.ceil(((demoDays - 1 - daysAgo) * messageCount) / demoDays);
    const createdAt = demoMoment(now, daysAgo, 420 + ofDay * 60 + random(50));
    const id = demoId('Message', n);
    const body = `${pick(openings)} ${pick(middles)}. ${pick(closings)}`.trim();
    const authorId = pick(people);
    const topicId = kindOf.get(channelId) === 'FORUM' ? (begun[n % begun.length]?.id ?? null) : null;
    messages.push({
      id,
      channelId,
      authorId,
      body,
      replyToId: answered?.id ?? null,
      forumTopicId: answered === undefined ? topicId : (answered.forumTopicId ?? null),
      audienceId: kindOf.get(channelId) === 'WHISPER' ? authorId : null,
      idempotencyKey: `demo-${n}`,
      createdAt,
    });
    for (let count = random(4); count > 0; count--) {
      reactions.push({ messageId: id, channelId, userId: pick(people), emoji: pick(emojis), createdAt });
    }
  }
  await addForumTopics(sql, communityId, begun);
  await addMessages(sql, communityId, [...messages, ...betweenTwo(now)]);
  await addReactions(sql, communityId, reactions);
  await changeSome(sql, communityId, messages);
}

function betweenTwo(now: Date): (NewMessage & { id: string; createdAt: Date })[] {
  const { id: channelId, participantIds } = demoDirectChannel;
  const idOf = (n: number) => demoId('Message', messageCount + n);
  return whispers.map((body, n) => ({
    id: idOf(n),
    channelId,
    authorId: participantIds[n % 2] ?? '',
    body,
    replyToId: n === whispers.length - 1 ? idOf(0) : null,
    forumTopicId: null,
    audienceId: null,
    idempotencyKey: `demo-direct-${n}`,
    createdAt: demoMoment(now, 9, 500 + n * 7),
  }));
}

/** The latest two of the first channel pinned, the one before them edited, and the one before that deleted. */
async function changeSome(
  sql: Sql,
  communityId: string,
  messages: readonly (NewMessage & { id: string })[],
): Promise<void> {
  const team: Principal = { kind: 'system', communityId, scopes: [] };
  const latest = messages.filter(({ channelId }) => channelId === demoChannels[0]?.id).slice(-4);
  const ids = latest.map(({ id }) => id);
  const [gone, changed, ...pinned] = await messagesById(sql, team, ids);
  for (const one of pinned) if (one?.deletedAt === null) await setPinned(sql, team, one, true);
  if (changed?.deletedAt === null) await editMessage(sql, team, changed, 'I meant: see you on *Friday*.');
  if (gone != null) await deleteMessage(sql, team, gone);
}
