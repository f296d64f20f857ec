-- Divides the tables entry and event of an addcard database on PostgreSQL into 16 hash
-- partitions each. Read docs/scale.md first: it says when that helps, and what it costs.
-- Stop all servers, and run it as the owner of the tables: psql -v ON_ERROR_STOP=1 -1 -f
-- partition.sql. It copies both tables, so it needs as much free space as they have.

-- Entries are in the partition of their ledger. The unique index of the idempotency key
-- would have to contain the ledger then, and the ledger of a code changes when its card is
-- given away. So the keys have a table of their own, in partitions of their own.
alter table entry rename to entry_undivided;
create table entry (like entry_undivided including defaults including constraints) partition by hash (ledger);
create table entry_once (kind text not null, key text not null, route text not null, primary key (kind, key, route)) partition by hash (key);
alter table event rename to event_undivided;
create table event (like event_undivided including defaults including constraints) partition by hash (dedupe_key);
do $$ begin
    for i in 0..15 loop
        execute format('create table entry_%s partition of entry for values with (modulus 16, remainder %s)', i, i);
        execute format('create table entry_once_%s partition of entry_once for values with (modulus 16, remainder %s)', i, i);
        execute format('create table event_%s partition of event for values with (modulus 16, remainder %s)', i, i);
    end loop;
end $$;

insert into entry select * from entry_undivided;
insert into entry_once
    select 'request', idempotency_key, route from entry_undivided where idempotency_key <> ''
    union all select 'reversal', reverses, '' from entry_undivided where reverses <> '';
insert into event select * from event_undivided;

-- Each index of the undivided table, under its name. Those that are unique without the
-- ledger are no longer: entry_once is, and entry_id is random. Then the triggers.
do $$
declare
    d record;
    text_of text;
begin
    for d in select c.relname as name, t.relname as tab, x.indisprimary, pg_get_indexdef(x.indexrelid) as definition
        from pg_index x join pg_class c on c.oid = x.indexrelid join pg_class t on t.oid = x.indrelid
        where t.relname in ('entry_undivided', 'event_undivided') and t.relnamespace = current_schema()::regnamespace
    loop
        execute format('alter index %I rename to %I', d.name, d.name || '_undivided');
        text_of := replace(d.definition, d.tab, replace(d.tab, '_undivided', ''));
        if d.tab = 'entry_undivided' and d.name <> 'entry_ledger' then
            text_of := replace(text_of, 'CREATE UNIQUE INDEX', 'CREATE INDEX');
        end if;
        execute text_of;
    end loop;
    for d in select tgname as name, pg_get_triggerdef(t.oid) as definition from pg_trigger t
        where tgrelid = 'entry_undivided'::regclass and not tgisinternal
    loop
        execute replace(d.definition, 'entry_undivided', 'entry');
    end loop;
end $$;

-- An entry whose key is there already is not inserted, as with "on conflict do nothing".
create function entry_is_once() returns trigger language plpgsql as $$
begin
    if new.reverses <> '' then
        insert into entry_once values ('reversal', new.reverses, '') on conflict do nothing;
        if not found then
            return null;
        end if;
    end if;
    if new.idempotency_key <> '' then
        insert into entry_once values ('request', new.idempotency_key, new.route) on conflict do nothing;
        if not found then
            delete from entry_once where kind = 'reversal' and key = new.reverses;
            return null;
        end if;
    end if;
    return new;
end;
$$;
create trigger entry_is_once before insert on entry for each row execute function entry_is_once();

-- The rows of a partition cannot be changed either.
create trigger entry_row_is_append_only before update or delete on entry for each row execute function entry_refuse();
do $$ begin
    for i in 0..15 loop
        execute format('create trigger entry_is_append_only before truncate on entry_%s for each statement execute function entry_refuse()', i);
    end loop;
end $$;
drop table entry_undivided, event_undivided;
