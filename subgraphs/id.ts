import { typeidUnboxed } from 'typeid-js';

// Ids: a prefix that tells the type, and a UUIDv7 that sorts by the time it was made. https://github.com/jetify-com/typeid

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

/** A new id: `usr_01jz…`, 30 characters. */
export function newId(entity: EntityName): string {
  return typeidUnboxed(idPrefixes[entity]);
}

const form = /^([a-z]+)_[0-7][0-9a-hjkmnp-tv-z]{25}$/;
const entities = new Map<string, EntityName>(
  Object.entries(idPrefixes).map(([entity, prefix]) => [prefix, entity as EntityName]),
);

/** The entity that an id belongs to, whether or not it exists; undefined for what can't be an id. */
export function entityOf(id: string): EntityName | undefined {
  return entities.get(form.exec(id)?.[1] ?? '');
}
