package opencard_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/addcard/addcard/internal/card"
	"github.com/addcard/addcard/internal/cardlist"
	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/opencard"
	"github.com/addcard/addcard/internal/ration"
)

var errFault = errors.New("a fault")

// shop stands in for all that a Service needs. The card "p" suits the component,
// "real" takes codes of ours, "plain" has no form. Errors are by method.
type shop struct {
	mu     sync.Mutex
	errs   map[string]error
	calls  []string
	slow   time.Duration // of OpenCard
	forms  []error       // of the next calls of Form
	own    bool          // the card is the member's already
	ownNow bool          // it is when the card turned out to be active
	active bool
	used   bool // the ticket was used for this code
	claim  member.Claim
	form   member.Form

	patience time.Duration // of the last wait for an activation
}

func (s *shop) service() *opencard.Service {
	return &opencard.Service{WeChat: s, Catalogue: s, Members: s, Codes: s}
}

func (s *shop) call(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, name)
	return s.errs[name]
}

func (s *shop) count(name string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.calls {
		if c == name {
			n++
		}
	}
	return n
}

func (s *shop) Get(_ context.Context, cardID string) (card.Card, error) {
	if err := s.call("get"); err != nil {
		return card.Card{}, err
	}
	c := card.Card{ID: cardID, WxActivate: true}
	switch cardID {
	case "real":
		c.UseCustomCode = true
	case "deposit":
		c.UseCustomCode, c.Deposit = true, true
	case "plain":
		c.WxActivate = false
	}
	return c, nil
}

func (s *shop) Claimable(ctx context.Context, cardID string, hasCode bool) (card.Card, error) {
	if hasCode {
		return card.Card{}, errors.New("a member without a code is said to have one")
	}
	if err := s.call("claimable"); err != nil {
		return card.Card{}, err
	}
	return s.Get(ctx, cardID)
}

func (s *shop) OpenCard(ctx context.Context, cardID, outerStr string) (opencard.Params, error) {
	err := s.call("open")
	select {
	case <-time.After(s.slow):
	case <-ctx.Done():
		return opencard.Params{}, ctx.Err()
	}
	return opencard.Params{EncryptCardID: cardID, OuterStr: outerStr, Biz: "b"}, err
}

func (s *shop) Form(context.Context, string) (answers []member.Answer, err error) {
	err = s.call("form")
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.forms) > 0 {
		err, s.forms = s.forms[0], s.forms[1:]
	}
	return []member.Answer{{Name: "a", Value: "b"}}, err
}

func (s *shop) Active(context.Context, string, string) (bool, error) {
	err := s.call("active")
	s.own = s.own || s.ownNow
	return s.active, err
}

func (s *shop) CardOf(context.Context, string, string, string) (member.Card, error) {
	if err := s.call("card of"); err != nil {
		return member.Card{}, err
	}
	if !s.own {
		return member.Card{}, member.ErrNotFound
	}
	return member.Card{}, nil
}

func (s *shop) Submitted(context.Context, string, string, string) (bool, error) {
	return s.used, s.call("submitted")
}

func (s *shop) Submit(_ context.Context, memberID string, claim member.Claim, form member.Form) (member.Card, error) {
	s.claim, s.form = claim, form
	return member.Card{MemberID: memberID}, s.call("submit")
}

func (s *shop) AwaitActivation(_ context.Context, cardID, code string, patience time.Duration) (member.Card, error) {
	s.patience = patience
	return member.Card{CardID: cardID, Code: code, Status: member.Active}, s.call("await")
}

func (s *shop) Holder(context.Context, string, string) (string, error) { return "o1", s.call("holder") }

