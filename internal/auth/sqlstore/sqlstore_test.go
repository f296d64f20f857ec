package sqlstore_test

import (
	"testing"

	"addcard/internal/auth"
	"addcard/internal/auth/authtest"
	"addcard/internal/auth/sqlstore"
	"addcard/internal/sqldb/sqldbtest"
)

func TestStore(t *testing.T) {
	t.Parallel()
	authtest.Run(t, func(t *testing.T) auth.Store { return sqlstore.New(sqldbtest.New(t)) })
}
