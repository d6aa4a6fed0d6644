import { createCipheriv, createDecipheriv, createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { Refusal } from './errors.ts';
import type { SigningKeys } from './principal.ts';

// Positions in a stream as clients keep them: sealed, so that they neither tell how much happens nor can be forged.

/** What cursors lie on: a stream of the log, or another line of states that follow each other. */
export interface CursorLine {
  communityId: string;
  stream: string;
}

/** Opaque positions in a stream for clients. */
export interface CursorSeal {
  seal(id: CursorLine, number: number): string;
  /**
   * null for a cursor whose secret is there no more: it is older than anything that is kept.
   * @throws BAD_CURSOR for text that this stream of this community didn't issue.
   */
  open(id: CursorLine, cursor: string): number | null;
}

/**
 * Two bytes name the secret; one AES block holds eight that name the stream and eight of the number. The same event has
 * the same cursor everywhere, which lets a client drop what it has seen and lets streams be joined at a cursor.
 * @param secrets  the first seals, all open.
 */
export function cursorSeal(secrets: SigningKeys): CursorSeal {
  // Each block stands alone, so one cipher does for all of a secret: to make one costs more than all it does for a cursor.
  let sealing: { id: string; tag: Buffer; cipher: ReturnType<typeof createCipheriv> } | undefined;
  const marks = new LRUCache<string, Buffer>({ max: 10_000 });
  const mark = ({ communityId, stream }: CursorLine): Buffer => {
    const name = `${communityId} ${stream}`;
    let known = marks.get(name);
    if (known === undefined) {
      known = createHash('sha256').update(name).digest().subarray(0, 8);
      marks.set(name, known);
    }
    return known;
  };
  return {
    seal(id, number) {
      const [newest] = secrets();
      if (newest === undefined) throw new Error('Cursors need a secret.');
      const block = Buffer.alloc(16);
      mark(id).copy(block);
      block.writeBigUInt64BE(BigInt(number), 8);
      if (sealing?.id !== newest.id) {
        const cipher = createCipheriv('aes-256-ecb', newest.secret, null).setAutoPadding(false);
        sealing = { id: newest.id, tag: tag(newest.id), cipher };
      }
      return Buffer.concat([sealing.tag, sealing.cipher.update(block)]).toString('base64url');
    },
    open(id, cursor) {
      const bytes = Buffer.from(cursor, 'base64url');
      if (bytes.length !== 18 || cursor.length !== 24) throw badCursor();
      const named = secrets().filter((secret) => tag(secret.id).equals(bytes.subarray(0, 2)));
      if (named.length === 0) return null;
      for (const { secret } of named) {
        const decipher = createDecipheriv('aes-256-ecb', secret, null).setAutoPadding(false);
        const block = Buffer.concat([decipher.update(bytes.subarray(2)), decipher.final()]);
        if (block.subarray(0, 8).equals(mark(id))) return Number(block.readBigUInt64BE(8));
      }
      throw badCursor();
    },
  };
}

function tag(secretId: string): Buffer {
  return createHash('sha256').update(secretId).digest().subarray(0, 2);
}

function badCursor(): Refusal {
  return new Refusal('BAD_CURSOR', 'The cursor was not issued by this stream: start without `after`.');
}
