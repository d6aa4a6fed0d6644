import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connect } from '../../subgraphs/db.ts';
import { runningDatabaseUrl, startEmbedded } from '../../subgraphs/embedded.ts';
import { books } from '../../subgraphs/gamification/verify.ts';
import { verify } from '../../subgraphs/verify.ts';
import { data, openEvents, person, query, take, unique } from '../kit/client.ts';
import { startPostgres, stopPostgres } from '../kit/postgres-outage.ts';
import { dataFolder, type Handle, type LaurelProcess, startOn, stopAll } from '../kit/processes.ts';

// What is acknowledged is there, once, whatever dies meanwhile: Laurel, or the database behind it.

const awarded = '{ eventId replayed ledger { id amount balanceAfter } userErrors { code } }';
const trackEvent = `mutation ($input: TrackEventInput!) { trackEvent(input: $input) ${awarded} }`;
const trackEvents = `mutation ($input: TrackEventsInput!) { trackEvents(input: $input) { results ${awarded} } }`;
const xp =
  'subscription ($userIds: [ID!]) { xp(userIds: $userIds) { __typename ... on XpChanged { total } } }';

interface Award {
  eventId: string;
  replayed: boolean;
  ledger: { id: string; amount: number; balanceAfter: number }[];
}

/** A busy machine takes long to start and to recover. */
const patienceMs = 120_000;

// What is charged for is another matter.
const variables = { LAUREL_BUDGET: 'off' };

let folder: Awaited<ReturnType<typeof dataFolder>>;
beforeAll(async () => {
  folder = await dataFolder();
});
afterAll(async () => {
  await stopAll();
  await folder.remove();
});

const inputOf = (userId: string, reference: string | null) => ({
  ...{ user: { id: userId }, eventType: 'purchase', reference },
});

/** Awards by their references, as they were answered. */
async function award(laurel: Handle, userId: string, references: readonly string[]): Promise<Award[]> {
  const inputs = references.map((reference) => inputOf(userId, reference));
  if (inputs.length === 1) {
    const { trackEvent: one } = await data(laurel, trackEvent, { input: inputs[0] });
    return [one];
  }
  const { trackEvents: all } = await data(laurel, trackEvents, { input: { events: inputs } });
  return all.results;
}

describe('kill -9 of Laurel while eight write', () => {
  let first: LaurelProcess & Handle;
  let second: (LaurelProcess & Handle) | undefined;
  let people: { id: string }[];
  beforeAll(async () => {
    first = await startOn(folder.path, variables);
    people = await Promise.all([41, 42, 43].map((n) => person(first, n)));
  }, patienceMs);
  afterAll(() => second?.stop());

  it('leaves each acknowledged award there once, and none twice', { timeout: patienceMs }, async () => {
    const acknowledged = new Map<string, Award>();
    const sent = new Map<string, string>();
    const write = async (writer: number) => {
      for (let n = writer; ; n++) {
        const userId = people[n % people.length]?.id ?? '';
        const references = Array.from({ length: writer % 2 === 0 ? 1 : 20 }, () => unique('killed'));
        for (const reference of references) sent.set(reference, userId);
        const awards = await award(first, userId, references);
        for (const [at, reference] of references.entries()) acknowledged.set(reference, awards[at] as Award);
        if (acknowledged.size > 400) first.kill('SIGKILL');
      }
    };
    const ends = await Promise.allSettled(Array.from({ length: 8 }, (_, writer) => write(writer)));
    expect(ends.every(({ status }) => status === 'rejected')).toBe(true);
    expect(await first.ended).toMatchObject({ signal: 'SIGKILL' });

    const laurel = await startOn(folder.path, variables);
    second = laurel;
    const again = new Map<string, Award>();
    for (const { id } of people) {
      const references = [...sent].filter(([, userId]) => userId === id).map(([reference]) => reference);
      const awards = await award(laurel, id, references);
      for (const [at, reference] of references.entries()) again.set(reference, awards[at] as Award);
    }
    expect(acknowledged.size).toBeGreaterThan(400);
    for (const [reference, first] of acknowledged) {
      expect(again.get(reference)).toEqual({ ...first, replayed: true });
    }
    expect(new Set([...again.values()].map(({ eventId }) => eventId)).size).toBe(sent.size);

    const sql = connect((await runningDatabaseUrl(folder.path)) ?? '', { max: 1 });
    const [count] = await sql<{ events: number; entries: number }[]>`
      select (select count(*)::integer from gamification.event where reference like 'killed-%') as events,
        (select count(*)::integer from gamification.ledger_entry where reference like 'killed-%') as entries`;
    expect(count).toEqual({ events: sent.size, entries: 2 * sent.size });
    expect((await verify(sql, [books])).discrepancies).toEqual([]);
    await sql.end();
  });

  it('gives a reference that two processes are sent at once one event and one answer', {
    timeout: patienceMs,
  }, async () => {
    const [one] = people;
    const url = (await runningDatabaseUrl(folder.path)) ?? '';
    const third = await startOn(folder.path, { ...variables, DATABASE_URL: url });
    for (let n = 0; n < 5; n++) {
      const reference = unique('twice');
      const sent = Array.from({ length: 40 }, (_, at) =>
        award(at % 2 === 0 ? (second as Handle) : third, one?.id ?? '', [reference]),
      );
      const answers = (await Promise.all(sent)).flat();
      expect(answers.filter(({ replayed }) => !replayed)).toHaveLength(1);
      expect(new Set(answers.map((answer) => JSON.stringify({ ...answer, replayed: true }))).size).toBe(1);
    }
    expect((await third.stop()).code).toBe(0);
  });
});

