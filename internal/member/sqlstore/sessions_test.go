package sqlstore_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/sqldb/sqldbtest"
)

// erased returns the member_id of a member who has been erased.
func erased(t *testing.T, s *member.Service, openID string) string {
	t.Helper()
	memberID, err := s.Enroll(t.Context(), mini, openID, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Erase(t.Context(), memberID); err != nil {
		t.Fatal(err)
	}
	return memberID
}

// A token that was issued at the moment of the erasure lives for two hours.
func TestErase_EndsSessionsForLongerThanATokenLives(t *testing.T) {
	t.Parallel()
	sqldbtest.Engines(t, func(t *testing.T, open func(t *testing.T) *sqldb.DB) {
		db := open(t)
		memberID := erased(t, newService(db), "o1")
		var left int64
		err := db.Read().QueryRow(t.Context(), "select expires_at - now_ms() from revoked_session where jti = $1", memberID).Scan(&left)
		if got := time.Duration(left) * time.Millisecond; got < 150*time.Minute || got > 4*time.Hour || err != nil {
			t.Errorf("refused for %v, %v", got, err)
		}
	})
}

// A replica asks for what has a higher number than it has read.
func TestErase_NumbersTheEndOfSessions(t *testing.T) {
	t.Parallel()
	sqldbtest.Engines(t, func(t *testing.T, open func(t *testing.T) *sqldb.DB) {
		db := open(t)
		s := newService(db)
		for want := 1; want <= 3; want++ {
			memberID := erased(t, s, "o"+strconv.Itoa(want))
			var seq int
			err := db.Read().QueryRow(t.Context(), "select seq from revoked_session where jti = $1", memberID).Scan(&seq)
			if seq != want || err != nil {
				t.Errorf("number %d, %v; want %d", seq, err, want)
			}
		}
	})
}
