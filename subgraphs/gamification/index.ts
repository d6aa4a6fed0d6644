import { type Subgraph, subgraph } from '../feature.ts';
import { activity } from './activity.graphql.ts';
import { adjustment } from './adjustment.graphql.ts';
import { badge } from './badge.graphql.ts';
import { badgeAward } from './badge-award.graphql.ts';
import { badgeChange } from './badge-change.graphql.ts';
import { count } from './count.graphql.ts';
import { dailyStat } from './daily-stat.graphql.ts';
import { event } from './event.graphql.ts';
import { leaderboard } from './leaderboard.graphql.ts';
import { leaderboardChange } from './leaderboard-change.graphql.ts';
import { leaderboardEntry } from './leaderboard-entry.graphql.ts';
import { leaderboardStream } from './leaderboard-stream.graphql.ts';
import { ledger } from './ledger.graphql.ts';
import { level } from './level.graphql.ts';
import { rule } from './rule.graphql.ts';
import { ruleChange } from './rule-change.graphql.ts';
import { tier } from './tier.graphql.ts';
import { unit } from './unit.graphql.ts';
import { xpStream } from './xp-stream.graphql.ts';

/** What people earn. */
export const gamification: Subgraph = subgraph('gamification', [
  rule,
  ruleChange,
  event,
  ledger,
  adjustment,
  activity,
  level,
  tier,
  unit,
  dailyStat,
  count,
  badge,
  badgeChange,
  badgeAward,
  leaderboard,
  leaderboardChange,
  leaderboardEntry,
  leaderboardStream,
  xpStream,
]);
