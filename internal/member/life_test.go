package member_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"addcard/internal/member"
)

// wallets is WeChat: the outside, so a fake. It says where each code is in the
// end, and remembers what was activated.
type wallets struct {
	mu        sync.Mutex
	status    map[string]string // by code
	activated map[string]int
	fail      func(code string) error
}

func newWallets() *wallets { return &wallets{status: map[string]string{}, activated: map[string]int{}} }

func (w *wallets) Activate(_ context.Context, _, code, _ string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fail != nil {
		if err := w.fail(code); err != nil {
			return err
		}
	}
	w.activated[code]++
	return nil
}

func (w *wallets) Face(_ context.Context, _, code string) (member.Face, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f := member.Face{Active: w.activated[code] > 0, Status: w.status[code]}
	if f.Status == "" {
		f.Status = "NORMAL"
	}
	if f.Active {
		f.MembershipNumber = code
	}
	return f, nil
}

// drain sends until nothing waits.
func drain(t testing.TB, s *member.Service, w member.WeChat) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	sender := s.NewSender(w, slog.New(slog.DiscardHandler), func(string, string) {})
	done := make(chan struct{})
	go func() { sender.Run(ctx); close(done) }()
	deadline := time.Now().Add(20 * time.Second)
	for {
		b, err := s.Backlog(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if b.Waiting == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the outbox does not drain: %+v", b)
		}
		<-time.After(time.Millisecond)
	}
	cancel()
	<-done
}

// story is what happened; its steps become known in any order. An early step
// comes before all others, as a login comes before its card is asked for.
type story struct {
	early []step
	steps []step
	// wallet is where the codes are in the end.
	wallet map[string]string
	want   string
}

type step func(ctx context.Context, s *member.Service, p string) error

var begin = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)

func at(second int) time.Time { return begin.Add(time.Duration(second) * time.Second) }

// p keeps the runs of one database apart: it is put before every name.
func login(openID, union string) step {
	return func(ctx context.Context, s *member.Service, p string) error {
		if union != "" {
			union = strings.TrimPrefix(union, p)
			_, err := s.Enroll(ctx, mini, p+openID, p+union)
			return err
		}
		_, err := s.Enroll(ctx, mini, p+openID, "")
		return err
	}
}

// codes are issued at random, so a story names them and this remembers.
type book struct {
	mu    sync.Mutex
	codes map[string]string
}

var issued = book{codes: map[string]string{}}

func (b *book) real(p, name string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if code, ok := b.codes[p+name]; ok {
		return code
	}
	return p + name
}

func issue(openID, cardID, name string) step {
	return func(ctx context.Context, s *member.Service, p string) error {
		id, err := s.Enroll(ctx, mini, p+openID, "")
		if err != nil {
			return err
		}
		codes, err := s.Codes(ctx, id, []string{cardID})
		if err == nil {
			issued.mu.Lock()
			issued.codes[p+name] = codes[0].Code
			issued.mu.Unlock()
		}
		return err
	}
}

func claim(openID, cardID, name string) step {
	return func(ctx context.Context, s *member.Service, p string) error {
		id, err := s.Enroll(ctx, mini, p+openID, "")
		if err != nil {
			return err
		}
		_, err = s.Claim(ctx, id, []member.Claim{{CardID: cardID, Code: issued.real(p, name), Plan: member.PlanPush}})
		if errors.Is(err, member.ErrNotYours) {
			err = nil // it is in another's wallet by now
		}
		return err
	}
}

type ev struct {
	name, openID, union, cardID, code string
	second                            int
	outer, oldCode, friend            string
	restored                          bool
}

