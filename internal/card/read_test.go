package card_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/addcard/addcard/internal/card"
	"github.com/addcard/addcard/internal/ration"
)

func by(t *testing.T, kind ration.Kind, key string) context.Context {
	return ration.WithClient(t.Context(), ration.Client{Kind: kind, Key: key})
}

// total returns how many reads the account had.
func (a *account) total() (n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, reads := range a.reads {
		n += reads
	}
	return n
}

// Symptom: 40 anonymous requests for invented cards used up the reads of the fleet,
// and members got 429 for real ones.
func TestGet_AnonymousClientsLeaveTheMembersTheirReads(t *testing.T) {
	bubble(t, func(t *testing.T, open func(*account) *card.Catalogue) {
		a := newAccount(good("c0"), good("c1"), good("c2"))
		fleet := []*card.Catalogue{open(a), open(a)}
		for i := range 400 { // one address, then many
			address := "192.0.2.1"
			if i >= 100 {
				address = fmt.Sprint("198.51.100.", i)
			}
			_, err := fleet[i%2].Get(by(t, ration.Anonymous, address), fmt.Sprint("invented", i))
			if i == 99 && a.total() != 3 {
				t.Errorf("one address caused %d reads, want 3", a.total())
			}
			if !errors.Is(err, card.ErrTooMany) && !errors.Is(err, card.ErrNotFound) {
				t.Fatal(err)
			}
		}
		if n := a.total(); n != 10 {
			t.Errorf("the anonymous caused %d reads, want 10", n)
		}
		for i := range 3 {
			if _, err := fleet[i%2].Get(by(t, ration.Member, "ming"), "c"+strconv.Itoa(i)); err != nil {
				t.Errorf("a member's read %d: %v", i, err)
			}
		}
	})
}

func TestGet_OneMemberLeavesTheOthersTheirReads(t *testing.T) {
	bubble(t, func(t *testing.T, open func(*account) *card.Catalogue) {
		a := newAccount(good("c0"))
		fleet := []*card.Catalogue{open(a), open(a), open(a)}
		for i := range 90 {
			_, _ = fleet[i%3].Get(by(t, ration.Member, "ming"), fmt.Sprint("invented", i))
		}
		if n := a.total(); n != 15 {
			t.Errorf("one member caused %d reads, want 15", n)
		}
		if _, err := fleet[0].Get(by(t, ration.Member, "hong"), "c0"); err != nil {
			t.Errorf("another member: %v", err)
		}
		if _, err := fleet[0].Get(by(t, ration.Anonymous, "192.0.2.1"), "invented"); !errors.Is(err, card.ErrNotFound) {
			t.Errorf("an anonymous client: %v", err)
		}
		for i := range 50 {
			if _, err := fleet[1].Get(by(t, ration.Operator, ""), fmt.Sprint("asked by the operator", i)); !errors.Is(err, card.ErrNotFound) {
				t.Fatalf("the operator: %v", err)
			}
		}
		time.Sleep(time.Minute)
		if _, err := fleet[2].Get(by(t, ration.Member, "ming"), "next minute"); !errors.Is(err, card.ErrNotFound) {
			t.Errorf("a minute later: %v", err)
		}
	})
}

// A member who joins the read of an anonymous client gets no refusal of his.
func TestGet_NoRefusalIsShared(t *testing.T) {
	bubble(t, func(t *testing.T, open func(*account) *card.Catalogue) {
		a := newAccount(good("c0"))
		cat := open(a)
		for i := range 3 {
			_, _ = cat.Get(by(t, ration.Anonymous, "192.0.2.1"), fmt.Sprint("invented", i))
		}
		a.change(func(a *account) { a.limitDelay = time.Second })
		refused := make(chan error, 1)
		go func() {
			_, err := cat.Get(by(t, ration.Anonymous, "192.0.2.1"), "c0")
			refused <- err
		}()
		synctest.Wait() // until the read has begun and looks at its limits
		if _, err := cat.Get(by(t, ration.Member, "ming"), "c0"); err != nil {
			t.Errorf("the member: %v", err)
		}
		if err := <-refused; !errors.Is(err, card.ErrTooMany) {
			t.Errorf("the anonymous client: %v, want ErrTooMany", err)
		}
	})
}

