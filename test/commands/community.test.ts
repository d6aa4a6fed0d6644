import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { duration, durationText } from '../../commands/duration.ts';
import { communityNamed } from '../../subgraphs/community/community.ts';
import { auditPage } from '../../subgraphs/identity/audit.ts';
import { authenticate } from '../../subgraphs/identity/authentication.ts';
import type { Principal } from '../../subgraphs/principal.ts';
import { emptyDatabase, freshDatabase, type TestDatabase } from '../kit/database.ts';
import { laurel } from '../kit/processes.ts';

// `laurel community`, as whoever runs Laurel types it.

let database: TestDatabase;
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.close());

const run = (...words: string[]) => laurel(['community', ...words], { DATABASE_URL: database.url }).ended;
const create = (slug: string, ...more: string[]) =>
  run('create', '--slug', slug, '--name', 'Somewhere', ...more);

/** Whose a printed key is. */
const holderOf = (stdout: string): Promise<Principal | null> =>
  authenticate(database.sql, stdout.trim(), null);

describe('laurel community', () => {
  it('makes a community and prints its system key, and nothing else, on standard output', async () => {
    const { code, stdout, stderr } = await create(
      'printed',
      '--time-zone',
      'Asia/Kathmandu',
      '--events-add-members',
    );
    expect(stdout).toMatch(/^laurel_sys_[0-9a-f]{12}_\S{43}\n$/);
    const holder = await holderOf(stdout);
    expect(holder).toMatchObject({ kind: 'system' });
    expect(stderr).toContain(holder?.communityId);
    expect(stderr).not.toContain(stdout.trim());
    expect(code).toBe(0);
    const wished = { timeZone: 'Asia/Kathmandu', eventsAddMembers: true };
    expect(await communityNamed(database.sql, 'printed')).toMatchObject(wished);
  });

  it('renews a key: the one of before ends at once, or after its overlap', async () => {
    const first = (await create('renewed')).stdout;
    const second = (await run('key', 'renewed', '--overlap', '1h')).stdout;
    expect(await holderOf(first)).toEqual({ ...(await holderOf(second)), expiresAt: expect.any(Number) });
    const system = (await holderOf(second)) as Principal;
    const { edges } = await auditPage(database.sql, system, { actions: ['KEY_ROTATED'] }, {});
    expect(edges.map(({ node }) => node)).toMatchObject([{ actorKind: 'OPERATOR', keyId: system.keyId }]);
    const third = (await run('key', system.communityId ?? '')).stdout;
    expect(await Promise.all([first, second].map(holderOf))).toEqual([null, null]);
    expect(await holderOf(third)).toMatchObject({ kind: 'system' });
  });

  it('leaves word in the audit, and tells of a community only what may be shown', async () => {
    const { stdout: secret } = await create('audited', '--time-zone', 'Europe/Berlin');
    const system = (await holderOf(secret)) as Principal;
    const { edges } = await auditPage(database.sql, system, {}, {});
    const [made] = edges.map(({ node }) => node);
    expect(made).toMatchObject({ action: 'KEY_CREATED', actorKind: 'OPERATOR', keyId: system.keyId });
    const { stdout } = await run('list');
    expect(stdout).toMatch(/^audited +com_\w+ +Europe\/Berlin +laurel_sys_[0-9a-f]{12}_… +- +Somewhere$/m);
    expect(stdout).not.toContain(secret.trim());
  });
});

describe('laurel community: refusals', () => {
  const refused = async (running: ReturnType<typeof run>, why: string) => {
    const { code, stdout, stderr } = await running;
    expect(stderr).toContain(why);
    expect(stderr).not.toMatch(/\n +at /);
    expect([code, stdout]).toEqual([1, '']);
  };

  it('say in a line what is wrong', async () => {
    await Promise.all([
      refused(create('Not a slug'), 'The slug "Not a slug" isn\'t 1-100 small letters'),
      refused(run('create', '--slug', 'nameless'), "required option '--name <name>' not specified"),
      refused(run('key', 'nowhere'), 'There is no community "nowhere"'),
      refused(run('key', 'x', '--overlap', '8d'), 'It is a number with s, m, h or d, up to 7d'),
    ]);
  });

  it('of a database that is not migrated say how to', async () => {
    const empty = { DATABASE_URL: await emptyDatabase() };
    await refused(laurel(['community', 'list'], empty).ended, 'run `laurel migrate`');
  });
});

describe('durations', () => {
  it.each([
    ['0s', 0, '0s'],
    ['90s', 90, '90s'],
    ['60m', 3_600, '1h'],
    ['168h', 604_800, '7d'],
  ])('are read from %s', (text, seconds, written) => {
    expect(duration(7)(text)).toBe(seconds);
    expect(durationText(seconds)).toBe(written);
  });

  it.each(['', '1', '-1s', '1.5h', '8d', '1y', 's', '1 h', '99999999s'])('are not read from "%s"', (text) => {
    expect(() => duration(7)(text)).toThrow('It is a number with s, m, h or d, up to 7d: 90s, 15m, 1h.');
  });
});
