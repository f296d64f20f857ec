package sqlstore

import (
	"context"
	"slices"
	"time"

	"github.com/addcard/addcard/internal/ledger"
	"github.com/addcard/addcard/internal/member"
	outboxsql "github.com/addcard/addcard/internal/outbox/sqlstore"
	"github.com/addcard/addcard/internal/sqldb"
)

// importedFields are the columns of an imported account, without its progress.
func importedFields(a *member.Imported) sqldb.Fields {
	return sqldb.Fields{
		sqldb.Col("account_id", &a.ID), sqldb.Col("import_id", &a.ImportID), sqldb.Col("card_id", &a.CardID),
		sqldb.Col("code", &a.Code), sqldb.Col("phone", &a.Phone), sqldb.Col("unionid", &a.UnionID), sqldb.Col("openid", &a.OpenID),
		sqldb.Col("membership_number", &a.MembershipNumber),
		sqldb.Col("custom_field1", &a.Fields[0]), sqldb.Col("custom_field2", &a.Fields[1]), sqldb.Col("custom_field3", &a.Fields[2]),
		sqldb.Col("bonus", &a.Bonus), sqldb.Col("balance", &a.Balance), sqldb.Col("sealed", &a.Sealed),
		sqldb.Col("member_id", &a.MemberID), sqldb.Col("bound_at", (*sqldb.Time)(&a.BoundAt)),
	}
}

func allImportedFields(a *member.Imported) sqldb.Fields {
	return append(importedFields(a),
		sqldb.Col("joined_code", &a.JoinedCode), sqldb.Col("joined_at", (*sqldb.Time)(&a.JoinedAt)),
		sqldb.Col("created_at", (*sqldb.Time)(&a.CreatedAt)))
}

func scanImported(scan sqldb.Scan) (a member.Imported, err error) {
	err = scan(allImportedFields(&a).Pointers()...)
	return a, err
}

var (
	importedColumns   = importedFields(&member.Imported{}).Columns()
	selectImportedSQL = `select ` + allImportedFields(&member.Imported{}).Columns().List("") + ` from imported `

	// Each part has an index of its own.
	importedBySQL = selectImportedSQL + `where account_id in (
		select account_id from imported where code = $1 and card_id = $2 and code <> ''
		union select account_id from imported where unionid = $3 and unionid <> ''
		union select account_id from imported where openid = $4 and openid <> ''
		union select account_id from imported where phone = $5 and phone <> '')
	order by card_id, account_id`
	boundToSQL    = selectImportedSQL + `where member_id = $1 and member_id <> '' and joined_code = '' order by card_id, account_id`
	allBoundToSQL = selectImportedSQL + `where member_id = $1 and member_id <> '' order by created_at, account_id`
	waitingSQL    = selectImportedSQL + `where member_id = '' and account_id in (
		select account_id from imported where account_id = $1
		union select account_id from imported where code = $1 and code <> ''
		union select account_id from imported where unionid = $1 and unionid <> ''
		union select account_id from imported where openid = $1 and openid <> ''
		union select account_id from imported where membership_number = $1 and membership_number <> ''
		union select account_id from imported where phone = $2 and phone <> '')
	order by created_at, account_id limit $3`
)

// AllBoundTo implements member.ImportedReader.
func (tx Tx) AllBoundTo(ctx context.Context, memberID string) ([]member.Imported, error) {
	return sqldb.All(ctx, tx, "list the imported accounts of a member", scanImported, allBoundToSQL, memberID)
}

// ImportedBy implements member.ImportedReader.
func (tx Tx) ImportedBy(ctx context.Context, m member.Marks) ([]member.Imported, error) {
	return byPhones(m.Phones, func(phone string) ([]member.Imported, error) {
		return sqldb.All(ctx, tx, "look for imported accounts", scanImported, importedBySQL, m.Code, m.CardID, m.UnionID, m.OpenID, phone)
	})
}

// Waiting implements member.ImportedReader.
func (tx Tx) Waiting(ctx context.Context, key string, phones []string, n int) ([]member.Imported, error) {
	found, err := byPhones(phones, func(phone string) ([]member.Imported, error) {
		return sqldb.All(ctx, tx, "look for imported accounts", scanImported, waitingSQL, key, phone, n)
	})
	return found[:min(n, len(found))], err
}

// byPhones returns the accounts that list finds with one of the hashes of a phone number,
// or without any. More than one costs a query each.
func byPhones(hashes []string, list func(hash string) ([]member.Imported, error)) (found []member.Imported, err error) {
	if len(hashes) == 0 {
		hashes = []string{""}
	}
	for _, hash := range hashes {
		some, err := list(hash)
		if err != nil {
			return nil, err
		}
		found = slices.Concat(found, slices.DeleteFunc(some, func(a member.Imported) bool {
			return slices.ContainsFunc(found, func(b member.Imported) bool { return a.ID == b.ID })
		}))
	}
	return found, nil
}

