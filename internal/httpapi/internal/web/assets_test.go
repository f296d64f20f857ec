package web_test

import (
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func get(l *listener, path string, header ...string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, path, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	l.ServeHTTP(w, r)
	return w
}

// Symptom: the files of the documentation were decompressed for each request.
func TestDocs_AreSentCompressedOrNotAtAll(t *testing.T) {
	t.Parallel()
	l := newList(0)
	for _, path := range []string{"/openapi.json", "/openapi.yaml", "/openapi-3.0.json", "/openapi-3.0.yaml", "/docs/", "/docs/swagger-ui.css",
		"/docs/swagger-ui-bundle.js", "/docs/favicon-32x32.png", "/docs/oauth2-redirect.html"} {
		plain := get(l, path)
		zipped := get(l, path, "Accept-Encoding", "br, gzip;q=0.8")
		if plain.Code != 200 || plain.Header().Get("Content-Encoding") != "" || zipped.Header().Get("Content-Encoding") != "gzip" {
			t.Errorf("%s: %d %v, compressed %d %v", path, plain.Code, plain.Header(), zipped.Code, zipped.Header())
			continue
		}
		for name, w := range map[string]*httptest.ResponseRecorder{"plain": plain, "compressed": zipped} {
			if w.Header().Get("Vary") != "Accept-Encoding" || w.Header().Get("Content-Type") != plain.Header().Get("Content-Type") {
				t.Errorf("%s, %s: %v", path, name, w.Header())
			}
		}
		r, err := gzip.NewReader(zipped.Body)
		if err != nil {
			t.Fatal(path, err)
		}
		if text, err := io.ReadAll(r); err != nil || string(text) != plain.Body.String() || len(text) == 0 {
			t.Errorf("%s: %d bytes, decompressed %d (%v)", path, plain.Body.Len(), len(text), err)
		}
		if plain.Header().Get("ETag") == zipped.Header().Get("ETag") {
			t.Errorf("%s: two contents with one ETag %s", path, plain.Header().Get("ETag"))
		}
		again := get(l, path, "Accept-Encoding", "gzip", "If-None-Match", `W/"x", `+zipped.Header().Get("ETag"))
		if again.Code != http.StatusNotModified || again.Body.Len() != 0 {
			t.Errorf("%s: what the client has: %d, %d bytes", path, again.Code, again.Body.Len())
		}
	}
	if text := get(l, "/docs/swagger-ui.css").Body.String(); !strings.HasPrefix(text, ".swagger-ui") {
		t.Errorf("the plain style sheet is %.40q", text)
	}
	for _, path := range []string{"/docs/", "/docs/swagger-ui-bundle.js"} { // a browser runs the page's own scripts, and keeps them
		h := get(l, path).Header()
		if policy := h.Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'self'") ||
			!strings.Contains(policy, "script-src 'self' 'unsafe-inline'") || h.Get("Cache-Control") != "max-age=3600" {
			t.Errorf("%s: %v", path, h)
		}
	}
	for encoding, want := range map[string]string{"": "", "br": "", "gzip;q=0": "", "gzip; q=0.000": "", "gzip;q=0.001": "gzip",
		"GZIP": "gzip", "identity, gzip": "gzip", "xgzip": ""} {
		if got := get(l, "/docs/", "Accept-Encoding", encoding).Header().Get("Content-Encoding"); got != want {
			t.Errorf("Accept-Encoding %q: got %q, want %q", encoding, got, want)
		}
	}
}

// Answers from memory take no slot: they are there when all slots are taken.
func TestDocs_AndLivenessNeedNoSlot(t *testing.T) {
	t.Parallel()
	l := newListener(0, func(context.Context) error { return nil })
	l.inFlight <- struct{}{}
	for _, path := range []string{"/healthz", "/docs/", "/openapi.json", "/docs/swagger-ui-bundle.js"} {
		if w := get(l, path); w.Code != 200 {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	if w := get(l, "/nope"); w.Code != http.StatusNotFound {
		t.Errorf("an unknown route: %d", w.Code)
	}
	if w := get(l, "/readyz"); w.Code != http.StatusServiceUnavailable || decode(t, w).Detail != "" {
		t.Errorf("/readyz: %d %s", w.Code, w.Body)
	}
}
