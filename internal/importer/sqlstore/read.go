package sqlstore

import (
	"context"
	"strings"

	"github.com/addcard/addcard/internal/importer"
	"github.com/addcard/addcard/internal/sqldb"
)

var (
	importSQL  = `select ` + columns + ` from import where import_id = $1`
	importsSQL = `select ` + columns + ` from import order by created_at desc, import_id desc limit $1`
)

// Import implements importer.Store.
func (s *Store) Import(ctx context.Context, id string) (importer.Import, error) {
	i, err := scanImport(s.db.Read().QueryRow(ctx, importSQL, id).Scan)
	return i, sqldb.One("read an import", err, importer.ErrNotFound)
}

const namedSQL = `select import_id from import where name = $1 and card_id = $2 and dry_run = 0`

// Named implements importer.Store.
func (s *Store) Named(ctx context.Context, name, cardID string) (string, error) {
	ids, err := sqldb.All(ctx, s.db.Read(), "look for an import", sqldb.Text, namedSQL, name, cardID)
	return strings.Join(ids, ""), err
}

// Imports implements importer.Store.
func (s *Store) Imports(ctx context.Context, n int) ([]importer.Import, error) {
	return sqldb.All(ctx, s.db.Read(), "list imports", scanImport, importsSQL, n)
}

const linesSQL = selectLineSQL + `where import_id = $1 and (line, line_key) > ($2, $3) and ($4 = '' or outcome = $4)
	order by line, line_key limit $5`

// Lines implements importer.Store.
func (s *Store) Lines(ctx context.Context, importID, outcome string, after importer.Mark, n int) ([]importer.Result, error) {
	return sqldb.All(ctx, s.db.Read(), "list the lines of an import", scanLine, linesSQL, importID, after.Line, after.Key, outcome, n)
}
