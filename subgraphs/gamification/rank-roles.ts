import type { LogReader } from '../log-reader.ts';
import { followRoles, type RoleChange } from './score.ts';

// Leaderboards that rank the people of some roles follow who has them, by the log of who may do what.

const told: readonly string[] = ['RoleAssigned', 'RoleUnassigned', 'RoleDeleted'];

/** Lets people into and out of leaderboards as their roles change. */
export const rankRoles: LogReader = {
  name: 'rank-roles',
  stream: 'access',
  async handle(sql, communityId, events) {
    const changes: RoleChange[] = events
      .filter(({ kind }) => told.includes(kind))
      .map(({ payload, userId }) => ({ roleId: String(payload.roleId), userId }));
    if (changes.length > 0) await followRoles(sql, communityId, changes);
  },
};
