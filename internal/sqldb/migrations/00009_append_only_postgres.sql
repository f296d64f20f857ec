-- +goose Up

-- +goose StatementBegin
create function entry_refuse() returns trigger language plpgsql as $$
begin
    raise exception 'the ledger is append-only';
end;
$$;
-- +goose StatementEnd

create trigger entry_is_append_only before update or delete or truncate on entry
    for each statement execute function entry_refuse();

-- +goose Down
drop trigger entry_is_append_only on entry;
drop function entry_refuse();
