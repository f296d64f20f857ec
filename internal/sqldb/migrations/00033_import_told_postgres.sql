-- +goose Up
-- The entries of an imported account are told when a card takes its ledger: before, they
-- were about no member.
-- +goose StatementBegin
create function webhook_taken_ledger() returns trigger language plpgsql as $$
begin
    insert into webhook_event (type, member_id, card_id, code, data)
        select 'entry.created', new.member_id, new.card_id, new.code, json_build_object(
            'entry_id', e.entry_id, 'seq', e.seq, 'add_bonus', e.add_bonus, 'bonus', e.bonus,
            'add_balance', e.add_balance, 'balance', e.balance, 'record_bonus', e.record_bonus,
            'record_balance', e.record_balance, 'reverses', e.reverses,
            'actor', e.actor, 'store', e.store, 'order', e.order_id)::text
        from imported i join entry e on e.card_id = i.card_id and e.ledger = i.account_id
        where i.account_id = new.ledger and i.joined_code = new.code
        order by e.seq;
    return null;
end;
$$;
-- +goose StatementEnd

create trigger taken_ledger_is_told after update of ledger on member_card for each row
    when (old.ledger <> new.ledger)
    execute function webhook_taken_ledger();

-- +goose Down
drop trigger taken_ledger_is_told on member_card;
drop function webhook_taken_ledger();
