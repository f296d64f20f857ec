-- +goose Up
-- What WeChat is not told of yet is more than custom fields: package member
-- says what the bits mean.
alter table member_card rename column fields_due to due;

-- The operator's list of the outbox.
create index outbox_listed on outbox (state, created_at, outbox_id);

-- +goose Down
drop index outbox_listed;
alter table member_card rename column due to fields_due;
