import { describe, expect, it } from 'vitest';
import { cursorSeal } from '../../subgraphs/cursor.ts';
import { newId } from '../../subgraphs/id.ts';
import type { StreamId } from '../../subgraphs/log.ts';

const newStream = (): StreamId => ({ communityId: newId('Community'), stream: 'xp' });
const numbersTo = (last: number) => Array.from({ length: last }, (_, n) => n + 1);
const secretsOf =
  (...bytes: number[]) =>
  () =>
    bytes.map((byte) => ({ id: String(byte), secret: Buffer.alloc(32, byte) }));

describe('cursors', () => {
  const cursors = cursorSeal(secretsOf(7));

  it('open to the number they were sealed with, and are the same for everybody', () => {
    const id = newStream();
    for (const number of [0, 1, 2 ** 40]) expect(cursors.open(id, cursors.seal(id, number))).toBe(number);
    expect(cursors.seal(id, 5)).toBe(cursors.seal({ ...id }, 5));
  });

  it('outlive their secret as long as it is kept', () => {
    const id = newStream();
    const cursor = cursors.seal(id, 5);
    expect(cursorSeal(secretsOf(9, 7)).open(id, cursor)).toBe(5);
    expect(cursorSeal(secretsOf(9, 7)).seal(id, 5)).not.toBe(cursor);
  });

  it('tell nothing: neighbours have no more in common than strangers', () => {
    const id = newStream();
    const sealed = numbersTo(200).map((number) => Buffer.from(cursors.seal(id, number), 'base64url'));
    // Two bytes name the secret.
    for (let at = 2; at < 18; at++)
      expect(new Set(sealed.map((bytes) => bytes[at])).size).toBeGreaterThan(60);
    expect(new Set(sealed.map((bytes) => bytes.length))).toEqual(new Set([18]));
  });

  it('are known as old when their secret is there no more', () => {
    const id = newStream();
    expect(cursorSeal(secretsOf(9)).open(id, cursors.seal(id, 5))).toBeNull();
  });

  it.each<[string, (id: StreamId) => string]>([
    ['of another stream', (id) => cursors.seal({ ...id, stream: 'messages' }, 1)],
    ['of another community', (id) => cursors.seal({ ...id, communityId: newId('Community') }, 1)],
    ['of another Laurel', (id) => cursorSeal(() => [{ id: '7', secret: Buffer.alloc(32, 8) }]).seal(id, 1)],
    ['that was cut', (id) => cursors.seal(id, 1).slice(1)],
    ['that is only a number', () => '1'],
    ['that is empty', () => ''],
  ])('BAD_CURSOR: one %s', (_what, cursorFor) => {
    const id = newStream();
    expect(() => cursors.open(id, cursorFor(id))).toThrow(expect.objectContaining({ code: 'BAD_CURSOR' }));
  });
});
