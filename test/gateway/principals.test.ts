import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Caller } from '../../gateway/access.ts';
import { inProcess } from '../../gateway/engine/index.ts';
import { askIdentity } from '../../gateway/identity.ts';
import { createPrincipals, credential, type Identity } from '../../gateway/principals.ts';
import { contextFor } from '../../subgraphs/context.ts';
import { Refusal } from '../../subgraphs/errors.ts';
import { issueKey } from '../../subgraphs/identity/api-key.ts';
import { revokeKey, rotateKey, updateKey } from '../../subgraphs/identity/api-key-change.ts';
import { credentialChanges } from '../../subgraphs/identity/authentication.ts';
import { identity } from '../../subgraphs/identity/index.ts';
import { beginSession, endSession } from '../../subgraphs/identity/session.ts';
import { credentialsNow } from '../../subgraphs/log.ts';
import { gatewayPrincipal, type Principal } from '../../subgraphs/principal.ts';
import { newCommunity } from '../kit/community.ts';
import { freshDatabase, type TestDatabase } from '../kit/database.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.close());

const badCredential = () => new Refusal('BAD_CREDENTIAL', 'Not valid.');

/** What a gateway remembers of a community's credentials, its clock standing still until it is told. */
async function newPlace() {
  const place = await newCommunity(database.resources);
  const subgraph = inProcess<Caller>({
    name: 'identity',
    schema: identity.schema,
    contextOf: ({ principal }) => contextFor(database.resources, principal),
  });
  const gateway = { principal: gatewayPrincipal } as Caller;
  const real = askIdentity(subgraph, async () => gateway, badCredential);
  const asked = { authenticate: 0, changes: 0 };
  const time = { now: 1_000_000 };
  const outage = { on: false };
  let told = Promise.resolve();
  const counted: Identity = {
    async authenticate(...credential) {
      asked.authenticate++;
      if (outage.on) throw new Error('Nobody answers.');
      return real.authenticate(...credential);
    },
    changes(after) {
      asked.changes++;
      const answer = outage.on ? Promise.reject(new Error('Nobody answers.')) : real.changes(after);
      told = answer.then(
        () => {},
        () => {},
      );
      return answer;
    },
  };
  let run: (() => void) | undefined;
  const principals = createPrincipals(counted, badCredential, {
    clock: () => time.now,
    every(ms, tick) {
      expect(ms).toBeLessThan(500);
      run = tick;
      return () => {
        run = undefined;
      };
    },
  });
  return {
    ...place,
    principals,
    asked,
    time,
    outage,
    isAttentive: () => run !== undefined,
    /** The next look at what changed, 400 ms later. */
    async tick() {
      time.now += 400;
      run?.();
      await told;
      // What follows on the news is done by then.
      await new Promise(setImmediate);
    },
    async seconds(count: number) {
      for (const end = time.now + count * 1_000; time.now < end; ) await this.tick();
    },
    /** Resolves with why a watch ended. */
    watched(secret: string, principal: Principal): Promise<Refusal> {
      return new Promise((resolve) => principals.watch(credential(secret, null), principal, resolve));
    },
    async newKey(name = 'Partner') {
      const { sql } = database;
      const secret = await issueKey(sql, place.id, { kind: 'INTEGRATION', name, scopes: ['users:read'] });
      const principal = await principals.of(credential(secret, null));
      return { secret, principal, id: principal.keyId ?? '' };
    },
  };
}

