package web_test

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/addcard/addcard/internal/httpapi/internal/web"
)

// Only a proxy of the shop's can say that the client's connection is encrypted.
func TestProxies_BelieveOnlyATrustedProxysScheme(t *testing.T) {
	t.Parallel()
	proxies := web.ParseProxies([]string{"10.0.0.0/8"})
	for name, c := range map[string]struct {
		peer, scheme string
		tls, want    bool
	}{
		"a proxy says https":        {"10.0.0.1:1", "https", false, true},
		"in capitals":               {"10.0.0.1:1", "HTTPS", false, true},
		"a proxy says http":         {"10.0.0.1:1", "http", false, false},
		"a proxy says nothing":      {"10.0.0.1:1", "", false, false},
		"the last of several":       {"10.0.0.1:1", "http, https", false, true},
		"what a client wrote first": {"10.0.0.1:1", "https, http", false, false},
		"a stranger says https":     {"203.0.113.7:1", "https", false, false},
		"the listener's own TLS":    {"203.0.113.7:1", "", true, true},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr, r.TLS = c.peer, nil
		if c.tls {
			r.TLS = &tls.ConnectionState{}
		}
		if c.scheme != "" {
			r.Header.Set("X-Forwarded-Proto", c.scheme)
		}
		if got := proxies.Secure(r); got != c.want {
			t.Errorf("%s: got %t", name, got)
		}
	}
}
