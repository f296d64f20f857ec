package main

import (
	"embed"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"

	"github.com/addcard/addcard/internal/wechatsim"
)

// phonePath is where the sample mini-program runs, in a phone that the browser
// draws. It is on WeChat's listener, because the page acts as the phone and needs
// the simulator's control API on its own origin.
const phonePath = "/_phone/"

// embedded is the build of the sample mini-program, in the folder phone.
//
//go:embed phone
var embedded embed.FS

// pageFiles returns the files of the phone's page: those in dir, or the embedded ones if
// dir is "".
func pageFiles(dir string) fs.FS {
	if dir != "" {
		return os.DirFS(dir)
	}
	files, err := fs.Sub(embedded, "phone")
	if err != nil {
		panic(err) // the name is valid
	}
	return files
}

// wechatHandler returns the handler of WeChat's listener: the phone's page, the
// simulator and the receivers of webhooks.
func (sb *sandbox) wechatHandler(files fs.FS) http.Handler {
	phone := http.NewServeMux()
	phone.Handle("/", http.FileServerFS(files))
	phone.Handle("/api/", sb.proxy("/api", func() (string, string) { return sb.publicURL, "" }))
	phone.Handle("/operator/", sb.proxy("/operator", func() (string, string) {
		return "http://" + sb.app.AdminAddr(), sb.adminToken
	}))
	mux := http.NewServeMux()
	mux.Handle("/", wechatsim.AllowLinks(wechatsim.Guard(sb.home(sb.sim.Handler())), "/", wechatsim.PathAuthorize))
	mux.Handle("GET /_home.css", wechatsim.Guard(http.HandlerFunc(serveHomeCSS)))
	mux.Handle("POST "+consolePath, wechatsim.Guard(http.HandlerFunc(sb.openConsole)))
	for _, r := range sb.receivers {
		mux.Handle(r.path, wechatsim.Guard(r.handler()))
	}
	// Other sites that the developer visits must not be able to add points here.
	page := http.StripPrefix(phonePath[:len(phonePath)-1], ifBuilt(files, phone))
	mux.Handle(h5Path, wechatsim.AllowLinks(wechatsim.Guard(sb.h5()), h5Path))
	mux.Handle(phonePath, wechatsim.AllowLinks(wechatsim.Guard(page), phonePath))
	return mux
}

// proxy forwards to one of the server's two listeners, which start after WeChat's.
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
		if !sb.isServing() {
			http.Error(w, "the server is starting", http.StatusServiceUnavailable)
			return
		}
		forward.ServeHTTP(w, r)
	}))
}

// ifBuilt serves the page, or how to build it. It checks at each request, so the
// page is served without a restart once it is built.
func ifBuilt(files fs.FS, page http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := fs.Stat(files, "index.html"); err != nil {
			w.WriteHeader(http.StatusNotFound)
			_, _ = fmt.Fprint(w, "The sample mini-program is not built. It needs Node.js 20 or newer:\n\n"+
				"  cd miniprogram && npm ci && npm run build\n\nThen reload this page.\n")
			return
		}
		w.Header().Set("Cache-Control", "no-cache")
		page.ServeHTTP(w, r)
	})
}
