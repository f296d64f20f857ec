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

// A replica is stopped while its push is on the way. Another takes the push
// over when the lease has ended, and sends the next one too. Then the first push
// arrives after all, and puts the older total over the newer. The replica that
// sent it finds out when it wakes, and has the face set right.
func TestPaused_past_its_lease_with_a_push_on_the_way(t *testing.T) {
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
				t.Fatalf("the late push shows %d: this proves nothing", got.Bonus)
			}
			s.must(s.replicas[victim].Load().Signal(syscall.SIGCONT))
			s.eventually("the face is right", func() bool { return s.face(c).Bonus == 42 })
			s.eventually("nothing waits", func() bool { return len(s.outbox()) == 0 })
			s.runCheck()
		})
	}
}

func (s *deployment) book(replica int, c *card, key string, bonus int) {
	s.t.Helper()
	got, err := s.do(http.MethodPost, s.replicas[replica].Load().Admin+s.entriesPath(c), server.AdminToken, key, fmt.Appendf(nil, `{"add_bonus":%d}`, bonus))
	if err != nil || got.status != http.StatusCreated {
		s.t.Fatalf("%s: %d %s %v", key, got.status, got.body, err)
	}
}

// late is the first call of a path that any replica makes: it stays on the way
// until it is let arrive.
type delayedCall struct {
	sender chan int // gets the replica, once
	arrive func()   // returns when it has had its effect
}

// delayFirst starts all replicas anew, each with a way to WeChat of its own.
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
