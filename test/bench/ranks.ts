import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import postgres from 'postgres';
import { addCommunity } from '../../subgraphs/community/community.ts';
import { connect, migrate, type Sql } from '../../subgraphs/db.ts';
import { startEmbedded } from '../../subgraphs/embedded.ts';
import type { Posting } from '../../subgraphs/gamification/decide.ts';
import { createLeaderboard } from '../../subgraphs/gamification/leaderboard-change.ts';
import { ownOrigin } from '../../subgraphs/gamification/origin.ts';
import { postAll } from '../../subgraphs/gamification/posting.ts';
import {
  type Ranking,
  rankPlaces,
  standingsAround,
  standingsOf,
  standingsPage,
} from '../../subgraphs/gamification/rank.ts';
import type { RankWindow } from '../../subgraphs/gamification/rank-window.ts';
import { divided, firstBuckets } from '../../subgraphs/gamification/score-bucket.ts';
import { newId } from '../../subgraphs/id.ts';
import { pageRequestBy } from '../../subgraphs/page.ts';
import type { Principal } from '../../subgraphs/principal.ts';
import { postgresTime } from './postgres-time.ts';
import { median } from './report.ts';

// `npm run bench:ranks [members]`: what ranks cost in PostgreSQL itself, by its own measure, and what keeping them costs a
// posting, which is told as a ratio to the same posting where no leaderboard counts it. In one community scores are
// spread; in another everybody has the same.

const members = Number(process.argv[2] ?? 1_000_000);
const looks = 200;
const rounds = 15;
const singles = 20;

const folder = await mkdtemp(join(tmpdir(), 'laurel-bench-'));
const server = await startEmbedded({ dataFolder: folder, log: () => {} });
const sql = connect(server.url, { max: 4 });
// Takes as long as it takes.
const setup = postgres(server.url, { max: 1, onnotice: () => {}, types: { bigint: postgres.BigInt } });
try {
  await setup`alter system set max_wal_size = '8GB'`;
  await setup`select pg_reload_conf()`;
  await migrate(sql);
  const windows: RankWindow[] = ['ALL_TIME', 'DAILY', 'WEEKLY', 'MONTHLY', 'ROLLING_30D'];
  const none = await community([]);
  const spread = await community(['ALL_TIME']);
  const tied = await community(['ALL_TIME']);
  const many = await community(windows);

  await scored(spread, 'floor(exp(random() * 13))::bigint');
  await scored(tied, '100');
  // What several windows cost is a matter of their number.
  await scored(many, 'floor(exp(random() * 13))::bigint', members / 10);
  await setup`vacuum analyze`;

  for (const [name, place] of [
    ['spread', spread],
    ['one score', tied],
  ] as const) {
    await reads(name, place);
  }
  await postings('one at a time', 1, singles);
  await postings('1,000 at a time', 1_000, 1);
  await building();

  async function postings(name: string, size: number, times: number): Promise<void> {
    const places = [
      ['no leaderboard', none],
      ['all time, spread', spread],
      ['all time, all on one score', tied],
      [`${windows.length} windows`, many],
    ] as const;
    const measured = places.map((): number[] => []);
    for (let round = 0; round < rounds + 3; round++) {
      for (let turn = 0; turn < places.length; turn++) {
        // Nobody is always first.
        const n = (turn + round) % places.length;
        const [, communityId] = places[n]!;
        const batches = Array.from({ length: times }, () => Array.from({ length: size }, () => posting()));
        const from = performance.now();
        for (const batch of batches) await postAll(sql, communityId, batch);
        if (round >= 3) measured[n]!.push((performance.now() - from) / times);
      }
    }
    const [bare = []] = measured;
    for (const [n, [place]] of places.entries()) {
      const ratio = median(measured[n]!.map((ms, round) => ms / bare[round]!));
      line(`posting ${name}, ${place}`, `${ratio.toFixed(2)} x  (${median(measured[n]!).toFixed(1)} ms)`);
    }
  }

  /** How fast people are counted who were there before their leaderboard. */
  async function building(): Promise<void> {
    const communityId = await community([]);
    const people = Math.min(members, 40_000);
    await setup`
      insert into gamification.profile (community_id, user_id, xp)
      select ${communityId}, 'usr_' || lpad(n::text, 8, '0'), 10 from generate_series(1, ${people}::integer) n`;
    await setup`
      insert into gamification.ledger_entry (
        community_id, id, user_id, unit, amount, balance_after, event_id, event_type, occurred_at
      )
      select ${communityId}, 'led_' || n, 'usr_' || lpad(n::text, 8, '0'), 'XP', 1 + n % 5000, 10, 'evt_' || n, 'visit', now()
      from generate_series(1, ${people}::integer) n`;
    await setup`vacuum analyze gamification.ledger_entry`;
    const from = performance.now();
    await board(communityId, ['ALL_TIME']);
    const seconds = (performance.now() - from) / 1_000;
    line('counting those who were there before', `${count(Math.round(people / seconds))} people a second`);
  }
} finally {
  await setup.end({ timeout: 5 });
  await sql.end({ timeout: 5 });
  await server.stop();
  await rm(folder, { recursive: true, force: true });
}