func event(e ev) step {
	return func(ctx context.Context, s *member.Service, p string) error {
		prefixed := func(v string) string {
			if v == "" {
				return ""
			}
			return p + v
		}
		old := ""
		if e.oldCode != "" {
			old = issued.real(p, e.oldCode)
		}
		return s.Receive(ctx, member.Event{
			DedupeKey: fmt.Sprintf("%s%+v", p, e), Name: e.name, CardID: e.cardID, Code: issued.real(p, e.code),
			OpenID: prefixed(e.openID), UnionID: prefixed(e.union), At: at(e.second), OuterStr: e.outer,
			Restored: e.restored, OldCode: old, FriendOpenID: prefixed(e.friend),
		})
	}
}

const (
	taken     = "user_get_card"
	dropped   = "user_del_card"
	submitted = "submit_membercard_user_info"
	gifting   = "user_gifting_card"
)

var stories = map[string]story{
	"taken through the mini-program": {
		early: []step{login("ming", ""), issue("ming", "k1", "c1")},
		steps: []step{
			claim("ming", "k1", "c1"),
			event(ev{name: taken, openID: "O1", cardID: "k1", code: "c1", second: 1, outer: "home"}),
			event(ev{name: "user_view_card", openID: "O1", cardID: "k1", code: "c1", second: 2}),
		},
		want: "k1/c1 active home of mini:ming official:O1\nmembers: mini:ming official:O1",
	},
	"deleted": {
		early: []step{login("ming", ""), issue("ming", "k1", "c1")},
		steps: []step{
			claim("ming", "k1", "c1"),
			event(ev{name: taken, openID: "O1", cardID: "k1", code: "c1", second: 1, outer: "home"}),
			event(ev{name: dropped, openID: "O1", cardID: "k1", code: "c1", second: 5}),
		},
		wallet: map[string]string{"c1": "DELETE"},
		want:   "k1/c1 deleted home of mini:ming official:O1\nmembers: mini:ming official:O1",
	},
	"taken and deleted in one second": {
		early: []step{login("ming", ""), issue("ming", "k1", "c1")},
		steps: []step{
			event(ev{name: taken, openID: "O1", cardID: "k1", code: "c1", second: 5}),
			event(ev{name: dropped, openID: "O1", cardID: "k1", code: "c1", second: 5}),
		},
		wallet: map[string]string{"c1": "DELETE"},
		want:   "k1/c1 deleted  of mini:ming official:O1\nmembers: mini:ming official:O1",
	},
	"deleted and restored in one second": {
		early: []step{login("ming", ""), issue("ming", "k1", "c1")},
		steps: []step{
			claim("ming", "k1", "c1"),
			event(ev{name: taken, openID: "O1", cardID: "k1", code: "c1", second: 1, outer: "home"}),
			event(ev{name: dropped, openID: "O1", cardID: "k1", code: "c1", second: 5}),
			event(ev{name: taken, openID: "O1", cardID: "k1", code: "c1", second: 5, restored: true}),
		},
		want: "k1/c1 active home of mini:ming official:O1\nmembers: mini:ming official:O1",
	},
	"met in the shop, joined by unionid": {
		steps: []step{
			event(ev{name: taken, openID: "O1", union: "u1", cardID: "k2", code: "sys1", second: 1, outer: "qr"}),
			login("ming", "u1"),
			event(ev{name: submitted, openID: "O1", union: "u1", cardID: "k2", code: "sys1", second: 2}),
		},
		want: "k2/sys1 active qr of mini:ming official:O1\nmembers: mini:ming official:O1",
	},
	"met in the shop, joined by a code": {
		early: []step{login("ming", ""), issue("ming", "k1", "c1")},
		steps: []step{
			event(ev{name: taken, openID: "O1", cardID: "k2", code: "sys1", second: 1}),
			event(ev{name: taken, openID: "O1", cardID: "k1", code: "c1", second: 2}),
			claim("ming", "k1", "c1"),
		},
		want: "k1/c1 active  of mini:ming official:O1\nk2/sys1 active  of mini:ming official:O1\nmembers: mini:ming official:O1",
	},
	"a forwarded cardExt": {
		early: []step{login("ming", "u1"), login("hong", "u2"), issue("ming", "k1", "c1")},
		steps: []step{
			event(ev{name: taken, openID: "O2", union: "u2", cardID: "k1", code: "c1", second: 1}),
			event(ev{name: taken, openID: "O1", union: "u1", cardID: "k2", code: "sys1", second: 2}),
			claim("ming", "k1", "c1"),
		},
		want: "k1/c1 active  of mini:hong official:O2\nk2/sys1 active  of mini:ming official:O1\nmembers: mini:hong official:O2, mini:ming official:O1",
	},
	"given to a friend": {
		early: []step{login("ming", ""), issue("ming", "k1", "c1")},
		steps: []step{
			event(ev{name: taken, openID: "O1", cardID: "k1", code: "c1", second: 1, outer: "home"}),
			event(ev{name: gifting, openID: "O1", cardID: "k1", code: "c1", second: 3, friend: "O2"}),
			event(ev{name: taken, openID: "O2", cardID: "k1", code: "g1", second: 4, oldCode: "c1", friend: "O1"}),
		},
		want: "k1/c1 gifted home of mini:ming official:O1\nk1/g1 active  of official:O2\nmembers: mini:ming official:O1, official:O2",
	},
	"given to a friend who deletes it": {
		steps: []step{
			event(ev{name: taken, openID: "O1", cardID: "k1", code: "s1", second: 1}),
			event(ev{name: taken, openID: "O2", cardID: "k1", code: "g1", second: 4, oldCode: "s1", friend: "O1"}),
			event(ev{name: dropped, openID: "O2", cardID: "k1", code: "g1", second: 9}),
		},
		wallet: map[string]string{"g1": "DELETE"},
		want:   "k1/g1 deleted  of official:O2\nk1/s1 gifted  of official:O1\nmembers: official:O1, official:O2",
	},
	"two people, the same second": {
		steps: []step{
			event(ev{name: taken, openID: "O1", cardID: "k1", code: "s1", second: 1}),
			event(ev{name: taken, openID: "O1", cardID: "k2", code: "s2", second: 1}),
			event(ev{name: taken, openID: "O2", cardID: "k1", code: "s3", second: 1}),
		},
		want: "k1/s1 active  of official:O1\nk1/s3 active  of official:O2\nk2/s2 active  of official:O1\nmembers: official:O1, official:O2",
	},
}

