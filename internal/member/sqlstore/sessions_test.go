package sqlstore_test

import (
	"testing"
	"time"

	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/sqldb/sqldbtest"
)

// A token that was issued at the moment of the erasure lives for two hours.
func TestErase_EndsSessionsForLongerThanATokenLives(t *testing.T) {
	t.Parallel()
	sqldbtest.Engines(t, func(t *testing.T, open func(t *testing.T) *sqldb.DB) {
		db := open(t)
		s := newService(db)
		memberID, err := s.Enroll(t.Context(), mini, "o1", "")
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Erase(t.Context(), memberID); err != nil {
			t.Fatal(err)
		}
		var left int64
		err = db.Read().QueryRow(t.Context(), "select expires_at - now_ms() from revoked_session where jti = $1", memberID).Scan(&left)
		if got := time.Duration(left) * time.Millisecond; got < 150*time.Minute || got > 4*time.Hour || err != nil {
			t.Errorf("refused for %v, %v", got, err)
		}
	})
}
