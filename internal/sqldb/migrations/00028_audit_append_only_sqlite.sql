-- +goose Up

-- +goose StatementBegin
create trigger audit_is_not_updated before update on audit
begin
    select raise(abort, 'the audit log is append-only');
end;
-- +goose StatementEnd

-- +goose StatementBegin
create trigger audit_is_not_deleted before delete on audit
begin
    select raise(abort, 'the audit log is append-only');
end;
-- +goose StatementEnd

-- +goose StatementBegin
create trigger audit_outcome_is_not_updated before update on audit_outcome
begin
    select raise(abort, 'the audit log is append-only');
end;
-- +goose StatementEnd

-- +goose StatementBegin
create trigger audit_outcome_is_not_deleted before delete on audit_outcome
begin
    select raise(abort, 'the audit log is append-only');
end;
-- +goose StatementEnd

-- +goose Down
drop trigger audit_is_not_updated;
drop trigger audit_is_not_deleted;
drop trigger audit_outcome_is_not_updated;
drop trigger audit_outcome_is_not_deleted;
