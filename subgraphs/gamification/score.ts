import type { Sql, SqlPart } from '../db.ts';
import { scoreLock } from './posting-lock.ts';
import { type Bucket, divided, joined, mostInBucket, needJoining } from './score-bucket.ts';

// Scores: what each person has gained in the days of a run, kept exact with every posting, and with them how many people
// stand in each bucket of scores. Whoever changes scores holds the rows of the runs; those of one run come one after another.

/** A role that a person was given or lost; without a person: one that everybody lost. */
export interface RoleChange {
  roleId: string;
  userId: string | null;
}

/** People that are looked at together at most, of a role that everybody lost. */
const mostAtOnce = 2_000;

/**
 * Lets people into the runs that rank one of their roles, and out of those that rank none of them any more: as their roles
 * are now, whatever the changes say. Runs of many people are given up where everybody lost a role, and counted anew in
 * batches, as those of a new leaderboard are.
 * @param most  people that are looked at for a role that everybody lost.
 * @cost five statements.
 */
export async function followRoles(
  tx: Sql,
  communityId: string,
  changes: readonly RoleChange[],
  most = mostAtOnce,
): Promise<void> {
  const roleIds = [...new Set(changes.map(({ roleId }) => roleId))];
  const ranking = tx`community_id = ${communityId} and not dropped and role_ids && ${roleIds}`;
  await tx`
    -- holdOffNewRuns
    select pg_advisory_xact_lock_shared(${scoreLock(tx, communityId)})`;
  await lockRuns(tx, ranking);
  const gone = changes.flatMap(({ roleId, userId }) => (userId === null ? [roleId] : []));
  if (gone.length > 0) {
    await tx`
      -- followRoles: runs to be counted anew
      update gamification.score_run r set dropped = true
      where ${ranking} and role_ids && ${gone} and exists (
        select from gamification.score s
        where s.community_id = r.community_id and s.run_id = r.id
        offset ${most}
      )`;
  }
  await moveScores(
    tx,
    communityId,
    tx`
      select p.run_id, p.user_id, case when now.gained is not null then now.gained - coalesce(s.score, 0) end as amount
      from (
        select r.id as run_id, r.role_ids, r.unit, r.first_day, r.last_day, c."userId" as user_id
        from (select * from gamification.score_run where ${ranking}) r
        join jsonb_to_recordset(${tx.json(changes as never)}) c("userId" text, "roleId" text)
          on c."roleId" = any(r.role_ids) and c."userId" is not null
        -- Whoever isn't built yet is counted when it is.
        where r.built_to is null or c."userId" <= r.built_to
        union
        select r.id, r.role_ids, r.unit, r.first_day, r.last_day, s.user_id
        from (select * from gamification.score_run where ${ranking}) r
        join jsonb_to_recordset(${tx.json(changes as never)}) c("userId" text, "roleId" text)
          on c."roleId" = any(r.role_ids) and c."userId" is null
        join gamification.score s on s.community_id = ${communityId} and s.run_id = r.id
      ) p
      left join gamification.score s
        on s.community_id = ${communityId} and s.run_id = p.run_id and s.user_id = p.user_id
      cross join lateral (
        select case when exists (
          select from community.roles_of(${communityId}, array[p.user_id]) o where o.role_ids && p.role_ids
        ) then gamification.gained(${communityId}, p.user_id, p.unit, p.first_day, p.last_day) end as gained
      ) now
      where s.score is distinct from now.gained`,
  );
}

async function lockRuns(tx: Sql, counting: SqlPart): Promise<void> {
  await tx`
    -- lockRuns
    select from gamification.score_run where ${counting} order by id for update`;
}

/**
 * Adds amounts to scores, and moves their people from bucket to bucket; each person is named once a run. The rows of the
 * runs are held.
 * @param change  a query for `run_id, user_id, amount`; without an amount the person leaves the run.
 */
export async function moveScores(tx: Sql, communityId: string, change: SqlPart): Promise<void> {
  const [row] = await tx<{ full: bigint[] | null }[]>`
    -- moveScores
    with change as materialized (
      select array_agg(run_id) as runs, array_agg(user_id) as users, array_agg(amount) as amounts from (${change}) c
    )
    select gamification.move_scores(${communityId}, runs, users, amounts, ${mostInBucket}) as "full"
    from change
    where runs is not null`;
  await divideBuckets(tx, communityId, row?.full ?? []);
}

