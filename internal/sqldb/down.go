package sqldb

import (
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	driver3 "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// Down tells whether err says that the database is away, takes nobody in, or
// cannot write for want of room or a sound disk: the same may work later.
func Down(err error) bool {
	var failed *driver3.Error
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
		strings.HasPrefix(refused.Code, "58") || // its disk
		refused.Code == "57014" // statement_timeout
}

// diskFailed tells whether a code of SQLite's is not about the statement but
// about the file: held by others, full, or failing.
func diskFailed(code int) bool {
	switch code & 0xff { // the rest says where it failed
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN:
		return true
	}
	return false
}
