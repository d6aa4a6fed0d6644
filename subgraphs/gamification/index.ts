import { type Subgraph, subgraph } from '../feature.ts';
import { badge } from './badge.graphql.ts';
import { dailyStat } from './daily-stat.graphql.ts';
import { event } from './event.graphql.ts';
import { ledger } from './ledger.graphql.ts';
import { level } from './level.graphql.ts';
import { xpStream } from './xp-stream.graphql.ts';

/** What people earn. */
export const gamification: Subgraph = subgraph('gamification', [
  event,
  ledger,
  level,
  dailyStat,
  badge,
  xpStream,
]);
