package public_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/addcard/addcard/internal/httpapi/public"
)

// A person sees what this is; a program gets the answer of every unknown path.
func TestHome_IsForBrowsersOnly(t *testing.T) {
	t.Parallel()
	h := (&shop{}).serve(public.Options{})
	ask := func(method, accept, language string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, "/", nil)
		r.Header.Set("Accept", accept)
		r.Header.Set("Accept-Language", language)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	const browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
	for language, want := range map[string]string{
		"": `lang="zh-CN"`, "zh-TW,zh;q=0.9,en;q=0.8": `lang="zh-CN"`, "en-US,en;q=0.9": `lang="en"`, "de, EN": `lang="en"`, "de": `lang="zh-CN"`,
	} {
		w := ask("GET", browser, language)
		page := w.Body.String()
		if w.Code != 200 || w.Header().Get("Content-Type") != "text/html; charset=utf-8" || !strings.Contains(page, want) {
			t.Errorf("%q: got %d %s", language, w.Code, page)
		}
		for _, part := range []string{"<title>", "<main>", "<h1>", `name="viewport"`, "light dark", `<a href="docs/">`, `href="home.css"`} {
			if !strings.Contains(page, part) {
				t.Errorf("%q: the page has no %s", language, part)
			}
		}
		for _, part := range []string{"<style", "style=", "<script", "://"} {
			if strings.Contains(page, part) {
				t.Errorf("%q: the page has %s", language, part)
			}
		}
		head := w.Header()
		if head.Get("Vary") != "Accept, Accept-Language" ||
			!strings.HasPrefix(head.Get("Content-Security-Policy"), "default-src 'none'; style-src 'self';") {
			t.Errorf("headers: %v", head)
		}
	}
	if w := do(h, "GET", "/home.css", "", ""); w.Code != 200 || !strings.Contains(w.Body.String(), "prefers-color-scheme: dark") {
		t.Errorf("the style sheet: %d %s", w.Code, w.Body)
	}
	for _, accept := range []string{"", "*/*", "application/json"} {
		refused(t, ask("GET", accept, "en"), 404, "not_found", "")
	}
}
