-- Rules are made and changed by whoever may.
alter table gamification.rule
  drop column image_url,
  add column images jsonb, -- { "en": "https://…" }
  add column idempotency_key text collate "C", -- what a repeated creation is recognised by
  add column made_from jsonb, -- the input of the creation, to tell a repeat from another under the same key
  add constraint rule_idempotency_key unique (community_id, idempotency_key);

create index rule_created on gamification.rule (community_id, created_at, id);