// BoundTo implements member.ImportedReader.
func (tx Tx) BoundTo(ctx context.Context, memberID string) ([]member.Imported, error) {
	return sqldb.All(ctx, tx, "list the imported accounts of a member", scanImported, boundToSQL, memberID)
}

const hasJoinedSQL = `select count(*) from (
	select 1 from imported where joined_code = $2 and card_id = $1 and joined_code <> '' limit 1) as found`

// HasJoined implements member.ImportedReader.
func (tx Tx) HasJoined(ctx context.Context, cardID, code string) (bool, error) {
	return tx.Any(ctx, "look for an imported account of a card", hasJoinedSQL, cardID, code)
}

var addImportedSQL = `insert into imported (` + importedColumns.List("") + `, created_at)
	values (` + importedColumns.Values(1) + `, now_ms()) on conflict do nothing returning created_at`

// AddImported implements member.ImportedTx.
func (tx Tx) AddImported(ctx context.Context, a member.Imported) (bool, error) {
	var at time.Time
	added, err := sqldb.All(ctx, tx, "add an imported account", func(scan sqldb.Scan) (bool, error) {
		return true, scan((*sqldb.Time)(&at))
	}, addImportedSQL, importedFields(&a).Pointers()...)
	if err != nil || len(added) == 0 || a.Bonus == 0 && a.Balance == 0 {
		return len(added) > 0, err
	}
	opening := ledger.Entry{
		ID: outboxsql.NewID(), Seq: 1, CreatedAt: at, Booking: member.OpeningOf(a.Bonus, a.Balance), Bonus: a.Bonus, Balance: a.Balance,
	}
	return true, tx.addLoose(ctx, a, opening)
}

// addLoose adds an entry to the ledger of an account that no card has.
func (tx Tx) addLoose(ctx context.Context, a member.Imported, e ledger.Entry) error {
	_, err := tx.AddEntry(ctx, ledger.Posting{Entry: e, CardID: a.CardID, Ledger: a.ID}, ledger.Request{Route: ledger.RouteImport}, nil)
	return err
}

const bindImportedSQL = `update imported set member_id = $2, bound_at = now_ms() where account_id = $1 and member_id = ''`

// BindImported implements member.ImportedTx.
func (tx Tx) BindImported(ctx context.Context, id, memberID string) (bool, error) {
	return tx.Change(ctx, "bind an imported account", bindImportedSQL, id, memberID)
}

const (
	joinImportedSQL = `update imported set joined_code = $2, joined_at = now_ms() where account_id = $1 returning joined_at`
	takeLedgerSQL   = `update member_card set ledger = $3, seq = 1, bonus = $4, balance = $5, told = 0
	where card_id = $1 and code = $2 and seq = 0`
)

// JoinImported implements member.ImportedTx.
func (tx Tx) JoinImported(ctx context.Context, a member.Imported, code string, take bool) error {
	const what = "join an imported account"
	var at time.Time
	if err := tx.QueryRow(ctx, joinImportedSQL, a.ID, code).Scan((*sqldb.Time)(&at)); err != nil {
		return sqldb.One(what, err, member.ErrNotFound)
	}
	switch {
	case a.Bonus == 0 && a.Balance == 0:
		return nil
	case take:
		taken, err := tx.Change(ctx, what, takeLedgerSQL, a.CardID, code, a.ID, a.Bonus, a.Balance)
		if err == nil && !taken {
			err = ledger.ErrConflict
		}
		return err
	}
	b := ledger.Booking{AddBonus: -a.Bonus, AddBalance: -a.Balance}
	return tx.addLoose(ctx, a, ledger.Entry{ID: outboxsql.NewID(), Seq: 2, CreatedAt: at, Booking: b})
}

const eraseImportedSQL = clearImportedSQL + `, member_id = $2, bound_at = now_ms() where account_id = $1 and member_id = ''`

// EraseImported implements member.ImportedTx.
func (tx Tx) EraseImported(ctx context.Context, id, anonymousID string) error {
	const what = "erase an imported account"
	erased, err := tx.Change(ctx, what, eraseImportedSQL, id, anonymousID)
	if err == nil && !erased {
		err = member.ErrNotFound
	}
	if err != nil {
		return err
	}
	return tx.Run(ctx, what, addAnonymousSQL, anonymousID)
}