const highest = String(2n ** 63n - 1n);

/**
 * Divides the buckets of runs that hold too many people, and joins those that hold few.
 * @param runIds  whose rows are held, or of which none is.
 */
export async function divideBuckets(tx: Sql, communityId: string, runIds: readonly bigint[]): Promise<void> {
  if (runIds.length === 0) return;
  const runs = tx`community_id = ${communityId} and not dropped and id = any(${runIds.map(String)}::bigint[])`;
  await lockRuns(tx, runs);
  const full = await tx<{ runId: bigint; low: bigint }[]>`
    -- divideBuckets: which
    select b.run_id as "runId", b.low
    from (select * from gamification.score_run where ${runs}) r
    join gamification.score_bucket b on b.community_id = r.community_id and b.run_id = r.id
    where b.people > ${mostInBucket} and not exists (
      select from gamification.score_bucket n
      where n.community_id = b.community_id and n.run_id = b.run_id and n.low = b.low + 1
    )`;
  if (full.length === 0) return;
  const counts = await tx<{ at: number; score: bigint; people: number }[]>`
    -- divideBuckets: what they hold
    select f.at::integer as at, s.score, count(*)::integer as people
    from unnest(${full.map(({ runId }) => String(runId))}::bigint[], ${full.map(({ low }) => String(low))}::bigint[])
      with ordinality f(run_id, low, at)
    left join lateral (
      select low
      from gamification.score_bucket
      where community_id = ${communityId} and run_id = f.run_id and low > f.low
      order by low
      limit 1
    ) n on true
    join gamification.score s on s.community_id = ${communityId} and s.run_id = f.run_id
      and s.score >= f.low and s.score <= coalesce(n.low - 1, ${highest}::bigint)
    group by f.at, s.score
    order by f.at, s.score`;
  const buckets = full.flatMap(({ runId, low }, n) => {
    const own = counts.filter(({ at }) => at === n + 1);
    return divided(low, own).map((bucket) => ({ runId, ...bucket }));
  });
  const totals = await tx<{ runId: bigint; buckets: number; people: number }[]>`
    -- divideBuckets
    with divided as (
      insert into gamification.score_bucket as b (community_id, run_id, low, people)
      select ${communityId}, d."runId", d.low, d.people
      from jsonb_to_recordset(${tx.json(buckets.map(asText))}) d("runId" bigint, low bigint, people integer)
      on conflict (community_id, run_id, low) do update set people = excluded.people
    )
    select run_id as "runId", count(*)::integer as buckets, sum(people)::integer as people
    from gamification.score_bucket
    where community_id = ${communityId} and run_id = any(${full.map(({ runId }) => String(runId))}::bigint[])
    group by run_id`;
  for (const total of totals) {
    if (needJoining(total.buckets, total.people)) await joinBuckets(tx, communityId, total.runId);
  }
}

async function joinBuckets(tx: Sql, communityId: string, runId: bigint): Promise<void> {
  const buckets = await tx<Bucket[]>`
    -- joinBuckets: all
    select low, people
    from gamification.score_bucket
    where community_id = ${communityId} and run_id = ${runId}
    order by low`;
  await tx`
    -- joinBuckets
    with kept as (
      select low, people
      from jsonb_to_recordset(${tx.json(joined(buckets).map(asText))}) k(low bigint, people integer)
    ), dropped as (
      delete from gamification.score_bucket b
      where b.community_id = ${communityId} and b.run_id = ${runId} and b.low not in (select low from kept)
    )
    update gamification.score_bucket b set people = k.people
    from kept k
    where b.community_id = ${communityId} and b.run_id = ${runId} and b.low = k.low and b.people <> k.people`;
}

/** JSON has no 64-bit numbers. */
function asText<Row extends { low: bigint }>(row: Row) {
  return JSON.parse(
    JSON.stringify(row, (_name, value) => (typeof value === 'bigint' ? String(value) : value)),
  );
}
