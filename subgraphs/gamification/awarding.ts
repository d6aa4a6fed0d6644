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
}

/** What is known of badges before a batch is decided. */
export interface BadgeGround {
  awardable: readonly Awardable[];
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
  private readonly awardable: ReadonlyMap<string, Awardable>;
  private readonly byThemselves: readonly (Awardable & { criterion: Criterion })[];
  private readonly left: Map<string, number>;
  private readonly had: Map<string, boolean>;

  constructor({ awardable, had }: BadgeGround) {
    this.awardable = new Map(awardable.map((badge) => [badge.id, badge]));
    this.byThemselves = awardable.filter(
      (badge): badge is Awardable & { criterion: Criterion } => badge.criterion !== null && badge.enabled,
    );
    this.left = new Map(awardable.flatMap(({ id, left }) => (left === null ? [] : [[id, left]])));
    this.had = new Map(had);
  }

  /** The badge that a posting names, or why its person can't be awarded it. */
  named({ userId, award }: Posting): Awardable | Refusal | undefined {
    if (award === undefined) return undefined;
    const badge = this.awardable.get(award.badgeId);
    if (badge === undefined) {
      return refused('NOT_FOUND', `No badge has the id "${award.badgeId}".`, 'badgeId');
    }
    if (this.had.get(`${badge.id} ${userId}`) === true) {
      return refused('CONFLICT', 'This person holds this badge already.', 'userId');
    }
    if (!badge.enabled) {
      return refused('CONFLICT', 'This badge is not awarded now: enable it by `updateBadge`.', 'badgeId');
    }
    if (this.left.get(badge.id) === 0) {
      return refused('LIMIT_EXCEEDED', 'As many of this badge as there can be are awarded.', 'badgeId');
    }
    if (badge.requiresAttachment && award.attachmentUrl === null) {
      return refused('VALIDATION_FAILED', 'This badge takes a proof: set `attachmentUrl`.', 'attachmentUrl');
    }
    return badge;
  }

  /** A badge whose measure a person reached between two states, and that the person never had. */
  reached(before: Profile, after: Profile, except: ReadonlySet<string>): Awardable | undefined {
    return this.byThemselves.find(
      ({ id, criterion }) =>
        measured(before, criterion.measure) < criterion.atLeast &&
        measured(after, criterion.measure) >= criterion.atLeast &&
        !except.has(id) &&
        !this.had.has(`${id} ${after.userId}`) &&
        this.left.get(id) !== 0,
    );
  }

  /** From here on the person holds it, and there is one less. */
  take({ id }: { id: string }, userId: string): void {
    this.had.set(`${id} ${userId}`, true);
    const left = this.left.get(id);
    if (left !== undefined) this.left.set(id, left - 1);
  }

  /** The person holds it no more, and there is one more. */
  giveBack({ badgeId }: TakenBack, userId: string): void {
    this.had.set(`${badgeId} ${userId}`, false);
    const left = this.left.get(badgeId);
    if (left !== undefined) this.left.set(badgeId, left + 1);
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
