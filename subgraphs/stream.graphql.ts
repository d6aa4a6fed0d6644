import { Field, Int, InterfaceType, ObjectType, registerEnumType } from 'type-graphql';
import type { Context } from './context.ts';
import { Partner, Shareable } from './feature.ts';
import { forgetLoaded } from './loader.ts';
import { type LogEvent, retentionSeconds } from './log.ts';
import { EventCursor } from './scalars.ts';
import type { StreamStep } from './stream.ts';

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

/**
 * Dresses the steps of a stream as StreamItems.
 * @param toItem  the item of an event, but for its cursor and moment.
 */
export function streamItems(
  context: Context,
  steps: AsyncGenerator<StreamStep, void>,
  toItem: (event: LogEvent) => StreamItem,
): AsyncIterableIterator<StreamItem> {
  // Not a generator: its `return()` would wait for the next event before it ended the stream.
  return {
    async next() {
      const { done, value } = await steps.next();
      forgetLoaded(context);
      return done ? { done, value: undefined } : { done, value: itemOf(value, toItem) };
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

function itemOf(step: StreamStep, toItem: (event: LogEvent) => StreamItem): StreamItem {
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
    case 'event':
      return Object.assign(toItem(step.event), { cursor, occurredAt: step.event.occurredAt });
  }
}