describe('PostgreSQL stopped and started while many write', () => {
  it('is told clearly, and loses and doubles nothing; Laurel and its streams go on by themselves', {
    timeout: patienceMs,
  }, async () => {
    const server = await startEmbedded({ dataFolder: folder.path, log: () => {} });
    const laurel = await startOn(folder.path, { ...variables, DATABASE_URL: server.url });
    const [one, other] = await Promise.all([person(laurel, 44), person(laurel, 45)]);
    const stream = await openEvents(laurel, xp, { userIds: [one?.id] });
    await take(1, stream);

    let phase: 'before' | 'away' | 'after' = 'before';
    const refusals = new Map<string, Set<string>>();
    const acknowledged = new Map<string, Award>();
    const counted = { sent: 0, acknowledged: 0 };
    let told = () => {};
    let done = false;
    const progress = (wanted: () => boolean) =>
      new Promise<void>((resolve) => {
        told = () => wanted() && resolve();
        told();
      });
    const note = (errors: readonly { message: string; extensions?: { code?: string } }[], writer: string) => {
      for (const { message, extensions } of errors) {
        const key = `${extensions?.code}: ${message}`;
        refusals.set(key, (refusals.get(key) ?? new Set()).add(writer));
      }
    };
    const inPhase = { before: 0, away: new Set<string>(), after: new Set<string>() };
    const answered = (writer: string, isRight: boolean) => {
      if (phase === 'before' && isRight) inPhase.before++;
      if (phase === 'away' && !isRight) inPhase.away.add(writer);
      if (phase === 'after' && isRight) inPhase.after.add(writer);
      told();
    };
    /** Sends each award until it is acknowledged. */
    const writer = async (name: string, size: number) => {
      while (!done) {
        const references = Array.from({ length: size }, () => unique('away'));
        for (let acked = false; !acked; ) {
          const inputs = references.map((reference) => inputOf(one?.id ?? '', reference));
          const { data: got, errors } = await query(laurel, trackEvents, { input: { events: inputs } });
          if (errors !== undefined) note(errors, name);
          const results: Award[] | undefined = got?.trackEvents?.results;
          acked = errors === undefined && results !== undefined;
          for (const [at, reference] of references.entries()) {
            if (acked) acknowledged.set(reference, results?.[at] as Award);
          }
          answered(name, acked);
        }
      }
    };
    /** Sends awards without a reference, each once, whatever is answered. */
    const careless = async () => {
      const events = Array.from({ length: 3 }, () => inputOf(other?.id ?? '', null));
      while (!done) {
        counted.sent += 3;
        const { errors } = await query(laurel, trackEvents, { input: { events } });
        if (errors === undefined) counted.acknowledged += 3;
        else note(errors, 'careless');
        answered('careless', errors === undefined);
      }
    };
    const single = async () => {
      while (!done) {
        const input = inputOf(one?.id ?? '', unique('away'));
        for (let acked = false; !acked; ) {
          const { data: got, errors } = await query(laurel, trackEvent, { input });
          if (errors !== undefined) note(errors, 'single');
          acked = errors === undefined;
          if (acked) acknowledged.set(input.reference ?? '', got.trackEvent);
          answered('single', acked);
        }
      }
    };
    const writers = [writer('a', 1), writer('b', 20), writer('c', 20), single(), single(), careless()];
    await progress(() => inPhase.before > 20);
    phase = 'away';
    await stopPostgres(folder.path);
    await progress(() => inPhase.away.size === 5);
    await startPostgres(folder.path);
    phase = 'after';
    await progress(() => inPhase.after.size === 5);
    done = true;
    await Promise.all(writers);

    expect([...refusals.keys()]).toEqual([
      'UNAVAILABLE: The database is out of reach for the moment: try again, a write with the same key or reference.',
    ]);
    const sql = connect(server.url, { max: 1 });
    const [count] = await sql<{ known: number; careless: number }[]>`
      select count(*) filter (where reference like 'away-%')::integer as known,
        count(*) filter (where reference is null and user_id = ${other?.id ?? ''} and event_type = 'purchase'
          and recorded_at > now() - interval '5 minutes' and timed is false)::integer as careless
      from gamification.event`;
    expect(count?.known).toBe(acknowledged.size);
    expect(count?.careless).toBeGreaterThanOrEqual(counted.acknowledged);
    expect(count?.careless).toBeLessThanOrEqual(counted.sent);
    expect((await verify(sql, [books])).discrepancies).toEqual([]);
    await sql.end();

    const totals: number[] = [];
    while (totals.length < acknowledged.size) {
      const [item] = await take(1, stream);
      const { total } = item?.data.data.xp ?? {};
      if (total !== undefined) totals.push(total);
    }
    expect(totals).toEqual(totals.map((_, n) => (totals[0] ?? 0) + 100 * n));
    stream.close();
    expect((await laurel.stop()).code).toBe(0);
    await stopPostgres(folder.path);
    await server.stop();
  });
});
