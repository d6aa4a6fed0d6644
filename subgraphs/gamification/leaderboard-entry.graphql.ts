import {
  Arg,
  Args,
  ArgsType,
  Ctx,
  Field,
  FieldResolver,
  Float,
  ID,
  Int,
  ObjectType,
  Resolver,
  Root,
} from 'type-graphql';
import { z } from 'zod';
import type { Context } from '../context.ts';
import { Refusal } from '../errors.ts';
import { Cost, type Feature, Paged, Partner, Scoped, Usually } from '../feature.ts';
import { perArguments, perRequest } from '../loader.ts';
import { communityOf } from '../principal.ts';
import { BigIntScalar, DateTime, Day } from '../scalars.ts';
import { Connection, type ConnectionOf, connectionOf, PageArgs } from '../shared.graphql.ts';
import { zoneOf } from './day.ts';
import { boardById, boardNamed, Leaderboard, RankWindow } from './leaderboard.graphql.ts';
import type { Leaderboard as BoardRow } from './leaderboard.ts';
import {
  entriesOf,
  entriesPage,
  keptRuns,
  periodOf,
  type LeaderboardEntry as Row,
  type Run,
  type RunRequest,
  runsFor,
} from './leaderboard-entry.ts';
import { periodBefore, type Span } from './rank-window.ts';
import { User } from './user.graphql.ts';

@ObjectType({ simpleResolvers: true, description: "A person's place on a leaderboard. Scope: stats:read." })
@Scoped('stats:read')
@Partner()
export class LeaderboardEntry {
  userId!: string;
  board!: BoardRow;
  run!: Run;

  @Field(() => Int, {
    description: '1 for the highest score. Who has as much shares it, and the next is left out: 1, 1, 3.',
  })
  rank!: number;

  @Field(() => Int, { description: 'How many others share the rank; 0 when nobody does.' })
  tiedWith!: number;

  @Field(() => Int, { description: 'How many people are ranked.' })
  outOf!: number;

  @Field(() => BigIntScalar, {
    description: "What the person gained in the period, in the leaderboard's unit.",
  })
  score!: bigint;

  @Field(() => Float, {
    nullable: true,
    description: 'How many of the others have less, in percent, 0-100; null when there are no others.',
  })
  percentile!: number | null;

  @Field(() => DateTime, {
    description:
      'The moment that this is true of: now, or when the period ended. Everything booked until then is in it.',
  })
  asOf!: Date;
}

@ObjectType({
  simpleResolvers: true,
  description: 'A period of a leaderboard whose ranks are kept. Scope: stats:read.',
})
@Scoped('stats:read')
@Partner()
class LeaderboardRun {
  @Field(() => RankWindow, { description: 'What kind of period it is.' })
  window!: RankWindow;

  @Field(() => String, {
    nullable: true,
    description:
      'Its name, for the argument `period`: `2026-03-01` (of a rolling window the last day), `2026-W09`, `2026-03`, `2026`; null for ALL_TIME.',
  })
  name!: string | null;

  @Field(() => Day, { nullable: true, description: 'The first day that counts; null: from the beginning.' })
  firstDay!: string | null;

  @Field(() => Day, { nullable: true, description: 'The last day that counts; null: without end.' })
  lastDay!: string | null;

  @Field(() => Int, { description: 'How many people are counted so far, also those with 0 or less.' })
  people!: number;

  @Field(() => Boolean, { description: 'Everybody is counted, and the ranks can be asked for.' })
  ready!: boolean;
}

const LeaderboardEntryConnection = Connection(() => LeaderboardEntry, 'LeaderboardEntry');

@ArgsType()
class EntriesArgs extends PageArgs {
  @Field(() => RankWindow, {
    nullable: true,
    description: "One of the leaderboard's windows; its first when absent.",
  })
  window?: RankWindow | null;

  @Field(() => String, {
    nullable: true,
    description:
      'A period of the window, as `runs` names it: `2026-03-01`, `2026-W09`, `2026-03`, `2026`; the current one when absent.',
  })
  period?: string | null;

  @Field(() => ID, {
    nullable: true,
    description:
      'The person whom the page is about: `first` rows with the person in their middle. None when not ranked.',
  })
  around?: string | null;
}

@ArgsType()
class RankArgs {
  static rules = z.object({ slug: z.string().max(64).nullish() });

  @Field(() => ID, { nullable: true, description: 'The leaderboard, by id; this or `slug`.' })
  leaderboardId?: string | null;

  @Field(() => String, { nullable: true, description: 'The leaderboard, by slug, at most 64 characters.' })
  slug?: string | null;

  @Field(() => RankWindow, {
    nullable: true,
    description: "One of the leaderboard's windows; its first when absent.",
  })
  window?: RankWindow | null;

  @Field(() => String, {
    nullable: true,
    description: 'A period of the window; the current one when absent.',
  })
  period?: string | null;
}

const zone = perRequest<string, string>((communityIds, { sql }) =>
  Promise.all(communityIds.map((communityId) => zoneOf(sql, communityId))),
);

/** Which run is meant, in words that are the same for the same. */
interface RunKey {
  boardId: string;
  window: RankWindow;
  period: Span | null;
}

