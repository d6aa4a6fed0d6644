import { isDeepStrictEqual } from 'node:util';
import { Refusal } from '../errors.ts';
import type { newId } from '../id.ts';
import type { ActivityType, Wording } from './activity.ts';
import { type Awardable, Awarding, type BadgeGround, type TakenBack } from './awarding.ts';
import { sameDecimal } from './exact.ts';
import type { LedgerEntry } from './ledger.ts';
import type { Origin } from './origin.ts';
import { countsAmount, type Limits, type Rule, whyNot, worthOf } from './rule.ts';
import type { Balances, Unit } from './unit.ts';

// What each posting of a batch does, in order, given what was read. Pure: no clock, no database.

/** One change of a unit: by an amount, or to what it shall be. */
export type Move = { unit: Unit; reversalOf?: string } & ({ by: bigint } | { to: bigint });

/** Something that happened to one person and may change what they have. */
export interface Posting {
  userId: string;
  eventType: string;
  /** What a repeat is recognised by, unique per event type; null: never a repeat. */
  reference: string | null;
  /** When it happened; null: now. */
  occurredAt: Date | null;
  /** How many units of what happened, for rules that count them. */
  amount: string | null;
  metadata: Record<string, unknown> | null;
  origin: Origin;
  /** What it changes; absent: what the rules of its event type say. */
  moves?: readonly Move[];
  /** The event that it takes back, whose counting ends too. */
  reverses?: { eventId: string; eventType: string };
  /** The badge that it awards. */
  award?: { badgeId: string; attachmentUrl: string | null };
  /** The award that it takes back; those of an event that it reverses go with it. */
  revokes?: { awardId: string };
  /** The event some or all of whose entries it takes back. */
  undoes?: string;
  /** What the feed shows of it, besides what rules and badges do. */
  shownAs?: { type: ActivityType; wording: Wording | null };
}

/** What came of an event: it earned, it was only counted, or why it earned nothing. */
export type Outcome =
  | 'EARNED'
  | 'COUNTED'
  | 'CONDITION'
  | 'COOLDOWN'
  | 'ONCE'
  | 'DAY_CAP'
  | 'WEEK_CAP'
  | 'LIFETIME_CAP'
  | 'TOO_LITTLE';

/** What is counted of people besides units. */
export const counters = ['messages', 'replies', 'reactions', 'visits', 'referrals', 'socials'] as const;

export type Counter = (typeof counters)[number];

/** The event types that are counted, whether or not a rule rewards them. */
export const countedAs: Readonly<Record<string, Counter>> = {
  message: 'messages',
  reply: 'replies',
  reaction: 'reactions',
  visit: 'visits',
  referral: 'referrals',
  follow: 'socials',
  like: 'socials',
  comment: 'socials',
  share: 'socials',
};

/** What a person has, as the row of `profile` holds it. */
export interface Profile extends Balances, Record<Counter, number> {
  userId: string;
  level: number;
  /** How many badges are held. */
  badges: number;
  /** Something was posted to it; before, what its person has from the beginning is still to be reached. */
  begun: boolean;
}

/** An event that stands under a reference already. */
export interface Known {
  id: string;
  userId: string;
  amount: string | null;
  metadata: Record<string, unknown> | null;
  occurredAt: Date | null;
}

/** What was read for one posting. */
export interface Place {
  /** When it happened, and the day in the community's time zone. */
  occurredAt: Date;
  day: string;
  known: Known | null;
  /** What rules with limits have paid its person around that moment. */
  used: readonly { ruleId: string; limits: Limits }[];
}

/** What a batch is decided on. */
export interface Ground {
  /** Now, as the database has it. */
  recordedAt: Date;
  rules: ReadonlyMap<string, readonly Rule[]>;
  /** The least XP of each level, lowest first, with its number. */
  levels: readonly { number: number; minXp: bigint }[];
  belowZero: ReadonlySet<Unit>;
  profiles: ReadonlyMap<string, Profile>;
  places: readonly Place[];
  badges: BadgeGround;
}

/** An event to be written, with all that follows from it. */
export interface Decided {
  id: string;
  posting: Posting;
  occurredAt: Date;
  day: string;
  outcome: Outcome;
  /** Those of awards have the event type `badge`, and the award as reference. */
  entries: LedgerEntry[];
  /** Rules with limits that paid it. */
  uses: string[];
  counts: { counter: Counter; by: 1 | -1 } | null;
  /** Badges that it brought. */
  awards: { id: string; badgeId: string }[];
  /** Awards that it takes back. */
  revoked: readonly TakenBack[];
  /** Numbers of the levels, where it changed; 0 below the first. */
  level: { before: number; after: number } | null;
}

/** A posting is written, is a repeat of an event that is or will be there, or is refused. */
export type Decision = Decided | { repeats: string } | Refusal;

/** No balance lies further from zero, so that none leaves its 64 bits. */
const furthest = 4_000_000_000_000_000_000n;

/**
 * Decides a batch in the order of its postings.
 * @returns one decision per posting, and what their people then have.
 */
