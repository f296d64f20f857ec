//go:build linux

package crash

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"syscall"
	"testing"

	"github.com/addcard/addcard/internal/testing/server"
)

// A replica is paused while WeChat handles its push. When its lease has
// expired, another replica repeats the push and sends the next one. Then the
// first push takes effect and overwrites the newer total with an older one. The
// paused replica notices that when it continues, and has the face corrected.
func TestPaused_PastItsLeaseWithAPushOnTheWay(t *testing.T) {
	t.Parallel()
	for database := range databases {
		t.Run(database, func(t *testing.T) {
			t.Parallel()
			s := open(t, database, "", seed(t), 2, 1)
			late := s.delayFirst("/card/membercard/updateuser")
			c := s.cards[0]
			s.book(0, c, "first", 30)
			victim := <-late.sender
			s.must(s.replicas[victim].Load().Signal(syscall.SIGSTOP))
			s.book(1-victim, c, "second", 12)
			s.eventually("the other replica takes over", func() bool { return s.face(c).Bonus == 42 })

			late.arrive()
			if got := s.face(c); got.Bonus != 30 {
				t.Fatalf("the face shows %d after the late push: this proves nothing", got.Bonus)
			}
			s.must(s.replicas[victim].Load().Signal(syscall.SIGCONT))
			s.eventually("the face is right", func() bool { return s.face(c).Bonus == 42 })
			s.eventually("the outbox is empty", func() bool { return len(s.outbox()) == 0 })
			s.runCheck()
		})
	}
}

func (s *deployment) book(replica int, c *card, key string, bonus int) {
	s.t.Helper()
	url := s.replicas[replica].Load().Admin + s.entriesPath(c)
	got, err := s.do(http.MethodPost, url, server.AdminToken, key, fmt.Appendf(nil, `{"add_bonus":%d}`, bonus))
	if err != nil || got.status != http.StatusCreated {
		s.t.Fatalf("%s: %d %s %v", key, got.status, got.body, err)
	}
}

// delayedCall is the first call of a path by any replica, which is held back on
// its way to WeChat.
type delayedCall struct {
	sender chan int // receives the number of the replica, once
	arrive func()   // delivers the call and returns when it has taken effect
}

// delayFirst restarts all replicas, each with its own URL of WeChat, and holds
// back the first call of path.
func (s *deployment) delayFirst(path string) delayedCall {
	s.t.Helper()
	target, err := url.Parse(s.wechat)
	s.must(err)
	wechat := httputil.NewSingleHostReverseProxy(target)
	var first sync.Once
	l, release, arrived := delayedCall{sender: make(chan int, 1)}, make(chan struct{}), make(chan struct{})
	l.arrive = sync.OnceFunc(func() { close(release); <-arrived })
	env := s.env
	for i := range s.replicas {
		front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mine := false
			if r.URL.Path == path {
				first.Do(func() { mine = true })
			}
			if !mine {
				wechat.ServeHTTP(w, r)
				return
			}
			body, err := io.ReadAll(r.Body)
			if err != nil {
				s.t.Error(err)
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
			l.sender <- i
			<-release
			wechat.ServeHTTP(w, r.WithContext(context.WithoutCancel(r.Context())))
			close(arrived)
		}))
		s.t.Cleanup(front.Close)
		s.replicas[i].Load().Kill()
		s.env = append(env[:len(env):len(env)], "WECHAT_API_URL="+front.URL)
		s.start(i)
	}
	s.env = env
	return l
}
