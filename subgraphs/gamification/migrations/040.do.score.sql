-- A change of a score tells what it was before, so that one statement can find it, change it and move its person from
-- bucket to bucket.
alter table gamification.score add column was bigint; -- the score before its last change; null: never changed