const runByKey = perRequest<string, Run | null>(async (keys, context) => {
  const communityId = communityOf(context.principal);
  const requests = await Promise.all(
    keys.map(async (key): Promise<RunRequest> => {
      const { boardId, ...request } = JSON.parse(key) as RunKey;
      return { ...request, board: (await boardById(context).load(boardId)) as BoardRow };
    }),
  );
  const clock = { timeZone: await zone(context).load(communityId), now: context.now() };
  return (await runsFor(context.sql, communityId, requests, clock)) as (Run | Error)[];
});

const runOf = (context: Context, { boardId, window, period }: RunKey) =>
  runByKey(context).load(JSON.stringify({ boardId, window, period }));

const runsOfBoard = perRequest<string, Run[]>(async (ids, context) => {
  const communityId = communityOf(context.principal);
  const boards = await Promise.all(ids.map(async (id) => (await boardById(context).load(id)) as BoardRow));
  const clock = { timeZone: await zone(context).load(communityId), now: context.now() };
  return keptRuns(context.sql, communityId, boards, clock);
});

const entryOf = perArguments<RunKey, string, LeaderboardEntry | null>(async (userIds, key, context) => {
  const board = (await boardById(context).load(key.boardId)) as BoardRow;
  const run = await runOf(context, key);
  if (run === null) return userIds.map(() => null);
  const rows = await entriesOf(context.sql, communityOf(context.principal), board, run, userIds);
  return rows.map((row) => (row === null ? null : entryFrom(row, board, run)));
});

export function entryFrom(row: Row, board: BoardRow, run: Run): LeaderboardEntry {
  return Object.assign(new LeaderboardEntry(), row, { outOf: row.people, board, run });
}

@Resolver(() => Leaderboard)
class LeaderboardEntriesResolver {
  @FieldResolver(() => LeaderboardEntryConnection, {
    nullable: true,
    description:
      'Who stands where, the highest score first; among equals the newer id first. Null while it is disabled or has not started. Scope: stats:read.',
  })
  @Scoped('stats:read')
  @Paged()
  async entries(
    @Root() { id }: Leaderboard,
    @Args(() => EntriesArgs) { window, period, around, ...page }: EntriesArgs,
    @Ctx() context: Context,
  ): Promise<ConnectionOf<object> | null> {
    const board = await boardById(context).load(id);
    // What somebody made, or changed, may be for others to view.
    if (board === null) return null;
    const chosen = window ?? (board.windows[0] as RankWindow);
    const run = await runOf(context, { boardId: id, window: chosen, period: periodOf(chosen, period) });
    if (run === null) return null;
    const asked = { ...page, around: around ?? null };
    const found = await entriesPage(context.sql, communityOf(context.principal), board, run, asked);
    return connectionOf(found, (row) => entryFrom(row, board, run));
  }

  @FieldResolver(() => [LeaderboardRun], {
    description: 'The periods whose ranks are kept, by window, the newest first. Scope: stats:read.',
  })
  @Scoped('stats:read')
  @Usually(20)
  async runs(
    @Root() { id }: Leaderboard,
    @Arg('window', () => RankWindow, { nullable: true, description: 'Of this window alone.' })
    window: RankWindow | null | undefined,
    @Ctx() context: Context,
  ): Promise<object[]> {
    if ((await boardById(context).load(id)) === null) return [];
    const runs = await runsOfBoard(context).load(id);
    return runs
      .filter((run) => window == null || run.window === window)
      .map(({ span, ...run }) => ({
        ...run,
        firstDay: span.firstDay === '-infinity' ? null : span.firstDay,
        lastDay: span.lastDay === 'infinity' ? null : span.lastDay,
      }));
  }
}

@Resolver(() => LeaderboardEntry)
class LeaderboardEntryResolver {
  @FieldResolver(() => User, { description: 'Who.' })
  user(@Root() { userId }: LeaderboardEntry): User {
    return { id: userId };
  }

  @FieldResolver(() => Int, {
    nullable: true,
    description:
      'The rank in the period before, of a rolling window the day before; null where there is none, as with ALL_TIME.',
  })
  @Cost(1)
  async previousRank(
    @Root() { userId, board, run }: LeaderboardEntry,
    @Ctx() context: Context,
  ): Promise<number | null> {
    const period = periodBefore(run.window, run.period);
    if (period === undefined) return null;
    const key = { boardId: board.id, window: run.window as RankWindow, period };
    const before = await entryOf(context, key)
      .load(userId)
      .catch((error: unknown) => {
        // No longer kept, or not counted yet.
        if (error instanceof Refusal) return null;
        throw error;
      });
    return before?.rank ?? null;
  }
}

@Resolver(() => User)
class UserRankResolver {
  @FieldResolver(() => LeaderboardEntry, {
    nullable: true,
    description:
      'The place on a leaderboard; null when the person is not ranked there, or there is no such leaderboard. Scope: stats:read.',
  })
  @Scoped('stats:read')
  @Partner()
  async rank(
    @Root() { id }: User,
    @Args(() => RankArgs) { leaderboardId, slug, window, period }: RankArgs,
    @Ctx() context: Context,
  ): Promise<object | null> {
    const board = await boardNamed(context, leaderboardId, slug);
    if (board === null) return null;
    const chosen = window ?? (board.windows[0] as RankWindow);
    return entryOf(context, { boardId: board.id, window: chosen, period: periodOf(chosen, period) }).load(id);
  }
}

export const leaderboardEntry: Feature = {
  name: 'leaderboard-entry',
  resolvers: [LeaderboardEntriesResolver, LeaderboardEntryResolver, UserRankResolver],
};