describe('remembered principals', () => {
  it('are asked for once a minute while nothing changes', async () => {
    const place = await newPlace();
    const { secret } = await place.newKey();
    await place.seconds(2);
    await place.principals.of(credential(secret, null));
    place.asked.authenticate = 0;
    for (let n = 0; n < 45; n++) {
      await place.seconds(1);
      await place.principals.of(credential(secret, null));
    }
    expect(place.asked.authenticate).toBe(0);
    for (let n = 0; n < 20; n++) {
      await place.seconds(1);
      await place.principals.of(credential(secret, null));
    }
    expect(place.asked.authenticate).toBe(1);
  });

  it('end with the next look after a key is revoked, and others stay', async () => {
    const place = await newPlace();
    await place.newKey();
    await place.tick();
    const [revoked, other] = [await place.newKey('One'), await place.newKey('Two')];
    await revokeKey(database.sql, place.system, revoked.id);
    await place.tick();
    place.asked.authenticate = 0;
    await expect(place.principals.of(credential(revoked.secret, null))).rejects.toMatchObject({
      code: 'BAD_CREDENTIAL',
    });
    await place.principals.of(credential(other.secret, null));
    expect(place.asked.authenticate).toBe(1);
  });

  it('end after a second when nobody tells what changed', async () => {
    const place = await newPlace();
    const { secret, id } = await place.newKey();
    await place.seconds(2);
    await place.principals.of(credential(secret, null));
    await revokeKey(database.sql, place.system, id);
    place.outage.on = true;
    await place.tick();
    await place.tick();
    await place.principals.of(credential(secret, null));
    await place.tick();
    await expect(place.principals.of(credential(secret, null))).rejects.toThrow('Nobody answers.');
    place.outage.on = false;
    await expect(place.principals.of(credential(secret, null))).rejects.toMatchObject({
      code: 'BAD_CREDENTIAL',
    });
  });

  it('are taken up again after an outage in which nothing changed', async () => {
    const place = await newPlace();
    const { secret } = await place.newKey();
    await place.seconds(2);
    await place.principals.of(credential(secret, null));
    place.outage.on = true;
    await place.seconds(5);
    await expect(place.principals.of(credential(secret, null))).rejects.toThrow('Nobody answers.');
    place.outage.on = false;
    await place.tick();
    place.asked.authenticate = 0;
    await place.principals.of(credential(secret, null));
    expect(place.asked.authenticate).toBe(0);
  });

  it('cost nothing when nobody comes', async () => {
    const place = await newPlace();
    await place.newKey();
    await place.seconds(6);
    expect(place.isAttentive()).toBe(false);
    await place.newKey();
    expect(place.isAttentive()).toBe(true);
  });

  it('are asked about no more when the gateway has closed', async () => {
    const place = await newPlace();
    const { secret, principal } = await place.newKey();
    void place.watched(secret, principal);
    await place.principals.close();
    expect(place.isAttentive()).toBe(false);
    await place.newKey();
    expect(place.isAttentive()).toBe(false);
  });

  it('were known, also when they are to be asked for again', async () => {
    const place = await newPlace();
    const { secret, id } = await place.newKey();
    await place.seconds(120);
    expect(place.principals.knows(credential(secret, null))).toBe(true);
    expect(place.principals.knows(credential(`${secret}A`, null))).toBe(false);
    await revokeKey(database.sql, place.system, id);
    await place.principals.of(credential(secret, null)).catch(() => {});
    expect(place.principals.knows(credential(secret, null))).toBe(false);
  });
});

describe('watched credentials', () => {
  it('end with the next look after their key is revoked', async () => {
    const place = await newPlace();
    const { secret, principal, id } = await place.newKey();
    await place.tick();
    const ended = place.watched(secret, principal);
    await place.tick();
    await revokeKey(database.sql, place.system, id);
    await place.tick();
    expect(await ended).toMatchObject({ code: 'BAD_CREDENTIAL' });
  });

  it('end when their session is ended, and when their person is kept out', async () => {
    const place = await newPlace();
    const { sql, resources } = database;
    const open = async (n: number) => {
      const wish = { user: { id: place.memberIds[n] ?? '' }, idempotencyKey: `${n}` };
      const { session } = await beginSession(sql, place.system, wish);
      const { token } = await resources.tokens.sign(place.id, session.id, new Date());
      return { session, ended: place.watched(token, await place.principals.of(credential(token, null))) };
    };
    const [first, second] = [await open(0), await open(1)];
    await place.tick();
    await place.tick();
    await endSession(sql, place.system, first.session.id);
    await sql`update identity.user set status = 'BANNED' where community_id = ${place.id} and id = ${place.memberIds[1] ?? ''}`;
    await place.tick();
    for (const { ended } of [first, second]) expect(await ended).toMatchObject({ code: 'BAD_CREDENTIAL' });
  });

  it('end when they allow something else than before', async () => {
    const place = await newPlace();
    const { secret, principal, id } = await place.newKey();
    await place.tick();
    const ended = place.watched(secret, principal);
    await place.tick();
    await updateKey(database.sql, place.system, { id, scopes: ['stats:read'] }, new Date());
    await place.tick();
    expect(await ended).toMatchObject({ code: 'FORBIDDEN' });
  });

  it('end when they were revoked before the first look at what changed', async () => {
    const place = await newPlace();
    const { secret, principal, id } = await place.newKey();
    const ended = place.watched(secret, principal);
    await revokeKey(database.sql, place.system, id);
    await place.tick();
    expect(await ended).toMatchObject({ code: 'BAD_CREDENTIAL' });
  });

  it('end when they were revoked before anybody watched', async () => {
    const place = await newPlace();
    await place.newKey();
    await place.tick();
    const { secret, principal, id } = await place.newKey();
    await revokeKey(database.sql, place.system, id);
    await place.tick();
    const ended = place.watched(secret, principal);
    await place.tick();
    expect(await ended).toMatchObject({ code: 'BAD_CREDENTIAL' });
  });

  it('end at their time, also while identity is silent', async () => {
    const place = await newPlace();
    const { secret, principal } = await place.newKey();
    const ended = place.watched(secret, { ...principal, expiresAt: Date.now() - 1 });
    place.outage.on = true;
    await place.tick();
    expect(await ended).toMatchObject({ code: 'BAD_CREDENTIAL' });
  });

  it('of a secret that has a new one beside it go on, until the overlap ends', async () => {
    const place = await newPlace();
    const { secret, principal, id } = await place.newKey();
    await place.tick();
    let over: Refusal | undefined;
    const ended = place.watched(secret, principal).then((why) => {
      over = why;
    });
    const rotation = (overlapSeconds: number, idempotencyKey: string) =>
      rotateKey(database.sql, place.system, { id, overlapSeconds, idempotencyKey });
    await rotation(600, 'a');
    await place.seconds(2);
    expect(over).toBeUndefined();
    await rotation(0, 'b');
    await place.tick();
    await ended;
    expect(over).toMatchObject({ code: 'BAD_CREDENTIAL' });
  });

  it('go on when identity does not answer, and are asked for when it does', async () => {
    const place = await newPlace();
    const { secret, principal, id } = await place.newKey();
    await place.tick();
    const ended = place.watched(secret, principal);
    await place.tick();
    place.outage.on = true;
    await revokeKey(database.sql, place.system, id);
    await place.seconds(3);
    place.outage.on = false;
    await place.tick();
    expect(await ended).toMatchObject({ code: 'BAD_CREDENTIAL' });
  });
});

