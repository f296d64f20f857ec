package wechatsim

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Guard returns a handler that serves h to programs of this machine and to pages
// that it has served itself. Others get 403. The simulator and what stands beside it
// give away secrets and do as they are asked, and a developer's browser also shows
// the pages of strangers: these can send requests to a loopback address, and read the
// answers under a name of theirs that they have resolve to it (DNS rebinding).
//
// The Host must be a name of this machine. A request of a browser must come from the
// same origin or be typed into the address bar. http.CrossOriginProtection would let
// every GET pass.
func Guard(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		site, origin := r.Header.Get("Sec-Fetch-Site"), r.Header.Get("Origin")
		switch {
		case !isLocal(r.Host):
			http.Error(w, "the Host is not a name of this machine, such as 127.0.0.1 or localhost", http.StatusForbidden)
		case site != "" && site != "same-origin" && site != "none", origin != "" && origin != "http://"+r.Host:
			http.Error(w, "pages of other origins are not served", http.StatusForbidden)
		default:
			w.Header().Set("Content-Security-Policy", "frame-ancestors 'self'") // no stranger's page has this one under its own buttons
			h.ServeHTTP(w, r)
		}
	})
}

// AllowLinks returns a handler that lets links on pages of other sites lead to pages
// that guarded serves at paths. Opening such a page must change nothing that matters;
// the other site cannot read it.
func AllowLinks(guarded http.Handler, paths ...string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && slices.Contains(paths, r.URL.Path) && r.Header.Get("Sec-Fetch-Dest") == "document" {
			r.Header.Del("Sec-Fetch-Site")
		}
		guarded.ServeHTTP(w, r)
	})
}

// isLocal reports whether host, with or without a port, can be resolved to this
// machine alone. Browsers resolve the names below localhost themselves (RFC 6761).
func isLocal(host string) bool {
	if name, port, err := net.SplitHostPort(host); err == nil && strings.Trim(port, "0123456789") == "" {
		host = name
	} else if strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]") {
		host = host[1 : len(host)-1]
	}
	name := strings.TrimSuffix(strings.ToLower(host), ".")
	addr, err := netip.ParseAddr(host)
	isName := name == "localhost" || strings.HasSuffix(name, ".localhost") && !strings.Contains(name, ":")
	return isName || err == nil && addr.Unmap().IsLoopback()
}
