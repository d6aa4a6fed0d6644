import { type Subgraph, subgraph } from '../feature.ts';
import { message } from './message.graphql.ts';
import { messageStream } from './message-stream.graphql.ts';
import { reaction } from './reaction.graphql.ts';

/** What people say. */
export const messaging: Subgraph = subgraph('messaging', [message, reaction, messageStream]);
