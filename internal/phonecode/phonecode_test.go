package phonecode_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/addcard/addcard/internal/phonecode"
)

var errBusy = errors.New("busy")

// shop is a WeChat and the members of a shop.
type shop struct {
	answers map[string]phonecode.Number // by code
	err     error                       // of the next call
	lost    error                       // of the next SetPhone
	after   time.Duration

	mu    sync.Mutex
	calls []string
	kept  map[string]string
}

func newShop() *shop {
	return &shop{answers: map[string]phonecode.Number{
		"c1": {CountryCode: "86", Number: "13800138000", AppID: "wx1"}, "c2": {CountryCode: "852", Number: "9123 4567", AppID: "wx1"},
		"other app": {CountryCode: "86", Number: "13800138000", AppID: "wx2"}, "junk": {CountryCode: "86", Number: "junk", AppID: "wx1"},
	}, kept: map[string]string{}}
}

func (s *shop) service() *phonecode.Service {
	return &phonecode.Service{AppID: "wx1", WeChat: s, Members: s, LimitCalls: true}
}

func (s *shop) PhoneNumber(ctx context.Context, code, openID string) (phonecode.Number, error) {
	select {
	case <-time.After(s.after):
	case <-ctx.Done():
		return phonecode.Number{}, ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, openID+" "+code)
	err := s.err
	if s.err = nil; err != nil {
		return phonecode.Number{}, err
	}
	n, ok := s.answers[code]
	if !ok {
		return n, phonecode.ErrCode
	}
	return n, nil
}

func (s *shop) OpenID(_ context.Context, memberID, appID string) (string, error) {
	return "openid of " + memberID + " in " + appID, nil
}

func (s *shop) SetPhone(ctx context.Context, memberID, number string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.lost
	if s.lost = nil; err == nil {
		s.kept[memberID] = number
	}
	return errors.Join(err, ctx.Err())
}

func TestExchange_StoresTheNumber(t *testing.T) {
	t.Parallel()
	s := newShop()
	p := s.service()
	for code, want := range map[string]string{"c1": "+8613800138000", "c2": "+85291234567"} {
		if got, err := p.Exchange(t.Context(), "m1", code); got != want || err != nil || s.kept["m1"] != want {
			t.Errorf("%s: got %q, %v, kept %v", code, got, err, s.kept)
		}
	}
	if !strings.HasPrefix(s.calls[0], "openid of m1 in wx1 ") {
		t.Errorf("WeChat was asked for %q", s.calls)
	}
}

func TestExchange_NothingIsStoredOfWhatIsNotTheMembers(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]error{
		"other app": phonecode.ErrOtherApp, "junk": phonecode.ErrNoNumber, "unknown": phonecode.ErrCode,
	} {
		s := newShop()
		got, err := s.service().Exchange(t.Context(), "m1", code)
		if !errors.Is(err, want) || got != "" || len(s.kept) > 0 {
			t.Errorf("%s: got %q, %v, kept %v", code, got, err, s.kept)
		}
		if strings.Contains(err.Error(), "13800138000") {
			t.Errorf("the error has the number: %v", err)
		}
	}
}

// A code that was used is not sent again, by many requests at once or one later; what
// became of it is the member's alone.
func TestExchange_ACodeIsSentOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop()
		s.after = time.Second
		p := s.service()
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if got, err := p.Exchange(t.Context(), "m1", "c1"); got != "+8613800138000" || err != nil {
					t.Errorf("got %q, %v", got, err)
				}
			})
		}
		wg.Wait()
		for range 2 {
			if _, err := p.Exchange(t.Context(), "m1", "unknown"); !errors.Is(err, phonecode.ErrCode) {
				t.Errorf("got %v", err)
			}
		}
		if len(s.calls) != 2 {
			t.Errorf("calls: %q", s.calls)
		}
		delete(s.answers, "c1")
		if got, err := p.Exchange(t.Context(), "m2", "c1"); !errors.Is(err, phonecode.ErrCode) {
			t.Errorf("another member: got %q, %v", got, err)
		}
	})
}

// The number is not lost if the database fails, or the member leaves: the code is used.
func TestExchange_ANumberThatWasNotStoredIsStoredByARepeat(t *testing.T) {
	t.Parallel()
	s := newShop()
	p := s.service()
	s.lost = errBusy
	if _, err := p.Exchange(t.Context(), "m1", "c1"); !errors.Is(err, errBusy) {
		t.Errorf("got %v", err)
	}
	if _, err := p.Exchange(t.Context(), "m1", "c1"); err != nil || s.kept["m1"] != "+8613800138000" || len(s.calls) != 1 {
		t.Errorf("got %v, kept %v, calls %q", err, s.kept, s.calls)
	}
	left, leave := context.WithCancel(t.Context())
	leave()
	if _, err := p.Exchange(left, "m2", "c2"); err != nil || s.kept["m2"] != "+85291234567" {
		t.Errorf("a member who has left: %v, kept %v", err, s.kept)
	}
}

// It is not known whether WeChat has used the code: a repeat finds out.
func TestExchange_ABusyWeChatIsAskedAgain(t *testing.T) {
	t.Parallel()
	s := newShop()
	p := s.service()
	s.err = errBusy
	if _, err := p.Exchange(t.Context(), "m1", "c1"); !errors.Is(err, errBusy) || len(s.calls) != 1 {
		t.Errorf("got %v, calls %q", err, s.calls)
	}
	if got, err := p.Exchange(t.Context(), "m1", "c1"); err != nil || got != "+8613800138000" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestExchange_AMemberHasFiveAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop()
		p := s.service()
		try := func(memberID string) (refused int) {
			for i := range 8 {
				code := fmt.Sprint("made up ", time.Now(), i)
				if _, err := p.Exchange(t.Context(), memberID, code); errors.Is(err, phonecode.ErrTooMany) {
					refused++
				}
			}
			return refused
		}
		if got := try("m1"); got != 3 {
			t.Errorf("%d of 8 were refused", got)
		}
		if got := try("m2"); got != 3 {
			t.Errorf("another member: %d of 8 were refused", got)
		}
		time.Sleep(time.Minute)
		if got := try("m1"); got != 3 {
			t.Errorf("a minute later: %d of 8 were refused", got)
		}
		p.LimitCalls = false
		if got := try("m1"); got != 0 {
			t.Errorf("without a limit: %d of 8 were refused", got)
		}
	})
}