export function decide(
  ground: Ground,
  postings: readonly Posting[],
  makeId: typeof newId,
): { decisions: Decision[]; profiles: Map<string, Profile> } {
  const profiles = new Map<string, Profile>();
  const byReference = new Map<string, Known>();
  const usedHere: UsesHere = new Map();
  const awarding = new Awarding(ground.badges);
  const decisions = postings.map((posting, at): Decision => {
    const place = ground.places[at];
    const before = profiles.get(posting.userId) ?? ground.profiles.get(posting.userId);
    if (place === undefined || before === undefined) throw new Error('A posting has no place or no profile.');
    const key = posting.reference === null ? undefined : `${posting.eventType} ${posting.reference}`;
    const known = place.known ?? (key === undefined ? undefined : byReference.get(key));
    if (known !== undefined && known !== null) return repeatOf(known, posting);

    const unruly = unruled(ground, posting);
    if (unruly !== undefined) return unruly;
    const named = awarding.named(posting);
    if (named instanceof Refusal) return named;
    const { moves, outcome, uses } = movesOf(ground, posting, place, usedHere);
    const id = makeId('LedgerEvent');
    const account = new Account(ground, place, id, posting, before, makeId);
    const refused = moves.map((move) => account.book(move)).find((refusal) => refusal !== undefined);
    if (refused !== undefined) return refused;
    const counts = countsOf(posting);
    const revoked = ground.badges.revoked.get(at) ?? [];
    account.count(counts, revoked.length);
    const awards = account.award(awarding, named);
    if (awards instanceof Refusal) return awards;
    const { after, entries } = account;
    for (const { badgeId } of awards) awarding.take({ id: badgeId }, posting.userId);
    for (const one of revoked) awarding.giveBack(one, posting.userId);
    profiles.set(posting.userId, after);

    const { userId, amount, metadata, occurredAt } = posting;
    if (key !== undefined) byReference.set(key, { id, userId, amount, metadata, occurredAt });
    const { day, occurredAt: happenedAt } = place;
    for (const ruleId of uses) {
      const use = { day, at: happenedAt.getTime() };
      const key = `${ruleId} ${userId}`;
      usedHere.set(key, [...(usedHere.get(key) ?? []), use]);
    }
    const level = before.level === after.level ? null : { before: before.level, after: after.level };
    // One literal, here as at the entries: put together of several, objects cost a batch more than all that is decided.
    // biome-ignore format: one line each would say no more.
    return { id, posting, occurredAt: happenedAt, day, outcome, entries, uses, counts, awards, revoked, level };
  });
  return { decisions, profiles };
}

/** What one posting does to what its person has. */
class Account {
  readonly after: Profile;
  readonly entries: LedgerEntry[] = [];
  private readonly ground: Ground;
  private readonly place: Place;
  private readonly eventId: string;
  private readonly posting: Posting;
  private readonly before: Profile;
  private readonly makeId: typeof newId;

  constructor(
    ground: Ground,
    place: Place,
    eventId: string,
    posting: Posting,
    before: Profile,
    makeId: typeof newId,
  ) {
    this.ground = ground;
    this.place = place;
    this.eventId = eventId;
    this.posting = posting;
    this.before = before;
    this.after = { ...before, begun: true };
    this.makeId = makeId;
  }

  /** Books a change, of an award where it is its reward. What refuses it leaves everything as it was before the posting. */
  book(move: RuledMove, award?: { id: string }): Refusal | undefined {
    const { after, ground, posting } = this;
    const { unit } = move;
    const amount = 'by' in move ? move.by : move.to - after[unit];
    if (amount === 0n) return undefined;
    const balanceAfter = after[unit] + amount;
    const refusal = refusalOf(ground, posting, unit, amount, balanceAfter);
    if (refusal !== undefined) return refusal;
    after[unit] = balanceAfter;
    after.level = levelNumberAt(ground.levels, after.XP);
    this.entries.push({
      id: this.makeId('LedgerEntry'),
      userId: posting.userId,
      eventId: this.eventId,
      unit,
      amount,
      balanceAfter,
      eventType: award === undefined ? posting.eventType : 'badge',
      reference: award === undefined ? posting.reference : award.id,
      metadata: posting.metadata,
      occurredAt: this.place.occurredAt,
      recordedAt: ground.recordedAt,
      ruleId: move.ruleId ?? null,
      reversalOf: move.reversalOf ?? null,
      source: posting.origin.source,
      actorUserId: posting.origin.actorUserId,
      keyId: posting.origin.keyId,
    });
    return undefined;
  }

  count(counts: Decided['counts'], revoked: number): void {
    if (counts !== null) this.after[counts.counter] += counts.by;
    this.after.badges -= revoked;
  }

  /** Awards a badge by hand, and whatever badges are reached; one may bring what another is awarded for. */
  award(awarding: Awarding, named: Awardable | undefined): Decided['awards'] | Refusal {
    const { after, makeId } = this;
    const before = this.before.begun ? this.before : { ...this.before, level: 0 };
    const awards: Decided['awards'] = [];
    const brought = new Set<string>();
    let badge = named ?? awarding.reached(before, after, brought);
    while (badge !== undefined) {
      const award = { id: makeId('BadgeAward'), badgeId: badge.id };
      for (const reward of badge.rewards) {
        const refusal = this.book(reward, award);
        if (refusal !== undefined) return refusal;
      }
      awards.push(award);
      brought.add(badge.id);
      after.badges++;
      badge = awarding.reached(before, after, brought);
    }
    return awards;
  }
}

