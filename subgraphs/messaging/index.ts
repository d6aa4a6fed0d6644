import { type Subgraph, subgraph } from '../feature.ts';
import { attachment } from './attachment.graphql.ts';
import { forumTopic } from './forum-topic.graphql.ts';
import { mention } from './mention.graphql.ts';
import { message } from './message.graphql.ts';
import { messageChange } from './message-change.graphql.ts';
import { messageStream } from './message-stream.graphql.ts';
import { pace } from './pace.graphql.ts';
import { pin } from './pin.graphql.ts';
import { presence } from './presence.graphql.ts';
import { reaction } from './reaction.graphql.ts';
import { readMark } from './read-mark.graphql.ts';
import { search } from './search.graphql.ts';
import { sending } from './sending.graphql.ts';
import { typing } from './typing.graphql.ts';

/** What people say. */
export const messaging: Subgraph = subgraph('messaging', [
  message,
  sending,
  messageChange,
  reaction,
  mention,
  forumTopic,
  pin,
  attachment,
  search,
  readMark,
  pace,
  typing,
  presence,
  messageStream,
]);
