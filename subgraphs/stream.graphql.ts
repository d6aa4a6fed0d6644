import { ArgsType, Field, Int, InterfaceType, ObjectType, registerEnumType } from 'type-graphql';
import { z } from 'zod';
import type { Context } from './context.ts';
import { Refusal } from './errors.ts';
import { Partner, Shareable } from './feature.ts';
import { forgetLoaded } from './loader.ts';
import { type LogEvent, retentionSeconds } from './log.ts';
import { pageSize } from './page.ts';
import { EventCursor } from './scalars.ts';
import { PageInfo } from './shared.graphql.ts';
import type { StreamPage, StreamStep } from './stream.ts';

// What streams yield besides their events, the same in every subgraph that has a stream.

@InterfaceType({
  autoRegisterImplementations: false,
  description: 'Something a stream yields: an event, or word about the stream itself.',
})
export abstract class StreamItem {
  @Field(() => EventCursor, {
    description: 'Where the stream stands after this item. Keep it: `after` goes on from here.',
  })
  cursor!: string;

  /** Of an event; see subscribe.ts. */
  credentialsAt?: number;
}

@ObjectType({
  implements: StreamItem,
  simpleResolvers: true,
  description: 'The stream is open and everything from now on will come.',
})
@Shareable()
@Partner()
export class StreamReady extends StreamItem {
  @Field(() => EventCursor, { description: 'The oldest cursor that can still be resumed after.' })
  retainedFrom!: string;

  @Field(() => Int, { description: 'How long events are kept for resuming, in seconds.' })
  retentionSeconds!: number;
}

@ObjectType({
  implements: StreamItem,
  simpleResolvers: true,
  description: 'All that was missed since `after` has been sent; what follows is live.',
})
@Shareable()
@Partner()
export class StreamResumed extends StreamItem {
  @Field(() => Int, { description: 'How many events were sent again.' })
  replayed!: number;
}

export enum GapReason {
  RETENTION_EXCEEDED = 'RETENTION_EXCEEDED',
  SLOW_CONSUMER = 'SLOW_CONSUMER',
}
registerEnumType(GapReason, {
  name: 'GapReason',
  description: 'Why events are missing from a stream.',
  valuesConfig: {
    RETENTION_EXCEEDED: {
      description: 'The cursor is older than what is kept, or than the secret that seals cursors.',
    },
    SLOW_CONSUMER: { description: 'The client took events more slowly than they came.' },
  },
});

@ObjectType({
  implements: StreamItem,
  simpleResolvers: true,
  description: 'Events are missing here. The stream goes on after the gap.',
})
@Shareable()
@Partner()
export class StreamGap extends StreamItem {
  @Field(() => EventCursor, {
    description: 'The last position before the gap.',
  })
  from!: string;

  @Field(() => GapReason, { description: 'Why.' })
  reason!: GapReason;
}

export enum EndReason {
  DRAINING = 'DRAINING',
  TOKEN_EXPIRING = 'TOKEN_EXPIRING',
  PERMISSION_REVOKED = 'PERMISSION_REVOKED',
  BUDGET_EXHAUSTED = 'BUDGET_EXHAUSTED',
}
registerEnumType(EndReason, {
  name: 'EndReason',
  description: 'Why a stream ends although there may be more to tell.',
  valuesConfig: {
    DRAINING: { description: 'What serves it is restarted: reconnect with the last cursor.' },
    TOKEN_EXPIRING: { description: 'The credential has come to its end: reconnect with a new one.' },
    PERMISSION_REVOKED: {
      description: 'The credential is revoked, or may not see any more of what is subscribed to.',
    },
    BUDGET_EXHAUSTED: {
      description: 'The budget has no room for the next event: reconnect later with the last cursor.',
    },
  },
});

@ObjectType({
  implements: StreamItem,
  simpleResolvers: true,
  description: 'The last item: the stream ends here, and `cursor` goes on from here.',
})
@Shareable()
@Partner()
export class StreamEnding extends StreamItem {
  @Field(() => EndReason, { description: 'Why.' })
  reason!: EndReason;

  @Field(() => Int, {
    description: 'How long to wait before reconnecting, in milliseconds; each client is told its own time.',
  })
  reconnectAfterMs!: number;
}

/** The items that are not events, for a subgraph's list of types. */
export const controlItems = [StreamReady, StreamResumed, StreamGap, StreamEnding];

