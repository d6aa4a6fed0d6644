import {
  Args,
  ArgsType,
  Ctx,
  Field,
  FieldResolver,
  ID,
  Int,
  ObjectType,
  Resolver,
  Root,
  Subscription,
} from 'type-graphql';
import { z } from 'zod';
import type { Context } from '../context.ts';
import { Refusal } from '../errors.ts';
import { checked, type Feature, Resumable, Scoped, Usually } from '../feature.ts';
import { forgetLoaded } from '../loader.ts';
import { extentOf, retentionSeconds } from '../log.ts';
import { communityOf } from '../principal.ts';
import { DateTime, EventCursor } from '../scalars.ts';
import { EndReason, StreamEnding, StreamItem, StreamReady, StreamResumed } from '../stream.graphql.ts';
import { boardById, Leaderboard, RankWindow } from './leaderboard.graphql.ts';
import { entryFrom, LeaderboardEntry } from './leaderboard-entry.graphql.ts';
import { placeOf, type TopState, topStates, xpNumberAt } from './leaderboard-live.ts';

// The top of a leaderboard as it changes: states, not events. Each state has a cursor of its own, so that streams can be
// joined at it; after one, the newest state is all there is to catch up with.

@ObjectType({
  implements: StreamItem,
  simpleResolvers: true,
  description: 'The top of a leaderboard as it is now; it replaces the one before.',
})
class LeaderboardChanged extends StreamItem {
  boardId!: string;
  state!: TopState;

  @Field(() => RankWindow, { description: 'The days that are ranked.' })
  window!: RankWindow;

  @Field(() => String, {
    nullable: true,
    description: 'The period, as `Leaderboard.runs` names it; null for ALL_TIME, or while there is none.',
  })
  period!: string | null;

  @Field(() => DateTime, {
    nullable: true,
    description: 'The moment it is true of; null while there is no period.',
  })
  asOf!: Date | null;
}

@ArgsType()
class LeaderboardStreamArgs {
  static rules = z.object({
    top: z.number().min(1, '1-100 rows').max(100, '1-100 rows'),
  });

  @Field(() => ID, { description: 'The leaderboard.' })
  id!: string;

  @Field(() => Int, { defaultValue: 10, description: 'How many rows, 1-100.' })
  top!: number;

  @Field(() => RankWindow, {
    nullable: true,
    description: "One of the leaderboard's windows; its first when absent.",
  })
  window?: RankWindow | null;

  @Field(() => EventCursor, {
    nullable: true,
    description: 'Go on after this cursor: the newest state comes first, whatever was missed.',
  })
  after?: string | null;
}

@Resolver()
class LeaderboardStreamResolver {
  @Subscription(() => StreamItem, {
    description:
      'The top of a leaderboard: LeaderboardChanged as it is now, StreamReady or with `after` StreamResumed, then LeaderboardChanged as it changes, at most once a second; it ends with StreamEnding when the leaderboard is deleted, has the window no more, or may not be viewed by the caller any more. Scope: stats:read.',
    subscribe: async ({ args, context }: { args: LeaderboardStreamArgs; context: Context }) => {
      const { id, top, window, after } = checked(LeaderboardStreamArgs, args);
      const communityId = communityOf(context.principal);
      const board = await boardById(context).load(id);
      if (board === null) throw noLeaderboard(id);
      const chosen = window ?? (board.windows[0] as RankWindow);
      if (!board.windows.includes(chosen)) {
        const message = `window: this leaderboard has ${board.windows.join(', ')}, got ${chosen}.`;
        throw new Refusal('BAD_ARGUMENT', message);
      }
      const { first, last } = await extentOf(context.sql, { communityId, stream: 'xp' });
      const line = { communityId, stream: `leaderboard ${id}` };
      if (after != null && xpNumberAt(context.cursors.open(line, after) ?? 0) > last)
        throw new Refusal(
          'BAD_CURSOR',
          'The cursor lies beyond the end of this stream: start without `after`.',
        );
      const seal = (place: number) => context.cursors.seal(line, place);
      const opened = (cursor: string) =>
        after == null
          ? Object.assign(new StreamReady(), {
              cursor,
              retainedFrom: seal(placeOf(first - 1)),
              retentionSeconds,
            })
          : Object.assign(new StreamResumed(), { cursor, replayed: 1 });
      const states = topStates(context, { communityId, boardId: id, window: chosen, size: top });
      const toItem = (state: TopState) =>
        Object.assign(new LeaderboardChanged(), {
          cursor: seal(state.place),
          boardId: id,
          state,
          credentialsAt: state.credentialsAt,
          window: chosen,
          period: state.run?.name ?? null,
          asOf: state.run?.asOf ?? null,
        });
      return items(context, id, states, toItem, opened);
    },
  })
  @Scoped('stats:read')
  @Resumable()
  leaderboard(
    @Root() item: StreamItem,
    @Args(() => LeaderboardStreamArgs) _args: LeaderboardStreamArgs,
  ): StreamItem {
    return item;
  }
}

