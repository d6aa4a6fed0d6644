import type { Principal } from '../principal.ts';

// Where a change comes from: each event says who asked for it, through which key, and for which system.

export type Source = 'LAUREL' | 'RETURNING' | 'GAMIFYHOST' | 'LYNES';

export interface Origin {
  actorUserId: string | null;
  keyId: string | null;
  source: Source;
}

/** Laurel itself: the demo, and what follows from what others did. */
export const ownOrigin: Origin = { actorUserId: null, keyId: null, source: 'LAUREL' };

/** The caller. @param source  the system that the caller speaks for. */
export function originOf({ userId, keyId }: Principal, source: Source = 'LAUREL'): Origin {
  return { actorUserId: userId ?? null, keyId: keyId ?? null, source };
}
