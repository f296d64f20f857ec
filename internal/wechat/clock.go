package wechat

import (
	"net/http"
	"sync/atomic"
	"time"
)

// maxSkew is the largest difference that is ignored: the header has whole seconds,
// and an answer may take several.
const maxSkew = time.Minute

// Clock is the local clock, corrected by WeChat's when they differ by more than 60 s:
// WeChat refuses a cardExt with a wrong timestamp. The zero Clock is ready and equal
// to the local clock. It is safe for concurrent use.
type Clock struct{ offset atomic.Int64 }

// Observe sets the correction from the Date header of WeChat's answer that was
// received at receivedAt by the local clock. An invalid date is ignored.
func (c *Clock) Observe(dateHeader string, receivedAt time.Time) {
	date, err := http.ParseTime(dateHeader)
	if err != nil {
		return
	}
	offset := date.Sub(receivedAt.Round(0))
	if offset.Abs() <= maxSkew {
		offset = 0
	}
	c.offset.Store(int64(offset))
}

// Offset returns the correction of the local clock: 0 unless it is wrong.
func (c *Clock) Offset() time.Duration { return time.Duration(c.offset.Load()) }

// Now returns the corrected time.
func (c *Clock) Now() time.Time { return time.Now().Add(c.Offset()) }
