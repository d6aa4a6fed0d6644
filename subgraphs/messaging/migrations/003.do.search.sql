-- Finding messages by their words. Each community's id is a word of its messages, so that the index finds those of one
-- community at once, however many others use the same words.

alter table messaging.message
  add column search tsvector not null -- words as they are written, whatever the language, and the community
    generated always as (to_tsvector('simple', coalesce(body, '')) || array_to_tsvector(array[community_id])) stored;

create index message_search on messaging.message using gin (search);
