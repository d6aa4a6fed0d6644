import { Refusal } from '../errors.ts';
import type { Posting, Profile } from './decide.ts';
import type { Unit } from './unit.ts';

// Which badges a posting brings: the one it names, and those whose measure its person reaches by it. Pure, as decide.ts is.

/** What a badge can be awarded for by itself. */
export const measures = [
  ...(['XP', 'COINS', 'POINTS', 'PREMIUM', 'LEVEL'] as const),
  ...(['MESSAGES', 'REPLIES', 'REACTIONS', 'VISITS', 'REFERRALS', 'SOCIALS', 'BADGES'] as const),
] as const;

export type Measure = (typeof measures)[number];

/** What a person has to have, to be awarded a badge by nobody's doing. */
export interface Criterion {
  measure: Measure;
  atLeast: bigint;
}

/** A badge as postings meet it. */
export interface Awardable {
  id: string;
  enabled: boolean;
  criterion: Criterion | null;
  /** How many can still be awarded; null: any number. */
  left: number | null;
  requiresAttachment: boolean;
  rewards: readonly { unit: Unit; by: bigint }[];
  /** Of its title, description and image as they are now; null: it has none. */
  wordingId: string | null;
}

/** Badges, as postings look for them. */
export interface Badges {
  byId: ReadonlyMap<string, Awardable>;
  /** Those that award themselves, by what they are awarded for, the least first. */
  byMeasure: ReadonlyMap<Measure, readonly (Criterion & { badge: Awardable; age: number })[]>;
}

/** @param all  oldest first. */
export function badgesAmong(all: readonly Awardable[]): Badges {
  const byMeasure = new Map<Measure, (Criterion & { badge: Awardable; age: number })[]>();
  for (const [age, badge] of all.entries()) {
    if (badge.criterion === null || !badge.enabled) continue;
    const own = byMeasure.get(badge.criterion.measure);
    const one = { ...badge.criterion, badge, age };
    if (own === undefined) byMeasure.set(one.measure, [one]);
    else own.push(one);
  }
  for (const own of byMeasure.values())
    own.sort((one, other) => (one.atLeast < other.atLeast ? -1 : one.atLeast > other.atLeast ? 1 : 0));
  return { byId: new Map(all.map((badge) => [badge.id, badge])), byMeasure };
}

/** What is known of badges before a batch is decided. */
export interface BadgeGround {
  all: Badges;
  /** `badge person` -> whether the person holds it; those who never had it are missing. */
  had: ReadonlyMap<string, boolean>;
  /** Awards that the postings take back, by their place in the batch. */
  revoked: ReadonlyMap<number, readonly TakenBack[]>;
}

export interface TakenBack {
  awardId: string;
  badgeId: string;
}

/** The badges of one batch, as its postings are decided. */
export class Awarding {
  private readonly all: Badges;
  /** How many are left of those that were awarded or taken back here. */
  private readonly left = new Map<string, number>();
  private readonly had: Map<string, boolean>;

  constructor({ all, had }: Pick<BadgeGround, 'all' | 'had'>) {
    this.all = all;
    this.had = new Map(had);
  }

  /** The badge that a posting names, or why its person can't be awarded it. */
  named({ userId, award }: Posting): Awardable | Refusal | undefined {
    if (award === undefined) return undefined;
    const badge = this.all.byId.get(award.badgeId);
    if (badge === undefined) {
      return refused('NOT_FOUND', `No badge has the id "${award.badgeId}".`, 'badgeId');
    }
    if (this.had.get(`${badge.id} ${userId}`) === true) {
      return refused('CONFLICT', 'This person holds this badge already.', 'userId');
    }
    if (!badge.enabled) {
      return refused('CONFLICT', 'This badge is not awarded now: enable it by `updateBadge`.', 'badgeId');
    }
    if (this.leftOf(badge.id) === 0) {
      return refused('LIMIT_EXCEEDED', 'As many of this badge as there can be are awarded.', 'badgeId');
    }
    if (badge.requiresAttachment && award.attachmentUrl === null) {
      return refused('VALIDATION_FAILED', 'This badge takes a proof: set `attachmentUrl`.', 'attachmentUrl');
    }
    return badge;
  }

  /** The oldest badge whose measure a person reached between two states, and that the person never had. */
  reached(before: Profile, after: Profile, except: ReadonlySet<string>): Awardable | undefined {
    let first: { badge: Awardable; age: number } | undefined;
    for (const [measure, criteria] of this.all.byMeasure) {
      const [from, to] = [measured(before, measure), measured(after, measure)];
      if (to <= from) continue;
      for (const one of criteria) {
        if (one.atLeast <= from) continue;
        if (one.atLeast > to) break;
        const { id } = one.badge;
        if (first !== undefined && first.age < one.age) continue;
        if (!except.has(id) && !this.had.has(`${id} ${after.userId}`) && this.leftOf(id) !== 0) first = one;
      }
    }
    return first?.badge;
  }

  /** From here on the person holds it, and there is one less. */
  take({ id }: { id: string }, userId: string): void {
    this.had.set(`${id} ${userId}`, true);
    this.count(id, -1);
  }

  /** The person holds it no more, and there is one more. */
  giveBack({ badgeId }: TakenBack, userId: string): void {
    this.had.set(`${badgeId} ${userId}`, false);
    this.count(badgeId, 1);
  }

  private count(badgeId: string, by: 1 | -1): void {
    const left = this.leftOf(badgeId);
    if (left !== null) this.left.set(badgeId, left + by);
  }

  /** null: any number. */
  private leftOf(badgeId: string): number | null {
    return this.left.get(badgeId) ?? this.all.byId.get(badgeId)?.left ?? null;
  }
}

/** How much of a measure a person has. */
export function measured(profile: Profile, measure: Measure): bigint {
  switch (measure) {
    case 'XP':
    case 'COINS':
    case 'POINTS':
    case 'PREMIUM':
      return profile[measure];
    default:
      return BigInt(profile[measure.toLowerCase() as Lowercase<typeof measure>]);
  }
}

function refused(
  code: 'NOT_FOUND' | 'CONFLICT' | 'LIMIT_EXCEEDED' | 'VALIDATION_FAILED',
  message: string,
  at: string,
): Refusal {
  return new Refusal(code, message, {}, ['input', at]);
}
