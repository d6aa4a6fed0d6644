-- Texts are text, whatever markup they hold: PostgreSQL's parser takes what stands between < and > for a tag and leaves its
-- words out, so they are told apart by blanks.

alter table messaging.message
  drop column search;

alter table messaging.message
  add column search tsvector not null -- words as they are written, whatever the language, and the community
    generated always as (
      to_tsvector('simple', translate(coalesce(body, ''), '<>', '  ')) || array_to_tsvector(array[community_id])
    ) stored;

create index message_search on messaging.message using gin (search);
