-- +goose Up
-- When the card is compared with WeChat next, and the wait before that; whether
-- WeChat has changed the totals by itself (modified); and the totals that the
-- card's face showed when they differed from the ledger for that reason, since
-- face_at (0 when the face equals the ledger).
alter table member_card add column check_at bigint not null default 0;
alter table member_card add column check_wait bigint not null default 0;
alter table member_card add column modified bigint not null default 0;
alter table member_card add column face_bonus bigint not null default 0;
alter table member_card add column face_balance bigint not null default 0;
alter table member_card add column face_at bigint not null default 0;

create index member_card_check on member_card (check_at) where status in ('issued', 'claimed', 'active', 'deleted');
create index member_card_drift on member_card (face_at) where face_at > 0;

-- When the wallet of a person is searched next.
alter table identity add column check_at bigint not null default 0;
alter table identity add column check_wait bigint not null default 0;
create index identity_check on identity (app_id, check_at);

-- +goose Down
drop index identity_check;
alter table identity drop column check_wait;
alter table identity drop column check_at;
drop index member_card_drift;
drop index member_card_check;
alter table member_card drop column face_at;
alter table member_card drop column face_balance;
alter table member_card drop column face_bonus;
alter table member_card drop column modified;
alter table member_card drop column check_wait;
alter table member_card drop column check_at;
