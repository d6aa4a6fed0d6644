-- What callers have spent of their budgets: a bucket each, that leaks. Unlogged, since an empty bucket after a crash does
-- no harm and a write each second and caller needs no log.

create unlogged table identity.budget (
  community_id text collate "C" not null,
  holder text collate "C" not null, -- usr_… of a person, whichever credential was sent; else key_…
  spent double precision not null, -- points that had not leaked away at `at`; above the budget's size it is a debt
  restored double precision not null, -- points that leak away a second
  at timestamptz not null,
  primary key (community_id, holder)
);