func TestParams_OfCardsThatTheComponentShows(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]error{"p": nil, "deposit": nil, "real": opencard.ErrCodeMode, "plain": opencard.ErrNotOneClick} {
		s := &shop{}
		got, err := s.service().Params(t.Context(), "m1", id, "door")
		if !errors.Is(err, want) || want == nil && got != (opencard.Params{EncryptCardID: id, OuterStr: "door", Biz: "b"}) {
			t.Errorf("%s: got %+v, %v", id, got, err)
		}
		if asked := s.count("open"); (asked == 1) != (want == nil) {
			t.Errorf("%s: WeChat was asked %d times", id, asked)
		}
	}
	s := &shop{errs: map[string]error{"claimable": card.ErrNotClaimable}}
	if _, err := s.service().Params(t.Context(), "m1", "p", ""); !errors.Is(err, card.ErrNotClaimable) || s.count("open") > 0 {
		t.Errorf("a card that is gone: %v, WeChat was asked %d times", err, s.count("open"))
	}
}

// One member causes six calls a minute. What is known costs none, and the limit of
// one is not another's.
func TestParams_AreRationed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &shop{}
		service := s.service()
		time.Sleep(time.Until(time.Now().Truncate(time.Minute).Add(time.Minute)))
		get := func(memberID string, i int) error {
			_, err := service.Params(t.Context(), memberID, "p", fmt.Sprint(i))
			return err
		}
		for i := range 10 {
			if err := get("m1", i); (err == nil) != (i < 6) || err != nil && !errors.Is(err, opencard.ErrTooMany) {
				t.Errorf("call %d: %v", i, err)
			}
		}
		for i := range 6 {
			if err := get("m1", i); err != nil {
				t.Errorf("known %d: %v", i, err)
			}
		}
		if err := get("m2", 7); err != nil {
			t.Errorf("another member: %v", err)
		}
		if n := s.count("open"); n != 7 {
			t.Errorf("WeChat was asked %d times, want 7", n)
		}
		time.Sleep(time.Minute)
		if err := get("m1", 8); err != nil {
			t.Errorf("a minute later: %v", err)
		}
	})
}

// Parameters are kept for an hour at least and two at most.
func TestParams_AreKeptForAnHour(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &shop{}
		service := s.service()
		get := func(cardID, outerStr string) {
			t.Helper()
			if _, err := service.Params(t.Context(), "m1", cardID, outerStr); err != nil {
				t.Fatal(err)
			}
		}
		get("p", "")
		time.Sleep(59 * time.Minute)
		get("p", "")
		if n := s.count("open"); n != 1 {
			t.Errorf("within an hour: %d calls", n)
		}
		get("p", "x")
		get("q", "")
		get("q", "x")
		if n := s.count("open"); n != 4 {
			t.Errorf("of two cards and two channels: %d calls, want 4", n)
		}
		time.Sleep(2*time.Hour + 2*time.Minute)
		get("other", "")
		get("p", "")
		if n := s.count("open"); n != 6 {
			t.Errorf("after two hours: %d calls, want 6", n)
		}
	})
}

func TestParams_AFailureIsNotKept(t *testing.T) {
	t.Parallel()
	s := &shop{errs: map[string]error{"open": errFault}}
	service := s.service()
	if _, err := service.Params(t.Context(), "m1", "p", ""); !errors.Is(err, errFault) {
		t.Errorf("got %v", err)
	}
	s.errs = nil
	if _, err := service.Params(t.Context(), "m1", "p", ""); err != nil {
		t.Errorf("then: %v", err)
	}
}

// Requests at the same time share one call. It ends when the one that makes it leaves,
// and is then made by another.
func TestParams_ShareOneCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &shop{slow: 3 * time.Second}
		service := s.service()
		ctx, leave := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := service.Params(ctx, "m1", "p", ""); !errors.Is(err, context.Canceled) {
				t.Errorf("the one that left: %v", err)
			}
		})
		synctest.Wait()
		for range 20 {
			wg.Go(func() {
				if _, err := service.Params(t.Context(), "m2", "p", ""); err != nil {
					t.Errorf("one of many: %v", err)
				}
			})
		}
		synctest.Wait()
		if n := s.count("open"); n != 1 {
			t.Errorf("WeChat was asked %d times", n)
		}
		leave()
		wg.Wait()
		if n := s.count("open"); n != 2 {
			t.Errorf("WeChat was asked %d times after one has left", n)
		}
		s.slow = time.Hour
		patience, cancel := context.WithTimeout(t.Context(), 12*time.Second)
		defer cancel()
		began := time.Now()
		if _, err := service.Params(patience, "m1", "q", ""); err == nil || time.Since(began) > 12*time.Second {
			t.Errorf("a WeChat that hangs: %v after %v", err, time.Since(began))
		}
	})
}