// Symptom: while WeChat hung, requests for unknown cards took all slots of the server.
func TestGet_BoundsTheCallersThatWaitForWeChat(t *testing.T) {
	bubble(t, func(t *testing.T, open func(*account) *card.Catalogue) {
		a := newAccount(good("c0"), good("known"))
		cat := open(a)
		if _, err := cat.Get(t.Context(), "known"); err != nil {
			t.Fatal(err)
		}
		a.change(func(a *account) { a.delay = 8 * time.Second })
		ctx, leave := context.WithCancel(t.Context())
		var returned atomic.Int32
		for range 2000 {
			go func() {
				_, _ = cat.Get(ctx, "c0")
				returned.Add(1)
			}()
		}
		synctest.Wait()
		if n := 2000 - returned.Load(); n == 0 || n > 200 {
			t.Errorf("%d of 2000 wait", n)
		}
		leave()
		synctest.Wait()
		if n := returned.Load(); n != 2000 {
			t.Errorf("%d of 2000 callers that left have returned", n)
		}
		start := time.Now()
		if _, err := cat.Get(t.Context(), "c0"); !errors.Is(err, ration.ErrBusy) || time.Since(start) != 0 {
			t.Errorf("got %v after %v, want ErrBusy at once", err, time.Since(start))
		}
		if _, err := cat.Get(t.Context(), "known"); err != nil {
			t.Errorf("a card of the catalogue: %v", err)
		}
		time.Sleep(10 * time.Second)
		if _, err := cat.Get(t.Context(), "c0"); err != nil {
			t.Errorf("afterwards: %v", err)
		}
	})
}

func TestGet_AnonymousClientsLeaveTheMembersPlaces(t *testing.T) {
	bubble(t, func(t *testing.T, open func(*account) *card.Catalogue) {
		a := newAccount(good("c0"))
		a.change(func(a *account) { a.delay = 8 * time.Second })
		cat := open(a)
		for i := range 500 {
			ctx := ration.WithClient(t.Context(), ration.Client{Kind: ration.Anonymous, Key: fmt.Sprint(i)})
			go func() { _, _ = cat.Get(ctx, "c0") }()
		}
		synctest.Wait()
		ctx := ration.WithClient(t.Context(), ration.Client{Kind: ration.Member, Key: "ming"})
		if _, err := cat.Get(ctx, "c0"); err != nil {
			t.Errorf("a member: %v", err)
		}
	})
}

// A limit that was reached holds for its minute and no longer.
func TestGet_ALimitEndsWithItsMinute(t *testing.T) {
	bubble(t, func(t *testing.T, open func(*account) *card.Catalogue) {
		c := open(newAccount(good("c0")))
		nextMinute := func() time.Duration { return time.Until(time.Now().Truncate(time.Minute).Add(time.Minute)) }
		time.Sleep(nextMinute() - 5*time.Second)
		for i := range 31 {
			_, err := c.Get(t.Context(), fmt.Sprint("invented", i))
			if limited := i == 30; errors.Is(err, card.ErrTooMany) != limited {
				t.Errorf("read %d: %v", i, err)
			}
		}
		time.Sleep(nextMinute())
		if _, err := c.Get(t.Context(), "c0"); err != nil {
			t.Errorf("in the next minute: %v", err)
		}
	})
}

// named is a Store that remembers for which names it counts.
type named struct {
	card.Store
	names map[string]bool
}

func (*named) Load(context.Context, string) (card.Card, time.Duration, error) {
	return card.Card{}, 0, card.ErrNotFound
}

func (n *named) Allow(_ context.Context, name string, _ int) (bool, error) {
	n.names[name] = true
	return false, nil
}

// Clients without number share 1024 rows, and 1024 of members.
func TestGet_CountsUnderFewNames(t *testing.T) {
	t.Parallel()
	for kind, most := range map[ration.Kind]int{ration.Anonymous: 1024, ration.Member: 1024} {
		s := &named{names: map[string]bool{}}
		c := card.New(newAccount(), s, noLog)
		for i := range 5000 {
			_, _ = c.Get(by(t, kind, fmt.Sprint("client ", i)), "p")
		}
		if n := len(s.names); n < most/2 || n > most {
			t.Errorf("kind %d: %d names", kind, n)
		}
	}
}
