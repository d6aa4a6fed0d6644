import { type Subgraph, subgraph } from '../feature.ts';
import { user } from './user.graphql.ts';
import { viewer } from './viewer.graphql.ts';

/** Who people are, and who is calling. */
export const identity: Subgraph = subgraph('identity', [user, viewer]);
