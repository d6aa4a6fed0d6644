// How the people of a run are divided into buckets by score, so that none is long to count: pure.

/** The scores from `low` up to the `low` of the next bucket, and how many people have one. */
export interface Bucket {
  low: bigint;
  people: number;
}

/** People in a bucket of several scores at most; a bucket of one score needs no counting inside, and holds any number. */
export const mostInBucket = 1_024;

/** What a bucket is filled to when a full one is divided: half of what it can hold. */
const filledTo = mostInBucket / 2;

/** Neighbours that hold no more than this together become one. */
const mergedTo = (mostInBucket * 3) / 4;

/** The buckets of an empty run: up to 0, and above; the line between them is never given up. */
export const firstBuckets: readonly Bucket[] = [
  { low: -(2n ** 63n), people: 0 },
  { low: 1n, people: 0 },
];

/**
 * Divides a bucket. A score that many people share gets a bucket of its own.
 * @param low     where the bucket begins.
 * @param counts  its scores, lowest first, and how many people have each.
 */
export function divided(low: bigint, counts: readonly { score: bigint; people: number }[]): Bucket[] {
  const buckets: Bucket[] = [{ low, people: 0 }];
  let last = buckets[0] as Bucket;
  let single = false;
  const open = (from: bigint) => {
    if (from > last.low) {
      last = { low: from, people: 0 };
      buckets.push(last);
    }
  };
  for (const { score, people } of counts) {
    const own = people >= filledTo;
    if (single) open(last.low + 1n);
    if (own || last.people + people > filledTo) open(score);
    last.people += people;
    single = own;
  }
  if (single) open(last.low + 1n);
  return buckets;
}

/** Joins small neighbours, lowest first; what comes out has the same people. */
export function joined(buckets: readonly Bucket[]): Bucket[] {
  const kept: Bucket[] = [];
  for (const { low, people } of buckets) {
    const last = kept.at(-1);
    if (last !== undefined && low !== 1n && last.people + people <= mergedTo) last.people += people;
    else kept.push({ low, people });
  }
  return kept;
}

/** Whether so many buckets are too many for so many people: as people rise, the buckets below them empty. */
export function needJoining(buckets: number, people: number): boolean {
  return buckets > 64 + people / (mostInBucket / 4);
}
