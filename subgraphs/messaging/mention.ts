import type { Sql } from '../db.ts';
import { Refusal } from '../errors.ts';

// Mentions: `<@usr_…>` and `<#chn_…>` in a text. What they name is looked up when the text is written, so that a message
// never leads to somebody who isn't there; a token that names nothing is text like any other.

/** People and channels that one message may mention. */
export const mostMentions = 50;

const id = '[0-7][0-9a-hjkmnp-tv-z]{25}';
const token = new RegExp(`<(?:@(usr_${id})|#(chn_${id}))>`, 'g');

/** The ids that a text mentions, each once, in its order. @throws VALIDATION_FAILED  more than `mostMentions`. */
export function mentionsIn(body: string): string[] {
  const ids = new Set([...body.matchAll(token)].map(([, user, channel]) => user ?? channel ?? ''));
  if (ids.size > mostMentions) {
    const problem = `A message mentions at most ${mostMentions} people and channels; this one has ${ids.size}.`;
    throw new Refusal('VALIDATION_FAILED', problem, {}, ['input', 'body']);
  }
  return [...ids];
}

/** Refuses mentions in a channel where the sender may mention nobody. */
export function mentionsRefused(): Refusal {
  const problem = 'This channel lets you mention nobody: write names without `<@…>` and `<#…>`.';
  return new Refusal('FORBIDDEN', problem, {}, ['input', 'body']);
}

/** Of the ids that several texts mention those that there are. @cost one query by port; none without mentions. */
export async function knownMentions(
  sql: Sql,
  communityId: string,
  mentioned: readonly (readonly string[])[],
): Promise<string[][]> {
  const ids = [...new Set(mentioned.flat())];
  if (ids.length === 0) return mentioned.map(() => []);
  const rows = await sql<{ id: string }[]>`
    -- knownMentions
    select user_id as id
    from identity.find_members(${communityId}, ${sql.json(ids.map((one) => ({ id: one })))})
    where user_id is not null
    union all
    select id from community.channel_kinds(${communityId}, ${ids})`;
  const known = new Set(rows.map((row) => row.id));
  return mentioned.map((own) => own.filter((one) => known.has(one)));
}
