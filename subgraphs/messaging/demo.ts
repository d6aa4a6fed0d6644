import type { Sql } from '../db.ts';
import {
  demoChannels,
  demoCommunity,
  demoDays,
  demoId,
  demoMoment,
  demoPeople,
  demoRandom,
} from '../demo.ts';
import { addMessages, type NewMessage } from './message.ts';
import { addReactions, type NewReaction } from './reaction.ts';

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

/** A thousand messages with replies and reactions. */
export async function loadDemo(sql: Sql, now: Date): Promise<void> {
  const { id: communityId } = demoCommunity;
  const random = demoRandom(5);
  const pick = (words: readonly string[]) => words[random(words.length)] ?? '';
  const people = demoPeople.map(({ id }) => id);
  const channels = demoChannels.filter(({ kind }) => kind !== 'AUDIO');

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
    messages.push({
      id,
      channelId,
      authorId: pick(people),
      body,
      replyToId: answered?.id ?? null,
      idempotencyKey: `demo-${n}`,
      createdAt,
    });
    for (let count = random(4); count > 0; count--) {
      reactions.push({ messageId: id, channelId, userId: pick(people), emoji: pick(emojis), createdAt });
    }
  }
  await addMessages(sql, communityId, messages);
  await addReactions(sql, communityId, reactions);
}
