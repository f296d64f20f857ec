-- +goose Up
-- When a member is erased, the cards and their ledger are kept under a row with
-- another ID that nothing ties to a person. erased_at is 0 for all other members.
alter table member add column erased_at bigint not null default 0;

-- Indexes for the lists and searches of the operator.
create index member_created on member (created_at, member_id) where erased_at = 0;
create index member_card_code on member_card (code);
create index member_card_number on member_card (membership_number) where membership_number <> '';
create index identity_openid on identity (openid);
create index event_openid on event (openid);

-- +goose Down
drop index event_openid;
drop index identity_openid;
drop index member_card_number;
drop index member_card_code;
drop index member_created;
alter table member drop column erased_at;
