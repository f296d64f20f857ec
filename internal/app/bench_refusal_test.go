package app_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/addcard/addcard/internal/testing/apptest"
	"github.com/addcard/addcard/internal/wechatsim"
)

// BenchmarkRefusal compares what it costs to refuse a request with what it costs
// to serve an honest one, over one real connection. Compare the figures of one run
// only.
func BenchmarkRefusal(b *testing.B) {
	w := apptest.New(b, wechatsim.Options{})
	w.Quiet = true
	w.Env["CALLBACK_AES_KEY"] = apptest.AESKey
	cardID := w.Card()
	s := w.Serve()
	token, _ := w.Login(s, "ming")
	s.Post("/v1/card-ext", token, apptest.CardIDs(cardID)).Is(b, http.StatusOK)
	fields := func(format string, size int) string {
		var text strings.Builder
		for i := 0; text.Len() < size; i++ {
			fmt.Fprintf(&text, format, i)
		}
		return strings.TrimSuffix(text.String(), ",")
	}
	xml, hash := "<xml>"+fields("<A>%d</A>", 60_000), strings.Repeat("a", 40)
	const push = "/wechat/callback?timestamp=1700000000&nonce=1&encrypt_type=aes&"
	for _, bench := range []struct {
		name, method, path, token, body string
		status                          int
	}{
		{"honest card-ext", "POST", "/v1/card-ext", token, `{"cards":[{"card_id":"` + cardID + `"}]}`, 200},
		{"honest me", "GET", "/v1/me", token, "", 200},
		{"unknown fields, 60 KB", "POST", "/v1/session", "", `{"code":"a",` + fields(`"a%d":0,`, 60_000) + "}", 422},
		{"unknown fields, 2 KB", "POST", "/v1/session", "", `{"code":"a",` + fields(`"a%d":0,`, 2000) + "}", 422},
		{"long text, 60 KB", "POST", "/v1/session", "", `{"code":"` + strings.Repeat("a", 60_000) + `"}`, 422},
		{"deep lists, 60 KB", "POST", "/v1/session", "", strings.Repeat("[", 60_000), 400},
		{"no JSON, 60 KB", "POST", "/v1/session", "", strings.Repeat("x", 60_000), 400},
		{"claims, 10 with unknown fields, 60 KB", "POST", "/v1/claims", token, `{"cardList":[{` + fields(`"a%d":0,`, 60_000) + "}]}", 422},
		{"no session, 60 KB", "POST", "/v1/claims", "x.y.z", `{"cardList":[{` + fields(`"a%d":0,`, 60_000) + "}]}", 401},
		{"long token", "GET", "/v1/me", strings.Repeat("a", 12_000), "", 401},
		{"long query", "GET", "/v1/me?" + strings.Repeat("a&", 6000), token, "", 422},
		{"forged push, 60 KB of XML", "POST", push + "signature=" + hash, "", xml, 403},
		{"unproved push, 60 KB of XML", "POST", push + "msg_signature=" + hash, "", xml, 403},
		{"unknown route, 60 KB", "POST", "/nope", "", fields("%d", 60_000), 404},
		{"documentation bundle", "GET", "/docs/swagger-ui-bundle.js", "", "", 200},
		{"documentation bundle, compressed", "GET", "/docs/swagger-ui-bundle.js", "gzip", "", 200},
		{"OpenAPI", "GET", "/openapi.json", "", "", 200},
	} {
		b.Run(bench.name, func(b *testing.B) {
			client := &http.Client{Transport: &http.Transport{DisableCompression: true}}
			size := 0
			for b.Loop() {
				req, err := http.NewRequestWithContext(context.Background(), bench.method, s.Public+bench.path, bytes.NewReader([]byte(bench.body)))
				if err != nil {
					b.Fatal(err)
				}
				req.Header.Set("Content-Type", "application/json")
				if bench.token == "gzip" {
					req.Header.Set("Accept-Encoding", "gzip")
				} else if bench.token != "" {
					req.Header.Set("Authorization", "Bearer "+bench.token)
				}
				resp, err := client.Do(req)
				if err != nil {
					b.Fatal(err)
				}
				n, _ := io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
				if size = int(n); resp.StatusCode != bench.status {
					b.Fatalf("got %d, want %d", resp.StatusCode, bench.status)
				}
			}
			b.ReportMetric(float64(size), "B/answer")
		})
	}
}
