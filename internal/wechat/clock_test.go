package wechat_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/addcard/addcard/internal/wechat"
)

const span = 2 * time.Minute // of a zero Clock

// answer lets the clock observe an answer whose Date is off the local clock.
func answer(c *wechat.Clock, off time.Duration) {
	c.Observe(time.Now().Add(off).UTC().Format(http.TimeFormat), time.Now())
}

// answers lets the clock observe n answers, evenly over a time.
func answers(c *wechat.Clock, off time.Duration, n int, over time.Duration) {
	for i := range n {
		if i > 0 {
			time.Sleep(over / time.Duration(n-1))
		}
		answer(c, off)
	}
}

func wantCorrection(t *testing.T, c *wechat.Clock, want time.Duration) {
	t.Helper()
	if got := c.Correction(); (got - want).Abs() > time.Second {
		t.Errorf("correction %v, want %v", got, want)
	}
	if got := time.Until(c.Now()); (got - want).Abs() > time.Second {
		t.Errorf("now is %v ahead, want %v", got, want)
	}
}

func TestClock_MeasuresWhatIsFarOff(t *testing.T) {
	t.Parallel()
	local := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	for off, want := range map[time.Duration]time.Duration{
		0:                 0,
		60 * time.Second:  0,
		-60 * time.Second: 0,
		61 * time.Second:  61 * time.Second,
		-3 * time.Hour:    -3 * time.Hour,
	} {
		var c wechat.Clock
		c.Observe(local.Add(off).Format(http.TimeFormat), local)
		if got := c.Offset(); got != want {
			t.Errorf("%v off: offset %v, want %v", off, got, want)
		}
	}
}

func TestClock_FollowsAnswersThatAgreeForLong(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		off     time.Duration
		n       int
		over    time.Duration
		follows bool
	}{
		"one answer":            {3 * time.Hour, 1, 0, false},
		"two, far apart":        {3 * time.Hour, 2, time.Hour, false},
		"a hundred at once":     {3 * time.Hour, 100, 0, false},
		"a minute of them":      {3 * time.Hour, 100, time.Minute, false},
		"not quite long enough": {3 * time.Hour, 3, span - time.Second, false},
		"three over the span":   {3 * time.Hour, 3, span, true},
		"behind":                {-3 * time.Hour, 3, span, true},
		"a little off":          {61 * time.Second, 9, span, true},
		"within a minute":       {60 * time.Second, 100, time.Hour, false},
		"two days":              {48 * time.Hour, 3, span, true},
		"more than two days":    {48*time.Hour + time.Minute, 100, time.Hour, false},
		"2001":                  {-25 * 365 * 24 * time.Hour, 100, time.Hour, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var c wechat.Clock
				answer(&c, 0)
				time.Sleep(time.Hour)
				answers(&c, tt.off, tt.n, tt.over)
				want := tt.off
				if !tt.follows {
					want = 0
				}
				wantCorrection(t, &c, want)
				if off := c.Offset(); tt.off.Abs() > time.Minute && (off-tt.off).Abs() > time.Second {
					t.Errorf("offset %v, want %v: the alarm does not see it", off, tt.off)
				}
			})
		})
	}
}

// A machine whose clock is wrong from the start has no right time to lose.
func TestClock_FollowsSoonAfterTheStart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var c wechat.Clock
		answers(&c, -3*time.Minute, 3, time.Second) // token, ticket, cards
		wantCorrection(t, &c, 0)
		time.Sleep(4 * time.Second)
		answer(&c, -3*time.Minute)
		wantCorrection(t, &c, -3*time.Minute)
		answers(&c, time.Hour, 10, time.Minute)
		wantCorrection(t, &c, -3*time.Minute)
	})
}

func TestClock_OneAnswerInBetweenStartsTheCountAgain(t *testing.T) {
	t.Parallel()
	for _, between := range []time.Duration{0, 5 * time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			var c wechat.Clock
			answer(&c, 0)
			for range 50 {
				answers(&c, 3*time.Hour, 10, span-time.Second)
				answer(&c, between)
			}
			wantCorrection(t, &c, 0)
		})
	}
}

func TestClock_ReturnsToTheLocalClockWhenThatIsRightAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var c wechat.Clock
		answers(&c, time.Hour, 3, span)
		for _, junk := range []string{"", "yesterday", "2026-11-23T08:00:00Z"} {
			c.Observe(junk, time.Now())
		}
		wantCorrection(t, &c, time.Hour)
		answer(&c, 0) // one answer may be wrong
		wantCorrection(t, &c, time.Hour)
		answers(&c, time.Hour, 2, span)
		answers(&c, 0, 3, 5*time.Second)
		wantCorrection(t, &c, 0)
	})
}

func TestClock_LikelyFollowsAtOnceWhileNothingIsCorrected(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var c wechat.Clock
		for _, step := range []struct {
			observe func()
			want    time.Duration
		}{
			{func() {}, 0},
			{func() { answer(&c, time.Hour) }, time.Hour},
			{func() { answer(&c, 0) }, 0},
			{func() { answers(&c, time.Hour, 3, span) }, time.Hour},
			{func() { answer(&c, 9*time.Hour) }, time.Hour},
		} {
			if step.observe(); (time.Until(c.Likely()) - step.want).Abs() > time.Second {
				t.Errorf("likely %v ahead, want %v", time.Until(c.Likely()), step.want)
			}
		}
	})
}

func TestClock_LogsAnOddDateOnceAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		c := wechat.Clock{Log: slog.New(slog.NewTextHandler(&log, nil))}
		answer(&c, 0)
		answers(&c, 3*time.Hour, 180, span-time.Second)
		if n := strings.Count(log.String(), "off=3h0m0s"); n != 2 {
			t.Errorf("%d lines, want 2:\n%s", n, &log)
		}
		time.Sleep(2 * time.Second)
		answer(&c, 3*time.Hour)
		if !strings.Contains(log.String(), "the clock is corrected") {
			t.Errorf("the correction is not logged:\n%s", &log)
		}
	})
}

// Whatever WeChat's answers say: lies that end within a minute change nothing, and the
// time is right again soon after they end.
func TestClock_IsRightWhileLiesAreShort(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		synctest.Test(t, func(t *testing.T) {
			var c wechat.Clock
			answers(&c, 0, 3, 5*time.Second)
			for range rapid.IntRange(1, 8).Draw(rt, "lies") {
				off := time.Duration(rapid.IntRange(-400_000, 400_000).Draw(rt, "seconds")) * time.Second
				n := rapid.IntRange(2, 40).Draw(rt, "answers")
				answers(&c, off, n, time.Duration(rapid.IntRange(0, 60).Draw(rt, "for"))*time.Second)
				wantCorrection(t, &c, 0)
				answers(&c, 0, 2, time.Duration(rapid.IntRange(0, 600).Draw(rt, "honest"))*time.Second)
				wantCorrection(t, &c, 0)
			}
		})
	})
}
