package wechat

import (
	"net/http"
	"sync/atomic"
	"time"
)

// maxSkew is how far the local clock may be off before WeChat's is believed
// instead: the header has whole seconds and an answer may take several.
const maxSkew = time.Minute

// Clock is the local clock, corrected by WeChat's when the two are more than
// 60 s apart: WeChat refuses a cardExt whose timestamp is far off. The zero
// Clock is ready and goes by the local clock. It is safe for concurrent use.
type Clock struct{ offset atomic.Int64 }

// Observe learns from the Date header of an answer of WeChat; receivedAt is
// when it came, by the local clock. What is no date is ignored.
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

// Offset is what has to be added to the local clock: 0 unless it is wrong.
func (c *Clock) Offset() time.Duration { return time.Duration(c.offset.Load()) }

// Now is the corrected time.
func (c *Clock) Now() time.Time { return time.Now().Add(c.Offset()) }
