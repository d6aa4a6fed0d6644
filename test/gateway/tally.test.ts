import { describe, expect, it } from 'vitest';
import type { Caller } from '../../gateway/access.ts';
import { createTally } from '../../gateway/tally.ts';

const tally = () => createTally('streams', 'STREAM_LIMIT_EXCEEDED', { known: 2, system: 3, anonymous: 1 });
const caller = (principal: object, seesPart = true) => ({ principal, seesPart }) as Caller;
const person = caller({ kind: 'session', communityId: 'c', userId: 'u' });

describe('a tally', () => {
  it('refuses one more than a caller may hold, and takes it when one is given back, once', () => {
    const { take } = tally();
    const giveBack = take(person, 'a');
    take(person, 'b');
    expect(() => take(person, 'a')).toThrow('One person has at most 2 streams at a time: close some first.');
    giveBack();
    giveBack();
    take(person, 'a');
    expect(() => take(person, 'a')).toThrow(
      expect.objectContaining({ status: 429, code: 'STREAM_LIMIT_EXCEEDED' }),
    );
  });

  it('counts a person once for all credentials, and each key, address and community by itself', () => {
    const { take } = tally();
    take(person, 'a');
    take(caller({ kind: 'personal', communityId: 'c', userId: 'u', keyId: 'k' }), 'a');
    expect(() => take(person, 'a')).toThrow('person');
    const others = [
      caller({ kind: 'session', communityId: 'd', userId: 'u' }),
      caller({ kind: 'integration', communityId: 'c', keyId: 'k' }),
    ];
    for (const other of others) for (let n = 0; n < 2; n++) take(other, 'a');
    const system = caller({ kind: 'system', communityId: 'c', keyId: 's' });
    for (let n = 0; n < 3; n++) take(system, 'a');
    expect(() => take(system, 'a')).toThrow('One key has at most 3');
    const nobody = caller({ kind: 'anonymous' });
    for (const address of ['198.51.100.1', '198.51.100.2']) take(nobody, address);
    expect(() => take(nobody, '198.51.100.1')).toThrow('One address without a credential');
  });

  it('counts nobody where everybody sees everything', () => {
    const { take } = tally();
    for (let n = 0; n < 10; n++) take(caller({ kind: 'anonymous' }, false), 'a');
  });
});
