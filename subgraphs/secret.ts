import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import type { Sql } from './db.ts';
import { Refusal } from './errors.ts';
import type { StreamId } from './log.ts';
import type { SigningKeys } from './principal.ts';

// Secrets that all processes on one database share, and the cursors that one of them seals.

/** Opaque positions in a stream for clients: sealed, so that they neither tell how much happens nor can be forged. */
export interface CursorSeal {
  seal(id: StreamId, number: number): string;
  /** @throws BAD_CURSOR for text that this stream of this community didn't issue. */
  open(id: StreamId, cursor: string): number;
}

/**
 * One AES block holds eight bytes that name the stream and eight of the number. The same event has the same cursor
 * everywhere, which lets a client drop what it has seen and lets streams be joined at a cursor.
 * @param secrets  newest first: the first seals, all open.
 */
export function cursorSeal(secrets: SigningKeys): CursorSeal {
  const [newest] = secrets;
  if (newest === undefined) throw new Error('Cursors need a secret.');
  return {
    seal(id, number) {
      const block = Buffer.alloc(16);
      mark(id).copy(block);
      block.writeBigUInt64BE(BigInt(number), 8);
      const cipher = createCipheriv('aes-256-ecb', newest.secret, null).setAutoPadding(false);
      return Buffer.concat([cipher.update(block), cipher.final()]).toString('base64url');
    },
    open(id, cursor) {
      const refusal = new Refusal(
        'BAD_CURSOR',
        'The cursor was not issued by this stream: start without `after`.',
      );
      const sealed = Buffer.from(cursor, 'base64url');
      if (sealed.length !== 16) throw refusal;
      for (const { secret } of secrets) {
        const decipher = createDecipheriv('aes-256-ecb', secret, null).setAutoPadding(false);
        const block = Buffer.concat([decipher.update(sealed), decipher.final()]);
        if (block.subarray(0, 8).equals(mark(id))) return Number(block.readBigUInt64BE(8));
      }
      throw refusal;
    },
  };
}

function mark({ communityId, stream }: StreamId): Buffer {
  return createHash('sha256').update(`${communityId} ${stream}`).digest().subarray(0, 8);
}

/** The secrets of one purpose, newest first; the first process that asks makes the first one. */
export async function secretsFor(
  sql: Sql,
  purpose: 'principal' | 'cursor' | 'session',
): Promise<SigningKeys> {
  const read = () => sql<{ id: string; secret: Buffer }[]>`
    -- secretsFor
    select id, value as secret from log.secret where purpose = ${purpose} order by created_at desc, id`;
  const stored = await read();
  if (stored.length > 0) return stored;
  // The fixed id lets one of several first processes win; all then read the winner's.
  await sql`
    -- secretsFor: the first
    insert into log.secret (purpose, id, value) values (${purpose}, 'first', ${randomBytes(32)})
    on conflict do nothing`;
  return read();
}
