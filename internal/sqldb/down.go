package sqldb

import (
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	sqlitedriver "modernc.org/sqlite"
	sqlitelib "modernc.org/sqlite/lib"
)

// Down reports whether err means that the database cannot be reached, accepts
// no connections, or cannot write because its disk is full or fails: the same
// operation may succeed later.
func Down(err error) bool {
	var failed *sqlitedriver.Error
	if errors.As(err, &failed) {
		return diskFailed(failed.Code())
	}
	var connect *pgconn.ConnectError
	var network net.Error
	if errors.As(err, &connect) || errors.As(err, &network) || errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone) ||
		errors.Is(err, io.ErrUnexpectedEOF) {
		return true
	}
	var refused *pgconn.PgError
	if !errors.As(err, &refused) {
		return false
	}
	return strings.HasPrefix(refused.Code, "08") || strings.HasPrefix(refused.Code, "53") || strings.HasPrefix(refused.Code, "57P") ||
		strings.HasPrefix(refused.Code, "58") || // disk errors
		refused.Code == "57014" // statement_timeout
}

// diskFailed reports whether an error code of SQLite is about the file and not
// about the statement: the file is locked, full, or failing.
func diskFailed(code int) bool {
	switch code & 0xff { // the other bits say where it failed
	case sqlitelib.SQLITE_BUSY, sqlitelib.SQLITE_IOERR, sqlitelib.SQLITE_FULL, sqlitelib.SQLITE_CANTOPEN:
		return true
	}
	return false
}
