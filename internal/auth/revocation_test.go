package auth_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/addcard/addcard/internal/auth"
	"github.com/addcard/addcard/internal/auth/sqlstore"
	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/sqldb/sqldbtest"
)

// The same database through two handles, like two processes, in real time. It
// does not run in parallel with the tests that use all processors.
func TestLogout_ReachesASecondReplicaWithinASecond(t *testing.T) {
	url := "sqlite:" + filepath.Join(t.TempDir(), "addcard.db")
	here := running(t, setup{store: sqlstore.New(sqldbtest.Open(t, url))})
	there := running(t, setup{store: sqlstore.New(sqldbtest.Open(t, url))})
	for range 3 {
		token, session := login(t, here)
		wantValid(t, there, token)
		logout(t, here, session)
		wantInvalid(t, here, token)
		start := time.Now()
		for tick := time.NewTicker(5 * time.Millisecond); ; <-tick.C {
			if _, err := there.Verify(token); errors.Is(err, auth.ErrSession) {
				break
			}
			if time.Since(start) > time.Second {
				t.Fatal("still live after 1 s")
			}
		}
	}
}

func TestLogout_ReachesEveryReplicaWithinHalfASecondOfVirtualTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := sqlstore.New(sqldbtest.New(t))
		var replicas []*auth.Service
		for range 5 {
			replicas = append(replicas, running(t, setup{store: store}))
			time.Sleep(70 * time.Millisecond) // out of step
		}
		for i, s := range replicas {
			token, session := login(t, s)
			keep, _ := login(t, s)
			for _, other := range replicas {
				wantValid(t, other, token)
			}
			time.Sleep(time.Duration(i) * 110 * time.Millisecond)
			logout(t, s, session)
			wantInvalid(t, s, token)
			time.Sleep(500 * time.Millisecond)
			synctest.Wait()
			for _, other := range replicas {
				wantInvalid(t, other, token)
				wantValid(t, other, keep)
			}
		}
	})
}

func TestLogout_HoldsAfterARestart(t *testing.T) {
	t.Parallel()
	url := "sqlite:" + filepath.Join(t.TempDir(), "addcard.db")
	db, err := sqldb.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	s := open(t, setup{store: sqlstore.New(db)})
	dead, session := login(t, s)
	live, _ := login(t, s)
	logout(t, s, session)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, setup{store: sqlstore.New(sqldbtest.Open(t, url))})
	wantInvalid(t, s, dead)
	wantValid(t, s, live)
}

// There are more logouts than one page of the store.
func TestOpen_ReadsEveryLogout(t *testing.T) {
	t.Parallel()
	store := sqlstore.New(sqldbtest.New(t))
	s := open(t, setup{store: store})
	tokens := make([]string, 1100)
	slots := make(chan struct{}, 64) // no more logins at once than are admitted
	var wg sync.WaitGroup
	for i := range tokens {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			token, session := login(t, s)
			logout(t, s, session)
			tokens[i] = token
		})
	}
	wg.Wait()
	s = open(t, setup{store: store})
	for _, token := range tokens {
		wantInvalid(t, s, token)
	}
}

func TestLogout_TwiceDoesNoHarm(t *testing.T) {
	t.Parallel()
	s := open(t, setup{})
	token, session := login(t, s)
	logout(t, s, session)
	logout(t, s, session)
	wantInvalid(t, s, token)
}

// outage is a store that can fail or hang.
type outage struct {
	auth.Store
	down, hangs atomic.Bool
}

var errDown = errors.New("connection refused")

func (o *outage) fail(ctx context.Context) error {
	if o.hangs.Load() {
		<-ctx.Done()
		return ctx.Err()
	}
	if o.down.Load() {
		return errDown
	}
	return nil
}

func (o *outage) Revoke(ctx context.Context, jti string, expiresAt time.Time) error {
	if err := o.fail(ctx); err != nil {
		return err
	}
	return o.Store.Revoke(ctx, jti, expiresAt)
}

func (o *outage) Since(ctx context.Context, seq int64) ([]auth.Revoked, error) {
	if err := o.fail(ctx); err != nil {
		return nil, err
	}
	return o.Store.Since(ctx, seq)
}

