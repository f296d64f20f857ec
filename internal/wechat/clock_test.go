package wechat_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/wechat"
)

func TestClock_FollowsWeChatOnlyWhenFarOff(t *testing.T) {
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

func TestClock_ReturnsToTheLocalClockWhenThatIsRightAgain(t *testing.T) {
	t.Parallel()
	var c, other wechat.Clock
	local := time.Now()
	c.Observe(local.Add(time.Hour).UTC().Format(http.TimeFormat), local)
	if ahead := time.Until(c.Now()); ahead < 59*time.Minute || ahead > time.Hour {
		t.Errorf("now is %v ahead, want an hour", ahead)
	}
	for _, junk := range []string{"", "yesterday", "2026-11-23T08:00:00Z"} {
		c.Observe(junk, local)
	}
	if c.Offset() == 0 || other.Offset() != 0 {
		t.Errorf("offsets %v and %v: junk counted, or one clock moved another", c.Offset(), other.Offset())
	}
	c.Observe(local.UTC().Format(http.TimeFormat), local)
	if c.Offset() != 0 {
		t.Errorf("offset %v, want 0", c.Offset())
	}
}