@ObjectType({ simpleResolvers: true, description: 'An item and its place in the stream.' })
@Shareable()
@Partner()
class StreamItemEdge {
  @Field(() => EventCursor, { description: 'Where the stream stands after the item.' })
  cursor!: string;

  @Field(() => StreamItem, { description: 'The item.' })
  node!: StreamItem;
}

@ObjectType({
  simpleResolvers: true,
  description:
    'A page of what a stream tells, for those who ask instead of listening: the same items, oldest first.',
})
@Shareable()
@Partner()
export class StreamItemConnection {
  @Field(() => [StreamItemEdge], { description: 'The items with their cursors.' })
  edges!: StreamItemEdge[];

  @Field(() => [StreamItem], {
    description: 'The items alone. Where events are not kept any more a StreamGap comes first.',
  })
  nodes!: StreamItem[];

  @Field(() => PageInfo, {
    description: '`endCursor` is where to go on, by page or live; it is set on an empty page too.',
  })
  pageInfo!: PageInfo;

  @Field(() => EventCursor, { description: 'The oldest cursor that can still be resumed after.' })
  retainedFrom!: string;
}

/** The arguments that every page of a stream has. */
@ArgsType()
export class StreamPageArgs {
  static pageRules = { first: z.number().min(1, 'is 1 to 100').max(pageSize.max, 'is 1 to 100').nullish() };

  @Field(() => EventCursor, {
    nullable: true,
    description:
      'Go on after this cursor of a page or of the stream; from the oldest event kept when absent.',
  })
  after?: string | null;

  @Field(() => Int, { nullable: true, description: 'Events, 1-100; 20 when absent.' })
  first?: number | null;
}

/** Dresses a page of a stream. @param toItem  as in `streamItems`. @throws FORBIDDEN when nothing of it may be seen */
export function streamConnection(
  page: StreamPage | undefined,
  after: string | null | undefined,
  toItem: (event: LogEvent) => StreamItem,
): StreamItemConnection {
  if (page === undefined)
    throw new Refusal('FORBIDDEN', 'The credential does not reach any more what the events are about.');
  const { steps, position, hasNextPage, retainedFrom } = page;
  const edges = steps.map((step) => ({ cursor: step.cursor, node: itemOf(step, toItem) }));
  return Object.assign(new StreamItemConnection(), {
    edges,
    nodes: edges.map(({ node }) => node),
    pageInfo: {
      hasNextPage,
      hasPreviousPage: after != null,
      startCursor: edges[0]?.cursor ?? null,
      endCursor: position,
    },
    retainedFrom,
  });
}

/**
 * Dresses the steps of a stream as StreamItems.
 * @param toItem  the item of an event, but for its cursor and moment.
 * @param toSnapshot  the item of a snapshot, but for its cursor, where the stream has one.
 */
export function streamItems<State>(
  context: Context,
  steps: AsyncGenerator<StreamStep<State>, void>,
  toItem: (event: LogEvent) => StreamItem,
  toSnapshot?: (state: State) => StreamItem,
): AsyncIterableIterator<StreamItem> {
  // Not a generator: its `return()` would wait for the next event before it ended the stream.
  return {
    async next() {
      const { done, value } = await steps.next();
      forgetLoaded(context);
      if (done) return { done, value: undefined };
      if (value.step !== 'snapshot') return { done, value: itemOf(value, toItem) };
      if (toSnapshot === undefined) throw new Error('A stream with snapshots says how they look.');
      return { done, value: Object.assign(toSnapshot(value.state), { cursor: value.cursor }) };
    },
    async return() {
      await steps.return();
      return { done: true, value: undefined };
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

function itemOf(
  step: Exclude<StreamStep, { step: 'snapshot' }>,
  toItem: (event: LogEvent) => StreamItem,
): StreamItem {
  const { cursor } = step;
  switch (step.step) {
    case 'ready':
      return Object.assign(new StreamReady(), { cursor, retainedFrom: step.retainedFrom, retentionSeconds });
    case 'resumed':
      return Object.assign(new StreamResumed(), { cursor, replayed: step.replayed });
    case 'gap':
      return Object.assign(new StreamGap(), { cursor, from: step.from, reason: step.reason as GapReason });
    case 'ending':
      return Object.assign(new StreamEnding(), {
        cursor,
        reason: step.reason as EndReason,
        reconnectAfterMs: 0,
      });
    case 'event': {
      const { occurredAt, credentialsAt } = step.event;
      return Object.assign(toItem(step.event), { cursor, occurredAt, credentialsAt });
    }
  }
}