func (o *outage) Purge(ctx context.Context, keep time.Duration) error {
	if err := o.fail(ctx); err != nil {
		return err
	}
	return o.Store.Purge(ctx, keep)
}

func TestRun_GoesOnThroughAnOutageAndCatchesUp(t *testing.T) {
	t.Parallel()
	for name, set := range map[string]func(*outage, bool){
		"refused": func(o *outage, on bool) { o.down.Store(on) },
		"hanging": func(o *outage, on bool) { o.hangs.Store(on) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				store := sqlstore.New(sqldbtest.New(t))
				cut := &outage{Store: store}
				var log bytes.Buffer
				here := running(t, setup{store: store})
				there := running(t, setup{store: cut, opts: auth.Options{Log: slog.New(slog.NewTextHandler(&log, nil))}})
				early, earlier := login(t, here)
				logout(t, here, earlier)
				time.Sleep(time.Second)
				synctest.Wait()
				set(cut, true)
				time.Sleep(10 * time.Second)
				token, session := login(t, here)
				logout(t, here, session)
				time.Sleep(3 * time.Minute)
				keep, _ := login(t, here)
				wantInvalid(t, there, early)
				wantValid(t, there, token) // not read here yet; the log says that the store does not answer
				wantValid(t, there, keep)
				set(cut, false)
				time.Sleep(time.Minute)
				synctest.Wait()
				wantInvalid(t, there, token)
				wantValid(t, there, keep)
				for word, want := range map[string]int{"does not answer": 2, "answers again": 2} { // one of polls, one of purges
					if got := strings.Count(log.String(), word); got != want {
						t.Errorf("the log says %d times %q, want %d:\n%s", got, word, want, &log)
					}
				}
			})
		})
	}
}

func TestRun_SeesALogoutWithinASecondOfTheEndOfAnOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := sqlstore.New(sqldbtest.New(t))
		cut := &outage{Store: store}
		here, there := running(t, setup{store: store}), running(t, setup{store: cut})
		cut.down.Store(true)
		token, session := login(t, here)
		logout(t, here, session)
		time.Sleep(time.Minute)
		wantValid(t, there, token)
		cut.down.Store(false)
		time.Sleep(500 * time.Millisecond)
		synctest.Wait()
		wantInvalid(t, there, token)
	})
}

func TestLogout_ThatIsNotDurableIsAnError(t *testing.T) {
	t.Parallel()
	cut := &outage{Store: sqlstore.New(sqldbtest.New(t))}
	s := open(t, setup{store: cut})
	token, session := login(t, s)
	cut.down.Store(true)
	if err := s.Logout(t.Context(), session); !errors.Is(err, errDown) {
		t.Errorf("got %v, want %v", err, errDown)
	}
	wantValid(t, s, token) // as after a restart
	cut.down.Store(false)
	logout(t, s, session)
	wantInvalid(t, s, token)
}

func TestOpen_WithoutTheStoreIsAnError(t *testing.T) {
	t.Parallel()
	cut := &outage{Store: sqlstore.New(sqldbtest.New(t))}
	cut.down.Store(true)
	s, err := auth.Open(t.Context(), keys(t, entry("k1", key1)), auth.Ports{Store: cut}, auth.Options{})
	if s != nil || !errors.Is(err, errDown) {
		t.Errorf("got %v, %v, want %v", s, err, errDown)
	}
}

// timeless is a store whose clock cannot be read for a while.
type timeless struct {
	auth.Store
	down atomic.Bool
}

func (s *timeless) Now(ctx context.Context) (now, notBefore time.Time, err error) {
	if s.down.Load() {
		return time.Time{}, time.Time{}, errDown
	}
	return s.Store.Now(ctx)
}

