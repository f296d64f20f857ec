package app

import (
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/addcard/addcard/internal/wechat"
)

// Nothing agrees for two minutes in a test.
func init() { clockSpan = 600 * time.Millisecond }

// Metrics returns what describes every metric of a, also those without samples.
func Metrics(a *App) *prometheus.Registry { return a.core.metrics }

// Clock returns the clock that WeChat's answers correct.
func Clock(c *Core) *wechat.Clock { return c.clock }

// Listener returns the public listener of a, or the admin one.
func Listener(a *App, name string) net.Listener {
	if name == "admin" {
		return a.admin
	}
	return a.public
}

// Handlers returns what serves the requests of the two listeners.
func Handlers(a *App) (public, admin http.Handler) {
	return a.public.server.Handler, a.admin.server.Handler
}
