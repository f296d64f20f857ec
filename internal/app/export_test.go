package app

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/addcard/addcard/internal/wechat"
)

// Nothing agrees for two minutes in a test.
func init() { clockSpan = 600 * time.Millisecond }

// Metrics returns what describes every metric of a, also those without samples.
func Metrics(a *App) prometheus.Collector { return a.core.metrics }

// Clock returns the clock that WeChat's answers correct.
func Clock(c *Core) *wechat.Clock { return c.clock }
