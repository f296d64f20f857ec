-- +goose Up
-- Who booked an entry, in which of the shop's stores, and for which of its orders; ''
-- if that was not said. Earlier entries have ''.
alter table entry add column actor text not null default '';
alter table entry add column store text not null default '';
alter table entry add column order_id text not null default '';

-- Each of them serves one filter of the operator's list of all entries.
create index entry_created on entry (created_at, entry_id);
create index entry_card on entry (card_id, created_at, entry_id);
create index entry_actor on entry (actor, created_at, entry_id) where actor <> '';
create index entry_order on entry (order_id, created_at, entry_id) where order_id <> '';
create index entry_store on entry (store, created_at, entry_id) where store <> '';

-- The code that has a ledger is the ledger's name, unless the card was given away.
create index member_card_ledger on member_card (card_id, ledger) where ledger <> code;

-- +goose Down
drop index member_card_ledger;
drop index entry_store;
drop index entry_order;
drop index entry_actor;
drop index entry_card;
drop index entry_created;
alter table entry drop column order_id;
alter table entry drop column store;
alter table entry drop column actor;