describe('news that an event asks for', () => {
  const newest = async () => (await credentialChanges(database.sql, null)).last;

  it('are asked for once for all who wait, and not at all when they came', async () => {
    const place = await newPlace();
    const { id } = await place.newKey();
    await place.tick();
    await revokeKey(database.sql, place.system, id);
    const number = await newest();
    place.asked.changes = 0;
    await Promise.all([1, 2, 3].map(() => place.principals.upTo(number)));
    expect(place.asked.changes).toBe(1);
    expect(place.principals.upTo(number)).toBeUndefined();
    expect(place.principals.upTo(0)).toBeUndefined();
  });

  it('put in doubt whom they name until that is settled, and nobody else', async () => {
    const place = await newPlace();
    await place.newKey();
    await place.tick();
    const [one, other] = [await place.newKey('One'), await place.newKey('Other')];
    const over: string[] = [];
    const [first, second] = [one, other].map(({ secret, principal, id }) =>
      place.principals.watch(credential(secret, null), principal, () => void over.push(id)),
    );
    expect([first?.doubt(), second?.doubt()]).toEqual([undefined, undefined]);
    await revokeKey(database.sql, place.system, one.id);
    await place.principals.upTo(await newest());
    expect(second?.doubt()).toBeUndefined();
    await first?.doubt();
    expect(over).toEqual([one.id]);
  });

  it('put in doubt nobody for long whose credential allows what it did', async () => {
    const place = await newPlace();
    await place.newKey();
    await place.tick();
    const { secret, principal, id } = await place.newKey();
    const watching = place.principals.watch(credential(secret, null), principal, () => {
      throw new Error('It works on.');
    });
    await rotateKey(database.sql, place.system, { id, overlapSeconds: 600, idempotencyKey: 'a' });
    await place.principals.upTo(await newest());
    await watching.doubt();
    expect(watching.doubt()).toBeUndefined();
  });

  it('are waited for while identity does not answer', async () => {
    const place = await newPlace();
    const { id } = await place.newKey();
    await place.tick();
    await revokeKey(database.sql, place.system, id);
    place.outage.on = true;
    let came = false;
    const coming = place.principals.upTo(await newest())?.then(() => {
      came = true;
    });
    await place.seconds(2);
    expect(came).toBe(false);
    place.outage.on = false;
    await coming;
    expect(came).toBe(true);
  });

  it('are about one community, or all', async () => {
    const [place, other] = [await newPlace(), await newPlace()];
    const at = async ({ id }: { id: string }) => credentialsNow(database.sql, id);
    const before = [await at(place), await at(other)];
    await revokeKey(database.sql, place.system, (await place.newKey()).id);
    expect([await at(place), await at(other)]).toEqual([await newest(), before[1]]);
    await database.sql`select log.tell_credentials('', 'SessionSecretEnded', '{*}')`;
    expect([await at(place), await at(other)]).toEqual([await newest(), await newest()]);
  });
});
