// A bucket that leaks: what one caller has spent and not got back.

/** How much a bucket holds, and how much of it comes back a second; in points. */
export interface BudgetSize {
  points: number;
  restored: number;
}

/** Whose a bucket is, to all gateways alike. */
export interface Owner {
  communityId: string;
  /** The person's id, else the key's. */
  holder: string;
}

/** What a caller spent since it was settled last, as identity takes it. */
export interface Spending extends Owner, BudgetSize {}

/** Moments are milliseconds of one clock; only their differences count. */
export class Bucket {
  readonly size: BudgetSize;
  /** Undefined for strangers. */
  readonly owner: Owner | undefined;
  /** Points that the other gateways don't know of. */
  unsettled = 0;
  private spent = 0;
  private at: number;

  constructor(size: BudgetSize, owner: Owner | undefined, now: number) {
    this.size = size;
    this.owner = owner;
    this.at = now;
  }

  /** Takes points if there is room for all of them. */
  take(points: number, now: number): boolean {
    if (points > 0 && this.secondsUntil(points, now) > 0) return false;
    this.spent += points;
    this.unsettled += points;
    return true;
  }

  left(now: number): number {
    this.leak(now);
    return Math.max(0, this.size.points - this.spent);
  }

  /** Seconds until there is room for so many points. */
  secondsUntil(points: number, now: number): number {
    this.leak(now);
    return Math.max(0, (this.spent + points - this.size.points) / this.size.restored);
  }

  /** The points that the other gateways are told of now. */
  handOver(): number {
    const points = this.unsettled;
    this.unsettled = 0;
    return points;
  }

  /** All gateways together have spent this much of what wasn't got back; what was taken here meanwhile they don't know. */
  settled(spent: number, now: number): void {
    this.spent = spent + this.unsettled;
    this.at = now;
  }

  private leak(now: number): void {
    this.spent = Math.max(0, this.spent - ((now - this.at) / 1_000) * this.size.restored);
    this.at = now;
  }
}
