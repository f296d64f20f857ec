package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/addcard/addcard/internal/wechatsim"
	"github.com/addcard/addcard/web"
)

// h5Path is where the sample page for WeChat's browser runs. It is on WeChat's listener,
// because the simulated WeChat must be on the page's own origin.
const h5Path = "/_h5/"

// h5Host returns the host of the page, or "" if it can have none: JSSDK_HOSTS has names
// and IPv4 addresses only, as WeChat's lists of domains.
func (sb *sandbox) h5Host() string {
	host := strings.TrimPrefix(sb.wechatURL, "http://")
	if strings.HasPrefix(host, "[") {
		return ""
	}
	return host
}

// h5Link returns what the sandbox says about where the page is.
func (sb *sandbox) h5Link() string {
	if sb.h5Host() == "" {
		return "needs a --wechat-listen that is no IPv6 address"
	}
	return sb.wechatURL + h5Path + "   the same in WeChat's browser"
}

// forgetUser ends the session of the last user in this tab; on a phone, WeChat's browser
// has one user.
const forgetUser = "<!doctype html><script>sessionStorage.clear()</script>\n"

// h5 serves the page as it is in web/, with two differences: the simulated WeChat takes
// the place of WeChat's script, and config.js names this sandbox and its card.
func (sb *sandbox) h5() http.Handler {
	const script = "https://res.wx.qq.com/open/js/jweixin-1.6.0.js"
	files := http.FileServerFS(web.Files)
	page, _ := web.Files.ReadFile("index.html") // embedded
	page = bytes.ReplaceAll(page, []byte(script), []byte(wechatsim.PathJWeixin))
	return http.StripPrefix(strings.TrimSuffix(h5Path, "/"), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-cache")
		switch r.URL.Path {
		case "/":
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			if user := r.URL.Query().Get("user"); user != "" && user != wechatsim.BrowserUser(r) {
				http.SetCookie(w, wechatsim.UserCookie(user))
				_, _ = io.WriteString(w, forgetUser)
			}
			_, _ = w.Write(page)
		case "/config.js":
			w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
			_, _ = fmt.Fprintf(w, "export const api = %q\nexport const cardId = %q\nexport const channel = 'h5'\n", sb.publicURL, demoCardID)
		default:
			files.ServeHTTP(w, r)
		}
	}))
}
