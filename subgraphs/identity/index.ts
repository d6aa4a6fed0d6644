import { type Subgraph, subgraph } from '../feature.ts';
import { apiKey } from './api-key.graphql.ts';
import { audit } from './audit.graphql.ts';
import { authentication } from './authentication.graphql.ts';
import { budget } from './budget.graphql.ts';
import { deprecatedUse } from './deprecated-use.graphql.ts';
import { penalty } from './penalty.graphql.ts';
import { session } from './session.graphql.ts';
import { user } from './user.graphql.ts';
import { viewer } from './viewer.graphql.ts';

/** Who people are, who is calling, what with, what callers have spent, and what of the schema that will go they use. */
export const identity: Subgraph = subgraph('identity', [
  user,
  viewer,
  apiKey,
  session,
  penalty,
  audit,
  authentication,
  budget,
  deprecatedUse,
]);
