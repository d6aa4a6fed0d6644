import { type Subgraph, subgraph } from '../feature.ts';
import { channel } from './channel.graphql.ts';
import { channelChange } from './channel-change.graphql.ts';
import { community as itself } from './community.graphql.ts';
import { field } from './field.graphql.ts';
import { fieldHistory } from './field-history.graphql.ts';
import { member } from './member.graphql.ts';
import { permission } from './permission.graphql.ts';
import { role } from './role.graphql.ts';

/** Where people gather, and what is recorded about them. */
export const community: Subgraph = subgraph('community', [
  itself,
  member,
  role,
  permission,
  channel,
  channelChange,
  field,
  fieldHistory,
]);
