-- +goose Up
-- The pending updates of a card are more than custom fields. Package member
-- defines the bits.
alter table member_card rename column fields_due to due;

-- An index for the operator's list of the outbox.
create index outbox_listed on outbox (state, created_at, outbox_id);

-- +goose Down
drop index outbox_listed;
alter table member_card rename column due to fields_due;
