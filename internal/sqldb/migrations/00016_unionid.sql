-- +goose Up
-- Unionids that WeChat gave for two openids of one app. They prove nothing, and
-- are not used.
create table shared_unionid (
    unionid  text   not null primary key,
    found_at bigint not null
);

-- Unionids that WeChat gave for an identity and that do not count for it: a later
-- one replaced it (at ignored_at), or it is in shared_unionid. The one that counts
-- is in identity.
create table ignored_unionid (
    app_id     text   not null,
    openid     text   not null,
    unionid    text   not null,
    ignored_at bigint not null,
    primary key (app_id, openid, unionid)
);
create index ignored_unionid_unionid on ignored_unionid (unionid);

-- Codes that join: a card that was issued to, or proved for, the member in the
-- mini-program was in the wallet of the openid in the Official Account. It holds
-- even while unionids say otherwise, because they may turn out to be wrong.
create table code_proof (
    member_id  text   not null,
    openid     text   not null,
    created_at bigint not null,
    primary key (member_id, openid)
);
create index code_proof_openid on code_proof (openid);
insert into code_proof (member_id, openid, created_at)
    select c.member_id, c.wallet, min(c.created_at) from member_card c
    where c.issued_at > 0 and c.wallet <> ''
        and exists (select 1 from identity i where i.member_id = c.member_id and i.openid <> c.wallet)
    group by c.member_id, c.wallet;

-- The other person in an event: the giver or the recipient. Events about a gift on
-- its way were stored without it; nothing reads what they said.
alter table event add column friend_openid text not null default '';
create index event_friend on event (friend_openid) where friend_openid <> '';
update event set fields = '{}' where event = 'user_gifting_card';

-- +goose Down
drop index event_friend;
alter table event drop column friend_openid;
drop table code_proof;
drop table ignored_unionid;
drop table shared_unionid;
