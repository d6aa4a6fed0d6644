import { fileTypeFromBuffer } from 'file-type';

// What a file is, by its own bytes: what its sender says of it counts for nothing. What browsers might run is not taken.

/** The types that are taken, and whether a browser may show one in its place instead of saving it. */
export const fileTypes: Readonly<Record<string, { isShown: boolean }>> = {
  'image/png': { isShown: true },
  'image/jpeg': { isShown: true },
  'image/gif': { isShown: true },
  'image/webp': { isShown: true },
  'image/avif': { isShown: true },
  'video/mp4': { isShown: true },
  'video/webm': { isShown: true },
  'audio/mpeg': { isShown: true },
  'audio/ogg': { isShown: true },
  'application/pdf': { isShown: false },
  'application/zip': { isShown: false },
  'text/plain': { isShown: false },
};

/** Bytes at the beginning of a file that tell its type. */
export const sniffedBytes = 4_100;

/**
 * The type of a file; undefined for one that isn't taken. Text of any kind is `text/plain`.
 * @param head  its first `sniffedBytes`, or all of it.
 */
export async function fileTypeOf(head: Buffer): Promise<string | undefined> {
  const mime = (await fileTypeFromBuffer(head))?.mime.split(';')[0];
  if (mime !== undefined) return mime in fileTypes ? mime : undefined;
  return head.length > 0 && isText(head) ? 'text/plain' : undefined;
}

function isText(head: Buffer): boolean {
  // The last character may be cut in two.
  const decoder = new TextDecoder('utf-8', { fatal: true });
  try {
    return !decoder.decode(head, { stream: head.length >= sniffedBytes }).includes('\0');
  } catch {
    return false;
  }
}