/** The number of the level that this much XP reaches; 0 below the first. */
export function levelNumberAt(levels: Ground['levels'], xp: bigint): number {
  let [low, high] = [0, levels.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((levels[middle]?.minXp ?? 0n) <= xp) low = middle + 1;
    else high = middle;
  }
  return levels[low - 1]?.number ?? 0;
}

/** What rules with limits paid earlier in this batch, by rule and person. */
type UsesHere = Map<string, { day: string; at: number }[]>;

/** What of a posting no rule knows what to do with. */
export function unruled(
  { rules }: Pick<Ground, 'rules'>,
  { eventType, amount, moves }: Posting,
): Refusal | undefined {
  if (moves !== undefined) return undefined;
  const own = rules.get(eventType) ?? [];
  if (own.length === 0 && countedAs[eventType] === undefined) return noRule(eventType);
  if (amount !== null && !own.some(countsAmount)) {
    const message = `No rule of "${eventType}" looks at an amount: leave it out.`;
    return new Refusal('VALIDATION_FAILED', message, {}, ['input', 'amount']);
  }
  return undefined;
}

/** The refusal of an event type that nothing is done with. */
function noRule(eventType: string): Refusal {
  const message = `No enabled rule has the event type "${eventType}".`;
  return new Refusal('RULE_NOT_FOUND', message, {}, ['input', 'eventType']);
}

type RuledMove = Move & { ruleId?: string };

/** What a posting changes: as it says itself, or by each rule of its event type that applies. */
function movesOf(
  { rules }: Ground,
  posting: Posting,
  place: Place,
  usedHere: UsesHere,
): { moves: RuledMove[]; outcome: Outcome; uses: string[] } {
  if (posting.moves !== undefined) return { moves: [...posting.moves], outcome: 'EARNED', uses: [] };
  const moves: RuledMove[] = [];
  const uses: string[] = [];
  let reason: Outcome | undefined;
  for (const rule of rules.get(posting.eventType) ?? []) {
    const before = place.used.find(({ ruleId }) => ruleId === rule.id)?.limits;
    const here = usedHere.get(`${rule.id} ${posting.userId}`) ?? [];
    const no = whyNot(rule, posting, place, before, here);
    if (no !== undefined) {
      reason ??= no;
      continue;
    }
    const worth = worthOf(rule, posting.amount);
    if (worth.length === 0) {
      reason ??= 'TOO_LITTLE';
      continue;
    }
    moves.push(...worth.map(({ unit, by }) => ({ unit, by, ruleId: rule.id })));
    if (rule.limited) uses.push(rule.id);
  }
  return { moves, outcome: moves.length > 0 ? 'EARNED' : (reason ?? 'COUNTED'), uses };
}

function refusalOf(
  { belowZero }: Ground,
  { eventType }: Posting,
  unit: Unit,
  amount: bigint,
  balanceAfter: bigint,
): Refusal | undefined {
  if (amount < 0n && balanceAfter < 0n && !belowZero.has(unit)) {
    const has = balanceAfter - amount;
    const message = `There are ${has} ${unit}, and ${-amount} are to go: "${eventType}" needs ${-balanceAfter} more.`;
    return new Refusal('INSUFFICIENT_BALANCE', message, { unit, balance: String(has) }, ['input']);
  }
  if (balanceAfter > furthest || balanceAfter < -furthest) {
    return new Refusal('LIMIT_EXCEEDED', `A balance is at most ${furthest} from zero.`, {}, ['input']);
  }
  return undefined;
}

function countsOf({ eventType, reverses }: Posting): Decided['counts'] {
  const counter = countedAs[reverses?.eventType ?? eventType];
  return counter === undefined ? null : { counter, by: reverses === undefined ? 1 : -1 };
}

/** What a posting is whose reference stands under an event already. */
export function repeatOf(known: Known, posting: Posting): { repeats: string } | Refusal {
  const same =
    known.userId === posting.userId &&
    sameDecimal(known.amount, posting.amount) &&
    known.occurredAt?.getTime() === posting.occurredAt?.getTime() &&
    isDeepStrictEqual(plain(known.metadata), plain(posting.metadata));
  if (same) return { repeats: known.id };
  // What Laurel posts itself has the caller's idempotency key as its reference.
  const [input, called] =
    posting.moves === undefined ? ['reference', 'reference'] : ['idempotencyKey', 'idempotency key'];
  const message = `The ${called} "${posting.reference}" was used for something else: use a new one.`;
  return new Refusal('IDEMPOTENCY_KEY_REUSED', message, {}, ['input', input]);
}

/** As it comes back from the database. */
function plain(metadata: unknown): unknown {
  return metadata === null ? null : JSON.parse(JSON.stringify(metadata));
}
