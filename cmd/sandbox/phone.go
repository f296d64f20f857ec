package main

import (
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
)

// phonePath is where the sample mini-program runs, in a phone drawn by the
// browser. It is on WeChat's listener, because its page plays the phone: it needs
// the simulator's control API on its own origin.
const phonePath = "/_phone/"

const howToBuild = "cd miniprogram && npm ci && npm run build"

// front is WeChat's listener: the phone's page beside the simulator.
func (sb *sandbox) front(dir string) http.Handler {
	phone := http.NewServeMux()
	phone.Handle("/", http.FileServer(http.Dir(dir)))
	phone.Handle("/api/", sb.proxy("/api", func() (string, string) { return sb.publicURL, "" }))
	phone.Handle("/operator/", sb.proxy("/operator", func() (string, string) { return "http://" + sb.app.AdminAddr(), sb.adminToken }))
	mux := http.NewServeMux()
	mux.Handle("/", sb.sim.Handler())
	// Other sites that the developer visits must not book points here.
	mux.Handle(phonePath, http.NewCrossOriginProtection().Handler(http.StripPrefix(phonePath[:len(phonePath)-1], onlyBuilt(dir, phone))))
	return mux
}

// proxy leads to one of the server's two listeners, which begin after WeChat's.
func (sb *sandbox) proxy(prefix string, target func() (base, token string)) http.Handler {
	forward := &httputil.ReverseProxy{Transport: client.Transport, Rewrite: func(r *httputil.ProxyRequest) {
		base, token := target()
		if u, err := url.Parse(base); err == nil {
			r.SetURL(u)
		}
		if token != "" {
			r.Out.Header.Set("Authorization", "Bearer "+token)
		}
	}}
	return http.StripPrefix(prefix, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-sb.serving:
			forward.ServeHTTP(w, r)
		default:
			http.Error(w, "the server is starting", http.StatusServiceUnavailable)
		}
	}))
}

func built(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "index.html"))
	return err == nil
}

// onlyBuilt says how to build the page when that has not been done. It looks
// anew each time, so the page is there without a restart.
func onlyBuilt(dir string, page http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !built(dir) {
			w.WriteHeader(http.StatusNotFound)
			_, _ = fmt.Fprintf(w, "The sample mini-program is not built. It needs Node.js 20 or newer:\n\n  %s\n\nThen reload this page.\n", howToBuild)
			return
		}
		w.Header().Set("Cache-Control", "no-cache")
		page.ServeHTTP(w, r)
	})
}