// steps are what an activation asks, in order.
var steps = []string{"get", "card of", "holder", "active", "submitted", "form", "submit", "await"}

func TestActivate_AsksForEachProof(t *testing.T) {
	t.Parallel()
	s := &shop{}
	got, err := s.service().Activate(t.Context(), "m1", "p", "c", "ticket")
	if err != nil || got.Status != member.Active || !slices.Equal(s.calls, steps) {
		t.Errorf("got %+v, %v after %q", got, err, s.calls)
	}
	if want := (member.Claim{CardID: "p", Code: "c", Plan: member.PlanForm, ProvedOpenID: "o1"}); s.claim != want {
		t.Errorf("claimed %+v, want %+v", s.claim, want)
	}
	if s.form.TicketHash == "" || s.form.TicketHash == "ticket" || len(s.form.Answers) != 1 {
		t.Errorf("submitted %+v", s.form)
	}
	hash := s.form.TicketHash
	if _, err := s.service().Activate(t.Context(), "m1", "p", "c", "another"); err != nil || s.form.TicketHash == hash {
		t.Errorf("another ticket: %v, %+v", err, s.form)
	}
}

// Each step that fails ends the activation before the next.
func TestActivate_EndsAtTheFirstRefusal(t *testing.T) {
	t.Parallel()
	for i, step := range steps {
		s := &shop{errs: map[string]error{step: errFault}}
		if _, err := s.service().Activate(t.Context(), "m1", "p", "c", "ticket"); !errors.Is(err, errFault) {
			t.Errorf("%s fails: %v", step, err)
		}
		if !slices.Equal(s.calls, steps[:i+1]) {
			t.Errorf("%s fails: %q followed", step, s.calls)
		}
	}
	for id, want := range map[string]error{"real": opencard.ErrCodeMode, "plain": opencard.ErrNotOneClick} {
		s := &shop{}
		if _, err := s.service().Activate(t.Context(), "m1", id, "c", "ticket"); !errors.Is(err, want) || len(s.calls) > 1 {
			t.Errorf("%s: %v after %q", id, err, s.calls)
		}
	}
}

func TestActivate_TranslatesTheErrorsOfMembers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		step      string
		err, want error
	}{
		{"submit", member.ErrTicketUsed, opencard.ErrTicket}, {"submitted", member.ErrTicketUsed, opencard.ErrTicket},
		{"submit", member.ErrNotYours, cardlist.ErrNotYours}, {"holder", cardlist.ErrNotYours, cardlist.ErrNotYours},
		{"form", opencard.ErrTicket, opencard.ErrTicket}, {"get", card.ErrNotFound, card.ErrNotFound},
		{"submit", member.ErrMemberUnknown, member.ErrMemberUnknown},
	} {
		s := &shop{errs: map[string]error{c.step: fmt.Errorf("do it: %w", c.err)}}
		if _, err := s.service().Activate(t.Context(), "m1", "p", "c", "ticket"); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.step, err, c.want)
		}
	}
}

// A code that is active belongs to the one who activated it: a client's word and a
// good ticket do not move it.
func TestActivate_AnActiveCodeIsNotTaken(t *testing.T) {
	t.Parallel()
	s := &shop{active: true}
	if _, err := s.service().Activate(t.Context(), "m1", "p", "c", "ticket"); !errors.Is(err, cardlist.ErrNotYours) || s.count("submit") > 0 {
		t.Errorf("got %v after %q", err, s.calls)
	}
	// The member's own report, a moment ago, has activated it.
	s = &shop{active: true, ownNow: true}
	if _, err := s.service().Activate(t.Context(), "m1", "p", "c", "ticket"); err != nil || s.claim.ProvedOpenID != "" {
		t.Errorf("one's own: %v, %+v", err, s.claim)
	}
}

