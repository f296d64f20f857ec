package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/addcard/addcard/internal/app"
	"github.com/addcard/addcard/internal/config"
	"github.com/addcard/addcard/internal/testing/apptest"
	"github.com/addcard/addcard/internal/wechatsim"
)

// BenchmarkHTTP compares a card-ext with a request that does nothing, through
// the same router, over 32 real connections. Compare the figures of one run only,
// requests/s above all.
func BenchmarkHTTP(b *testing.B) {
	w := apptest.New(b, wechatsim.Options{})
	cardID := w.Card()
	cfg, err := config.Load(w.Environ())
	if err != nil {
		b.Fatal(err)
	}
	a, err := app.New(b.Context(), cfg, app.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	defer func() { cancel(); <-ended }()
	s := &apptest.Server{T: b, Public: "http://" + a.Addr()}

	const connections = 32
	tokens := make([]string, 4096)
	for i := range tokens {
		tokens[i], _ = w.Login(s, "user"+string(rune('a'+i%26))+string(rune('a'+i/26%26))+string(rune('a'+i/676)))
	}
	bodyOf := func(cardID string) []byte {
		body, err := json.Marshal(apptest.CardIDs(cardID))
		if err != nil {
			b.Fatal(err)
		}
		return body
	}
	issued := bodyOf(cardID)
	first := make([][]byte, 64) // each member takes each card once
	for i := range first {
		id := w.Card()
		first[i] = bodyOf(id)
		if got := s.Get("/v1/cards/"+id, ""); got.Status != 200 && got.Status != 429 {
			b.Fatalf("card: %d %s", got.Status, got.Body)
		}
	}
	var firsts atomic.Int64
	if got := s.Post("/v1/card-ext", tokens[0], apptest.CardIDs(cardID)); got.Status != 200 {
		b.Fatalf("card-ext: %d %s", got.Status, got.Body)
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections}}
	for _, bench := range []struct {
		name, path string
		request    func(i int) (token string, body []byte)
		status     int
	}{
		{"empty POST", "/healthz", func(int) (string, []byte) { return "", nil }, 405},
		{"card-ext issued", "/v1/card-ext", func(int) (string, []byte) { return tokens[0], issued }, 200},
		{"card-ext of many members", "/v1/card-ext", func(i int) (string, []byte) { return tokens[i%len(tokens)], issued }, 200},
		{"card-ext first issue, durable", "/v1/card-ext", func(int) (string, []byte) {
			i := int(firsts.Add(1))
			return tokens[i%len(tokens)], first[i/len(tokens)%len(first)]
		}, 200},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.SetParallelism(connections / 2)
			next := make(chan int, 1)
			next <- 0
			b.RunParallel(func(pb *testing.PB) {
				i := <-next
				next <- i + 131
				for ; pb.Next(); i++ {
					token, body := bench.request(i)
					req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.Public+bench.path, bytes.NewReader(body))
					if err != nil {
						b.Error(err)
						return
					}
					req.Header.Set("Content-Type", "application/json")
					req.Header.Set("Authorization", "Bearer "+token)
					resp, err := client.Do(req)
					if err != nil {
						b.Error(err)
						return
					}
					_, _ = io.Copy(io.Discard, resp.Body)
					_ = resp.Body.Close()
					if resp.StatusCode != bench.status {
						b.Errorf("got %d, want %d", resp.StatusCode, bench.status)
						return
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "req/s")
		})
	}
}
