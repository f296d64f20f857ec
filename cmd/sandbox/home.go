package main

import (
	"embed"
	"html/template"
	"net/http"
	"strings"

	"github.com/addcard/addcard/internal/wechatsim"
)

// consolePath signs the developer in to the console.
const consolePath = "/_console"

//go:embed home.zh.html home.en.html
var homeFiles embed.FS

//go:embed home.css
var homeCSS []byte

var homePages = template.Must(template.ParseFS(homeFiles, "home.*.html"))

// home answers a browser at the root of WeChat's listener: it says what is here, and
// where to go. Other requests are WeChat's.
func (sb *sandbox) home(wechat http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" || r.Method != http.MethodGet || !strings.Contains(r.Header.Get("Accept"), "text/html") {
			wechat.ServeHTTP(w, r)
			return
		}
		if !sb.isServing() {
			http.Error(w, "the server is starting", http.StatusServiceUnavailable)
			return
		}
		page, lang := "home.zh.html", "zh"
		if !chinese(r.Header.Get("Accept-Language")) {
			page, lang = "home.en.html", "en"
		}
		h5 := ""
		if sb.h5Host() != "" {
			h5 = h5Path
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Vary", "Accept, Accept-Language")
		_ = homePages.ExecuteTemplate(w, page, map[string]any{ // it fails only if the client has gone
			"Phone": phonePath, "H5": h5, "Console": consolePath,
			"Public": sb.publicURL, "Admin": "http://" + sb.app.AdminAddr(), "WeChat": sb.wechatURL,
			"Unlike": wechatsim.NotReproduced(lang),
		})
	})
}

func serveHomeCSS(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	_, _ = w.Write(homeCSS)
}

// chinese reports whether an Accept-Language header has Chinese before English, or has
// neither.
func chinese(header string) bool {
	for tag := range strings.SplitSeq(strings.ToLower(header), ",") {
		switch tag = strings.TrimSpace(tag); {
		case strings.HasPrefix(tag, "zh"):
			return true
		case strings.HasPrefix(tag, "en"):
			return false
		}
	}
	return true
}

// openConsole leads to the console with a new link, because each signs in once.
func (sb *sandbox) openConsole(w http.ResponseWriter, r *http.Request) {
	link, err := sb.consoleLink(r.Context())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	http.Redirect(w, r, link, http.StatusSeeOther)
}

// isServing reports whether app and publicURL are set.
func (sb *sandbox) isServing() bool {
	select {
	case <-sb.serving:
		return true
	default:
		return false
	}
}