/** Whether a person may still view the leaderboard. A class of people is told by the item's own fields. */
async function isThere(context: Context, boardId: string): Promise<boolean> {
  return context.principal.userId === undefined || (await boardById(context).load(boardId)) !== null;
}

function noLeaderboard(id: string): Refusal {
  return new Refusal('BAD_ARGUMENT', `id: no leaderboard has the id "${id}".`);
}

/** The first state, word that the stream is open, and the states that follow, as long as the leaderboard is there. */
function items(
  context: Context,
  boardId: string,
  states: AsyncGenerator<TopState, void>,
  toItem: (state: TopState) => StreamItem,
  opened: (cursor: string) => StreamItem,
): AsyncIterableIterator<StreamItem> {
  let open: StreamItem | undefined;
  let toldUpTo: string | undefined;
  let isOver = false;
  // Not a generator: its `return()` would wait for the next state before it ended the stream.
  return {
    async next() {
      if (open !== undefined) {
        const value = open;
        open = undefined;
        return { done: false, value };
      }
      if (isOver) return { done: true, value: undefined };
      const { done, value } = await states.next();
      forgetLoaded(context);
      // Whoever has left is told nothing more.
      if (isOver) return { done: true, value: undefined };
      if (done || !(await isThere(context, boardId))) {
        isOver = true;
        await states.return();
        if (toldUpTo === undefined) throw noLeaderboard(boardId);
        return { done: false, value: endingAt(toldUpTo) };
      }
      const item = toItem(value);
      if (toldUpTo === undefined) open = opened(item.cursor);
      toldUpTo = item.cursor;
      return { done: false, value: item };
    },
    async return() {
      isOver = true;
      await states.return();
      return { done: true, value: undefined };
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

function endingAt(cursor: string): StreamItem {
  const reason = EndReason.PERMISSION_REVOKED;
  return Object.assign(new StreamEnding(), { cursor, reason, reconnectAfterMs: 0 });
}

@Resolver(() => LeaderboardChanged)
class LeaderboardChangedResolver {
  @FieldResolver(() => Leaderboard, { nullable: true, description: 'The leaderboard.' })
  leaderboard(@Root() { boardId }: LeaderboardChanged, @Ctx() context: Context): Promise<object | null> {
    return boardById(context).load(boardId);
  }

  @FieldResolver(() => [LeaderboardEntry], {
    nullable: true,
    description: 'The top, the highest score first; null while there is no period.',
  })
  @Usually(10)
  async entries(
    @Root() { boardId, state }: LeaderboardChanged,
    @Ctx() context: Context,
  ): Promise<object[] | null> {
    const { run, entries } = state;
    const board = await boardById(context).load(boardId);
    return board === null || run === null ? null : entries.map((row) => entryFrom(row, board, run));
  }
}

export const leaderboardStream: Feature = {
  name: 'leaderboard-stream',
  resolvers: [LeaderboardStreamResolver, LeaderboardChangedResolver],
  types: [LeaderboardChanged],
};
