import { createHmac, timingSafeEqual } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { SigningKeys } from './principal.ts';

// Files that people attach: where their bytes lie, and the links by which they come and go. Bytes never pass through
// GraphQL; whoever may read a message is given links that work for minutes.

/** Where bytes lie, by key: a folder here; a bucket of S3 has the same four calls. A key is letters, digits, _ and /. */
export interface FileStore {
  /** Stores all of a stream or nothing of it; what was under the key is replaced. */
  put(key: string, bytes: Readable): Promise<void>;
  /** The bytes under a key; undefined when there are none. */
  open(key: string): Promise<Readable | undefined>;
  /** Again, it changes nothing. */
  remove(key: string): Promise<void>;
}

/** Files in a folder, each written beside its place and renamed. */
export function folderOfFiles(folder: string): FileStore {
  const pathOf = (key: string) => {
    if (!/^\w+(\/\w+)*$/.test(key)) throw new Error(`"${key}" is no key of a file.`);
    return join(folder, key);
  };
  let draft = 0;
  return {
    async put(key, bytes) {
      const path = pathOf(key);
      draft++;
      const part = `${path}.${process.pid}-${draft}.part`;
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      try {
        await pipeline(bytes, createWriteStream(part, { mode: 0o600, flush: true }));
        await rename(part, path);
      } catch (error) {
        await rm(part, { force: true });
        throw error;
      }
    },
    async open(key) {
      const found = await stat(pathOf(key)).catch(() => undefined);
      return found && createReadStream(pathOf(key));
    },
    remove: (key) => rm(pathOf(key), { force: true }),
  };
}

/** What a link is for. */
export interface FileLink {
  method: 'GET' | 'PUT';
  communityId: string;
  fileId: string;
}

/** What resolvers know of files. */
export interface Files {
  store: FileStore;
  /** The link, signed until a moment. */
  link(to: FileLink, expiresAt: Date): string;
  /** What a link's path and query are for; undefined when they are forged or stale. */
  read(method: string, url: string, now: Date): FileLink | undefined;
  /** Where this process serves links, unless it was told where others do. */
  servedAt(origin: string): void;
}

/** The path that links begin with. */
export const filesPath = '/files/';

/**
 * @param keys    the first signs, all verify.
 * @param origin  where links lead to, `https://files.example.org`; undefined: to the process that serves them.
 */
export function filesIn(folder: string, keys: SigningKeys, origin?: string): Files {
  let base = origin ?? 'http://127.0.0.1:4000';
  const signatureOf = (secret: Uint8Array, { method, communityId, fileId }: FileLink, expires: number) =>
    createHmac('sha256', secret).update(`${method} ${communityId} ${fileId} ${expires}`).digest();
  return {
    store: folderOfFiles(folder),
    link(to, expiresAt) {
      const expires = Math.floor(expiresAt.getTime() / 1_000);
      const [newest] = keys();
      if (newest === undefined) throw new Error('Links to files need a signing key.');
      const signature = signatureOf(newest.secret, to, expires).toString('base64url');
      const path = `${filesPath}${to.communityId}/${to.fileId}`;
      return `${base}${path}?method=${to.method}&expires=${expires}&signature=${signature}`;
    },
    read(asked, url, now) {
      if (!URL.canParse(url, base)) return undefined;
      const { pathname, searchParams } = new URL(url, base);
      const [communityId = '', fileId = '', ...rest] = pathname.slice(filesPath.length).split('/');
      const method = searchParams.get('method');
      const expires = Number(searchParams.get('expires'));
      const isAsked = method === asked || (method === 'GET' && asked === 'HEAD');
      if (!isAsked || rest.length > 0 || !(expires * 1_000 > now.getTime())) return undefined;
      const link = { method: method as FileLink['method'], communityId, fileId };
      const given = Buffer.from(searchParams.get('signature') ?? '', 'base64url');
      const isSigned = keys().some(({ secret }) => {
        const right = signatureOf(secret, link, expires);
        return right.length === given.length && timingSafeEqual(right, given);
      });
      return isSigned ? link : undefined;
    },
    servedAt(at) {
      if (origin === undefined) base = at;
    },
  };
}