/** A community with a leaderboard over these windows, of which nobody has anything yet. */
async function community(windows: readonly RankWindow[]): Promise<string> {
  const id = newId('Community');
  const slug = id.replace('_', '-');
  await addCommunity(sql, { id, slug, name: { en: 'Bench' }, timeZone: 'UTC', createdAt: new Date() });
  if (windows.length > 0) await board(id, windows);
  return id;
}

async function board(communityId: string, windows: readonly RankWindow[]): Promise<void> {
  const common = {
    startsOn: null,
    endsOn: null,
    columns: [],
    topLimit: null,
    onlyPositive: true,
    enabled: true,
  };
  const settings = { ...common, slug: 'top', name: { en: 'Top' }, unit: 'XP', windows };
  const roles = { rankRoleIds: [], viewRoleIds: [] };
  const system: Principal = { kind: 'system', communityId, scopes: [] };
  await createLeaderboard(sql, system, { ...settings, ...roles }, 'bench', new Date());
}

/** Scores for everybody in the runs that hold today, and their buckets as dividing makes them. */
async function scored(communityId: string, score: string, people = members): Promise<void> {
  const runs = await setup<{ id: bigint }[]>`
    select id from gamification.score_run
    where community_id = ${communityId} and current_date between first_day and last_day`;
  for (const { id } of runs) {
    await setup.unsafe(
      `insert into gamification.score (community_id, run_id, user_id, score)
       select $1, $2::bigint, 'usr_' || lpad(n::text, 8, '0'), ${score} from generate_series(1, $3::integer) n`,
      [communityId, String(id), people],
    );
    const counts = await setup<{ score: bigint; people: number }[]>`
      select score, count(*)::integer as people from gamification.score
      where community_id = ${communityId} and run_id = ${id} and score > 0
      group by score order by score`;
    const buckets = divided(1n, counts).map(({ low, people }) => ({ low: String(low), people }));
    await setup`delete from gamification.score_bucket where community_id = ${communityId} and run_id = ${id} and low = 1`;
    await setup`
      insert into gamification.score_bucket (community_id, run_id, low, people)
      select ${communityId}, ${id}, low, people from jsonb_to_recordset(${setup.json(buckets)}) b(low bigint, people integer)`;
    line(`buckets of ${count(people)} people`, count(buckets.length + firstBuckets.length - 1));
  }
}

/** Top 100, the rank of one, 20 neighbours, and 100 ranks at once; of random people, by PostgreSQL's own clock. */
async function reads(name: string, communityId: string): Promise<void> {
  const [run] = await sql<{ id: bigint }[]>`
    select id from gamification.score_run where community_id = ${communityId} and last_day = 'infinity'`;
  const ranking: Ranking = { runId: run!.id, onlyPositive: true, topLimit: null };
  const top = { ...pageRequestBy(rankPlaces, 'ranks', { first: 100 }) };
  const works: readonly [string, (sql: Sql) => Promise<unknown>][] = [
    ['top 100', (sql) => standingsPage(sql, communityId, ranking, top)],
    ['rank of one', (sql) => standingsOf(sql, communityId, ranking, [person()])],
    ['20 neighbours', (sql) => standingsAround(sql, communityId, ranking, person(), 10, 9)],
    ['ranks of 100', (sql) => standingsOf(sql, communityId, ranking, Array.from({ length: 100 }, person))],
  ];
  const clock = await postgresTime(server.url);
  for (const [what, work] of works) {
    const times = (await clock.of(work, looks)).map(({ ms }) => ms);
    const worst = Math.max(...times).toFixed(2);
    line(`${what}, ${name}`, `${median(times).toFixed(2)} ms, at most ${worst} (${looks} looks)`);
  }
  await clock.end();
}

function person(): string {
  return `usr_${String(1 + Math.floor(Math.random() * members)).padStart(8, '0')}`;
}

function posting(): Posting {
  return {
    userId: person(),
    eventType: 'bench',
    reference: null,
    occurredAt: null,
    amount: null,
    metadata: null,
    origin: ownOrigin,
    moves: [{ unit: 'XP', by: 10n }],
  };
}

function count(number: number): string {
  return number.toLocaleString('en');
}

function line(what: string, value: string): void {
  process.stdout.write(`${what.padEnd(52)} ${value}\n`);
}
