-- +goose Up

-- +goose StatementBegin
create trigger entry_is_not_updated before update on entry
begin
    select raise(abort, 'the ledger is append-only');
end;
-- +goose StatementEnd

-- +goose StatementBegin
create trigger entry_is_not_deleted before delete on entry
begin
    select raise(abort, 'the ledger is append-only');
end;
-- +goose StatementEnd

-- +goose Down
drop trigger entry_is_not_deleted;
drop trigger entry_is_not_updated;
