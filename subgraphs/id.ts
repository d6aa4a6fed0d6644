import { randomFillSync } from 'node:crypto';

// Ids: a prefix that tells the type, and a UUIDv7 that sorts by the time it was made, within a process by
// its turn. Sources: https://github.com/jetify-com/typeid; RFC 9562, section 6.2. Made here, since a batch makes thousands.

/** Prefix of each entity's ids, and so the entity that an id belongs to. */
export const idPrefixes = {
  Activity: 'act',
  ApiKey: 'key',
  Attachment: 'att',
  AuditEntry: 'aud',
  Badge: 'bdg',
  BadgeAward: 'awd',
  Channel: 'chn',
  Community: 'com',
  Field: 'fld',
  FieldHistory: 'fhs',
  ForumTopic: 'top',
  Leaderboard: 'ldb',
  LedgerEntry: 'led',
  LedgerEvent: 'evt',
  Message: 'msg',
  Penalty: 'pen',
  Role: 'rol',
  Rule: 'rul',
  Session: 'ses',
  Tier: 'tir',
  User: 'usr',
} as const;

export type EntityName = keyof typeof idPrefixes;

/** No text longer than this is looked at as an id. Ours have 30 characters. */
export const longestId = 200;

/** A new id: `usr_01jz…`, 30 characters. */
export function newId(entity: EntityName): string {
  const now = Date.now();
  if (now > time) {
    time = now;
    turn = randomInteger() % 2 ** 25;
  } else if (++turn === 2 ** 26) {
    time++;
    turn = 0;
  }
  bytes.writeUIntBE(time, 0, 6);
  bytes[6] = 0x70 | (turn >>> 22);
  bytes[7] = turn >>> 14;
  bytes[8] = 0x80 | ((turn >>> 8) & 0x3f);
  bytes[9] = turn;
  bytes.writeUIntBE(randomInteger(), 10, 6);
  return idOf(entity, bytes);
}

/** The id that a UUID's 16 bytes make. */
export function idOf(entity: EntityName, uuid: Uint8Array): string {
  // Five bits a letter; 26 letters are two bits more than the bytes have.
  let [held, bits, letters] = [0, 2, 0];
  for (const byte of uuid) {
    held = ((held & 31) << 8) | byte;
    for (bits += 8; bits >= 5; bits -= 5) {
      suffix[letters++] = alphabet.charCodeAt((held >>> (bits - 5)) & 31);
    }
  }
  return `${idPrefixes[entity]}_${suffix.toString('latin1')}`;
}

/** 48 random bits. */
function randomInteger(): number {
  if (drawn === random.length) {
    randomFillSync(random);
    drawn = 0;
  }
  drawn += 6;
  return random.readUIntBE(drawn - 6, 6);
}

// What the last id was made of, and what the next is made in.
let [time, turn] = [0, 0];
const bytes = Buffer.alloc(16);
const suffix = Buffer.alloc(26);
const random = Buffer.alloc(6 * 512);
let drawn = random.length;
const alphabet = '0123456789abcdefghjkmnpqrstvwxyz';

const form = /^([a-z]+)_[0-7][0-9a-hjkmnp-tv-z]{25}$/;
const entities = new Map<string, EntityName>(
  Object.entries(idPrefixes).map(([entity, prefix]) => [prefix, entity as EntityName]),
);

/** The entity that an id belongs to, whether or not it exists; undefined for what can't be an id. */
export function entityOf(id: string): EntityName | undefined {
  return entities.get(form.exec(id)?.[1] ?? '');
}