// Whatever the order in which claims and events become known, and however
// often, the wallets end the same, and so do the members.
func TestLife_any_order_with_duplicates_ends_the_same(t *testing.T) {
	t.Parallel()
	for name, st := range stories {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, db := newService(t)
			store := storeOf(db)
			run := 0
			rapid.Check(t, func(rt *rapid.T) {
				run++
				p := fmt.Sprintf("%s %d ", name, run)
				steps := slices.Clone(st.steps)
				for range rapid.IntRange(0, 4).Draw(rt, "duplicates") {
					steps = append(steps, st.steps[rapid.IntRange(0, len(st.steps)-1).Draw(rt, "which")])
				}
				steps = rapid.Permutation(steps).Draw(rt, "order")
				w := newWallets()
				interleaved := rapid.Bool().Draw(rt, "send in between")
				for i, do := range append(slices.Clone(st.early), steps...) {
					if err := do(t.Context(), s, p); err != nil {
						rt.Fatalf("step %d: %v", i, err)
					}
					for code, status := range st.wallet {
						w.status[issued.real(p, code)] = status
					}
					if interleaved && len(st.wallet) == 0 {
						drain(t, s, w)
					}
				}
				drain(t, s, w)
				if got := picture(t, store, p); got != st.want {
					rt.Fatalf("got\n%s\nwant\n%s", got, st.want)
				}
				for code, n := range w.activated {
					if n > 1 {
						rt.Fatalf("%s was activated %d times", code, n)
					}
				}
			})
		})
	}
}