// What was reported before is not asked of WeChat again.
func TestActivate_ARepeatCostsNothing(t *testing.T) {
	t.Parallel()
	s := &shop{own: true, used: true}
	_, err := s.service().Activate(t.Context(), "m1", "p", "c", "ticket")
	if want := []string{"get", "card of", "submitted", "submit", "await"}; err != nil || !slices.Equal(s.calls, want) {
		t.Errorf("%v after %q, want %q", err, s.calls, want)
	}
	if s.claim.ProvedOpenID != "" || s.form.Answers != nil {
		t.Errorf("claimed %+v with %+v", s.claim, s.form)
	}
}

// busy is WeChat's answer -1.
type busy struct{}

func (busy) Error() string   { return "system error" }
func (busy) Errcode() int    { return -1 }
func (busy) Temporary() bool { return true }

// down is an error of a network, which has a Temporary, too.
type down struct{}

func (down) Error() string   { return "down" }
func (down) Temporary() bool { return true }

func TestActivate_AsksForTheFormThreeTimesWhileWeChatIsMoody(t *testing.T) {
	t.Parallel()
	expired := opencard.ErrTicketExpired
	for name, c := range map[string]struct {
		forms []error
		calls int
		took  time.Duration
		want  error
	}{
		"once":                {[]error{busy{}}, 2, 300 * time.Millisecond, nil},
		"twice":               {[]error{expired, busy{}}, 3, 900 * time.Millisecond, nil},
		"three times":         {[]error{busy{}, busy{}, busy{}, nil}, 3, 900 * time.Millisecond, busy{}},
		"expired three times": {[]error{expired, expired, expired}, 3, 900 * time.Millisecond, opencard.ErrTicket},
		"a wrong ticket":      {[]error{opencard.ErrTicket}, 1, 0, opencard.ErrTicket},
		"a network":           {[]error{down{}}, 1, 0, down{}},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := &shop{forms: c.forms}
			began := time.Now()
			_, err := s.service().Activate(t.Context(), "m1", "p", "c", "ticket")
			if !errors.Is(err, c.want) || s.count("form") != c.calls || time.Since(began) != c.took || (s.count("submit") > 0) != (c.want == nil) {
				t.Errorf("%s: %v, %d calls in %v", name, err, s.count("form"), time.Since(began))
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		s := &shop{forms: []error{busy{}, busy{}, busy{}}}
		if _, err := s.service().Activate(ctx, "m1", "p", "c", "ticket"); !errors.Is(err, context.DeadlineExceeded) || s.count("form") != 1 {
			t.Errorf("a caller that left: %v, %d calls", err, s.count("form"))
		}
	})
}

// A report is answered when the card is active; few of those that wait do not end the
// waiting of later ones.
func TestActivate_WaitsForTheActivation(t *testing.T) {
	t.Parallel()
	s := &shop{own: true, used: true}
	service := s.service()
	for i := range 100 {
		if _, err := service.Activate(t.Context(), "m1", "p", "c", "ticket"); err != nil || s.patience != 4*time.Second {
			t.Fatalf("report %d waits for %v: %v", i, s.patience, err)
		}
	}
}

// silent is a shop whose WeChat does not say whether a card is active.
type silent struct{ *shop }

func (silent) Active(ctx context.Context, _, _ string) (bool, error) {
	<-ctx.Done()
	return false, ctx.Err()
}

// While WeChat does not say whether a card is active, 64 wait for it.
func TestActivate_BoundsTheCallersThatWaitForWeChat(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &shop{}
		service := s.service()
		service.WeChat = silent{s}
		ctx, leave := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		var busy atomic.Int32
		for i := range 70 {
			wg.Go(func() {
				if _, err := service.Activate(ctx, "m1", "p", fmt.Sprint(i), "ticket"); errors.Is(err, ration.ErrBusy) {
					busy.Add(1)
				}
			})
			synctest.Wait()
		}
		if n := busy.Load(); n != 6 {
			t.Errorf("%d of 70 are refused, want 6", n)
		}
		leave()
		wg.Wait()
	})
}
