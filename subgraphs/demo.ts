import { createHash } from 'node:crypto';
import { type EntityName, idOf } from './id.ts';

// The demo community: the same people, ids and numbers every time, on the days before the one it is loaded on. Each
// subgraph turns its part of it into rows; here is what they agree on.

export interface DemoPerson {
  id: string;
  email: string;
  username: string;
  firstName: string;
  lastName: string;
  language: string;
  timeZone: string;
  externalIds: { system: string; value: string }[];
  /** Days before the demo's day that the person joined. */
  joinedDaysAgo: number;
}

export interface DemoChannel {
  id: string;
  topic: Record<string, string>;
  description: string;
  kind: string;
  category: string;
}

export const demoDays = 90;
const dayMs = 24 * 60 * 60 * 1_000;

/** The n-th id of an entity in the demo. Its time is that of a fixed day, so ids don't tell when the demo was loaded. */
export function demoId(entity: EntityName, n: number): string {
  const bytes = createHash('sha256').update(`laurel demo ${entity} ${n}`).digest().subarray(0, 16);
  const time = BigInt(Date.UTC(2025, 0, 1) + n);
  bytes.writeUIntBE(Number(time), 0, 6);
  bytes[6] = 0x70 | ((bytes[6] ?? 0) & 0x0f);
  bytes[8] = 0x80 | ((bytes[8] ?? 0) & 0x3f);
  return idOf(entity, bytes);
}

/** Numbers that look random and are the same every time: `random(6)` is 0-5. */
export function demoRandom(seed: number): (below: number) => number {
  // mulberry32, https://gist.github.com/tommyettinger/46a874533244883189143505d203312c
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296) * below);
  };
}

/** A moment some days before the demo's, at a time of that day (UTC); the last day ends when the demo is loaded. */
export function demoMoment(now: Date, daysAgo: number, minuteOfDay: number): Date {
  const midnight = Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), now.getUTCDate());
  const elapsed = daysAgo === 0 ? (now.getTime() - midnight) / dayMs : 1;
  return new Date(midnight - daysAgo * dayMs + Math.floor(minuteOfDay * 60_000 * elapsed));
}

const firstNames =
  'Ada Amir Anna Aylin Ben Bruno Chen Clara Dario Elif Emma Felix Fiona Goran Hana Hugo Ida Ivan Jana Jonas Kaya Lea Liam Luca Maja Mateo Mila Nils Nora Omar Paula Yuki'.split(
    ' ',
  );
const lastNames =
  'Ahmadi Berg Costa Demir Evans Fischer Garcia Haddad Ito Jansen Kowalski Larsen Meyer Novak Okafor Petrov'.split(
    ' ',
  );

const known: Partial<DemoPerson>[] = [
  {
    email: 'admin@returning.ai',
    username: 'admin',
    firstName: 'Robin',
    lastName: 'Admin',
    externalIds: [{ system: 'RETURNING', value: '123' }],
  },
  { externalIds: [{ system: 'GAMIFYHOST', value: 'user_12345' }] },
  { externalIds: [{ system: 'LYNES', value: 'user_123' }] },
];

const languages = ['en', 'de', 'es', 'fr'];
const timeZones = ['Europe/Berlin', 'America/New_York', 'Asia/Kathmandu', 'UTC'];

/** The 64 people; the first is the administrator of the vendors' examples. */
export const demoPeople: readonly DemoPerson[] = Array.from({ length: 64 }, (_, n) => {
  const firstName = firstNames[n % firstNames.length] ?? '';
  const lastName = lastNames[(n * 7 + Math.floor(n / firstNames.length)) % lastNames.length] ?? '';
  const username = `${firstName}.${lastName}`.toLowerCase();
  return {
    id: demoId('User', n),
    email: `${username}@example.org`,
    username,
    firstName,
    lastName,
    language: languages[n % languages.length] ?? 'en',
    timeZone: timeZones[n % timeZones.length] ?? 'UTC',
    externalIds: [{ system: 'RETURNING', value: String(1_100 + n) }],
    joinedDaysAgo: 400 - n * 4,
    ...known[n],
  };
});

export const demoCommunity = {
  id: demoId('Community', 0),
  slug: 'demo',
  name: { en: 'Laurel Demo', de: 'Laurel-Demo' },
  timeZone: 'UTC',
  foundedDaysAgo: 420,
};

export const demoChannels: readonly DemoChannel[] = [
  ['General', 'Allgemeines', 'OPEN', 'Everything that fits nowhere else.', 'Community'],
  ['Introductions', 'Vorstellungen', 'OPEN', 'Say hello.', 'Community'],
  ['Announcements', 'Ankündigungen', 'ANNOUNCEMENT', 'News from the community.', 'Community'],
  ['Strategies', 'Strategien', 'FORUM', 'What works and what does not.', 'Trading'],
  ['Markets', 'Märkte', 'OPEN', 'What happened today.', 'Trading'],
  ['Support', 'Hilfe', 'WHISPER', 'Ask the team; other members do not see you.', 'Help'],
  ['Off-topic', 'Off-Topic', 'OPEN', 'Cats, coffee, weekends.', 'Lounge'],
  ['Voice', 'Sprache', 'AUDIO', 'Talk to each other.', 'Lounge'],
].map(([en = '', de = '', kind = '', description = '', category = ''], n) => ({
  id: demoId('Channel', n),
  topic: { en, de },
  kind,
  description,
  category,
}));

/** The roles: who may what, highest first, and which people of the demo have them. */
export const demoRoles = [
  {
    title: { en: 'Team', de: 'Team' },
    color: '#b8860b',
    rank: 300,
    billable: true,
    permissions: ['ADMINISTRATOR'],
    holders: [0],
  },
  {
    title: { en: 'Moderator', de: 'Moderation' },
    color: '#2e8b57',
    rank: 200,
    billable: true,
    permissions: ['WARN_MEMBERS', 'SUSPEND_MEMBERS', 'BROADCAST_MESSAGES', 'MANAGE_MESSAGES', 'PIN_MESSAGES'],
    holders: [1, 2, 3],
  },
  {
    title: { en: 'Mentor', de: 'Mentor' },
    color: '#4169e1',
    rank: 100,
    billable: false,
    permissions: ['POST_ANALYSIS', 'PIN_MESSAGES'],
    holders: [2, 5, 8, 13, 21],
  },
].map((role, n) => ({ id: demoId('Role', n), ...role }));

/** A channel for the team and the moderators alone; nobody has said anything in it. */
export const demoPrivateChannel: DemoChannel & { viewRoleIds: string[] } = {
  id: demoId('Channel', demoChannels.length),
  topic: { en: 'Moderation', de: 'Moderation' },
  kind: 'OPEN',
  description: 'What the team talks about.',
  category: 'Team',
  viewRoleIds: demoRoles.slice(0, 2).map(({ id }) => id),
};

/** What the administrator and a mentor talk about, where nobody else reads it. */
export const demoDirectChannel = {
  id: demoId('Channel', demoChannels.length + 1),
  topic: {},
  kind: 'DIRECT',
  participantIds: [demoPeople[0]?.id ?? '', demoPeople[5]?.id ?? ''],
};

/** Two who misbehaved: one was warned, one is suspended for a year. */
export const demoPenalties = [
  { person: 61, kind: 'WARNING', reason: 'Advertising in General.', daysAgo: 12, lastsDays: null },
  { person: 62, kind: 'SUSPENSION', reason: 'Insults after a warning.', daysAgo: 3, lastsDays: 365 },
] as const;
