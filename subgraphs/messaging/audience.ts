import type { Sql } from '../db.ts';
import { Refusal } from '../errors.ts';
import type { LogEvent } from '../log.ts';
import { actsAsPerson, communityOf, type Principal } from '../principal.ts';
import { readerOf, withinKey } from './message.ts';

// Who hears of what happens in channels: whoever reads the channel; of a message with an audience, that member and those
// who moderate.

/**
 * Which events of channels a caller may see, as things stand now.
 * @throws FORBIDDEN  for a channel that isn't there for the caller.
 * @throws NEEDS_USER  for a class of people, where each of them sees another part.
 * @cost one query by port.
 */
export async function audienceFor(
  sql: Sql,
  principal: Principal,
  channelIds: readonly string[],
): Promise<(event: LogEvent) => boolean> {
  const [communityId, reader, asPerson] = [
    communityOf(principal),
    readerOf(principal),
    actsAsPerson(principal),
  ];
  const ids = channelIds as string[];
  // The collation is the index's: without it, every channel there is would be looked at.
  const rows = await sql<{ id: string; isRead: boolean }[]>`
    -- audienceFor
    select v.id, r.id is not null as "isRead"
    from community.visible_channels(${communityId}, ${reader}, ${asPerson}) as v(id)
    left join community.readable_channels(${communityId}, ${reader}, ${asPerson}) as r(id)
      on r.id = v.id and r.id collate "C" = any(${ids})
    where v.id collate "C" = any(${ids})`;
  const visible = new Map(
    rows.filter(({ id }) => withinKey(principal, id)).map(({ id, isRead }) => [id, isRead]),
  );
  const needsUser = principal.ofPeople && principal.userId === undefined;
  // A direct channel is there for two people of a class, a whisper channel has for each of them something else.
  const personal = channelIds.find((id) => visible.get(id) !== true);
  if (needsUser && personal !== undefined)
    throw new Refusal('NEEDS_USER', `What is heard in the channel "${personal}" is about each person.`);
  const unseen = channelIds.find((id) => !visible.has(id));
  if (unseen !== undefined)
    throw new Refusal('FORBIDDEN', `The credential does not reach the channel "${unseen}".`);
  return ({ channelId, payload: { audienceId } }) => {
    const isRead = visible.get(channelId ?? '');
    return (
      isRead === true || (isRead === false && (audienceId === undefined || audienceId === principal.userId))
    );
  };
}