// Without the store's clock the time goes on from when it was read last.
func TestRun_SessionsExpireWithoutTheClockOfTheStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &timeless{Store: sqlstore.New(sqldbtest.New(t))}
		s := running(t, setup{store: store})
		synctest.Wait()
		store.down.Store(true)
		ports := auth.Ports{Store: store}
		if _, err := auth.Open(t.Context(), keys(t, entry("k1", key1)), ports, auth.Options{}); !errors.Is(err, errDown) {
			t.Errorf("a service that has not seen the clock: got %v, want %v", err, errDown)
		}
		time.Sleep(time.Minute)
		token, session := login(t, s)
		if got := time.Since(session.IssuedAt); got.Abs() > time.Second {
			t.Errorf("issued %v ago", got)
		}
		time.Sleep(2*time.Hour + 29*time.Second)
		wantValid(t, s, token)
		time.Sleep(2 * time.Second)
		wantInvalid(t, s, token)
	})
}

func TestRun_KeepsALogoutAsLongAsItsTokenAndThenDropsIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := sqldbtest.New(t)
		store := sqlstore.New(db)
		s := running(t, setup{store: store})
		time.Sleep(40 * time.Second) // so that a purge runs during the leeway
		token, session := login(t, s)
		logout(t, s, session)
		other, _ := login(t, s)
		time.Sleep(2*time.Hour + 29*time.Second) // in the leeway
		wantValid(t, s, other)
		for name, s := range map[string]*auth.Service{"runs": s, "restarted": open(t, setup{store: store})} {
			if _, err := s.Verify(token); !errors.Is(err, auth.ErrSession) || !strings.Contains(err.Error(), "logged out") {
				t.Errorf("%s: got %v, want a logout", name, err)
			}
		}
		sqldbtest.Exec(t, db, "update revoked_session set expires_at = expires_at - $1", (46 * time.Hour).Milliseconds())
		time.Sleep(time.Minute) // 48 h after the expiry less a bit more than a minute
		synctest.Wait()
		var rows int
		if err := db.Read().QueryRow(t.Context(), "select count(*) from revoked_session").Scan(&rows); rows != 1 || err != nil {
			t.Errorf("got %d rows, %v, want the logout", rows, err)
		}
		sqldbtest.Exec(t, db, "update revoked_session set expires_at = expires_at - $1", (2 * time.Hour).Milliseconds())
		time.Sleep(time.Minute)
		synctest.Wait()
		if err := db.Read().QueryRow(t.Context(), "select count(*) from revoked_session").Scan(&rows); rows != 0 || err != nil {
			t.Errorf("got %d rows, %v, want none", rows, err)
		}
	})
}

// Old logouts are also removed from memory. Their tokens stay invalid even if the
// clock goes back then.
func TestRun_ForgetsOldLogouts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var c clock
		c.Set(time.Now())
		s := running(t, setup{opts: auth.Options{Now: c.Now}})
		token, session := login(t, s)
		logout(t, s, session)
		for after, want := range []int{1: 1, 2: 1, 3: 0} {
			c.Set(session.ExpiresAt.Add(time.Duration(after-2)*time.Hour + time.Second))
			time.Sleep(time.Minute)
			synctest.Wait()
			if got := s.Remembered(); got != want && after > 0 {
				t.Errorf("%d h after the expiry: %d logouts are remembered, want %d", after-2, got, want)
			}
		}
		c.Set(session.IssuedAt)
		wantInvalid(t, s, token)
	})
}

// The end of a member's sessions reaches every replica as a logout does, and concerns
// no other member.
func TestVerify_RefusesEverySessionOfAMemberThatWasEnded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := sqlstore.New(sqldbtest.New(t))
		here, there := running(t, setup{store: store}), running(t, setup{store: store})
		one := &wechat{answer: func(context.Context, string) (string, string, error) { return "one", "", nil }}
		var tokens []string
		for _, s := range []*auth.Service{here, open(t, setup{store: store, wechat: one}), open(t, setup{store: store, wechat: one})} {
			token, _ := login(t, s)
			tokens = append(tokens, token)
		}
		if err := store.Revoke(t.Context(), memberOf("one"), time.Now().Add(2*time.Hour)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		for _, s := range []*auth.Service{here, there, open(t, setup{store: store})} {
			wantValid(t, s, tokens[0]) // another member's
			wantInvalid(t, s, tokens[1])
			wantInvalid(t, s, tokens[2])
		}
	})
}
