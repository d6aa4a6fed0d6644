import { type Subgraph, subgraph } from '../feature.ts';
import { budget } from './budget.graphql.ts';
import { user } from './user.graphql.ts';
import { viewer } from './viewer.graphql.ts';

/** Who people are, who is calling, and what callers have spent. */
export const identity: Subgraph = subgraph('identity', [user, viewer, budget]);
