package docs

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/testing/apptest"
	"github.com/addcard/addcard/internal/webhook"
	"github.com/addcard/addcard/internal/wechatsim"
)

// fieldsOf returns the names of the fields of a JSON object, sorted.
func fieldsOf(t *testing.T, object string) []string {
	t.Helper()
	var fields map[string]json.RawMessage
	if err := json.Unmarshal([]byte(object), &fields); err != nil {
		t.Fatalf("%s: %v", object, err)
	}
	return slices.Sorted(maps.Keys(fields))
}

// examples returns the fields of the example of each type of events on the page.
func examples(t *testing.T) map[string][]string {
	t.Helper()
	shown := map[string][]string{}
	for _, b := range readPage(t, "docs/webhooks.md").blocks {
		for _, m := range regexp.MustCompile(`(?m)^([a-z]+\.[a-z]+) (\{.*\})$`).FindAllStringSubmatch(b.text, -1) {
			shown[m[1]] = fieldsOf(t, m[2])
		}
	}
	return shown
}

// The page has a row and an example for each type of events.
func TestWebhooks_HaveARowAndAnExample(t *testing.T) {
	t.Parallel()
	rows, shown := readPage(t, "docs/webhooks.md").table(t), examples(t)
	for _, kind := range webhook.Types {
		if rows[kind] == nil || shown[kind] == nil {
			t.Errorf("%s has the row %q and an example with %q", kind, rows[kind], shown[kind])
		}
	}
	if len(shown) != len(webhook.Types) {
		t.Errorf("there are examples of %q", slices.Sorted(maps.Keys(shown)))
	}
	for _, kind := range []string{"activated", "deleted", "restored", "gifted", "unavailable"} {
		if !slices.Equal(shown["card."+kind], shown["card.claimed"]) {
			t.Errorf("card.%s has %q, want those of card.claimed", kind, shown["card."+kind])
		}
	}
}

// What a server sends has the fields of the examples.
func TestWebhooks_ExamplesAreWhatIsSent(t *testing.T) {
	t.Parallel()
	came := make(chan string, 100)
	endpoint := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		came <- string(body)
	}))
	t.Cleanup(endpoint.Close)
	w := apptest.New(t, wechatsim.Options{})
	w.Env["DATA_KEYS"] = "k:" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", 32)))
	w.Env["WEBHOOK_ALLOW_PRIVATE"] = "127.0.0.0/8"
	s := w.Serve()
	s.Operate(http.MethodPost, "/v1/webhooks", apptest.Object{"url": endpoint.URL, "events": []string{"*"}}).Is(t, http.StatusCreated)
	cardID := w.NewCard(s)
	_, code := w.Claim(s, "ming", cardID)
	s.AddEntry(apptest.EntriesPath(cardID, code), "one", `{"add_bonus":5}`).Is(t, http.StatusCreated)
	shown, want := examples(t), []string{"card.activated", "card.claimed", "entry.created", "member.created"}
	for deadline := time.After(patience); len(want) > 0; {
		select {
		case body := <-came:
			var event struct {
				Type string
				Data json.RawMessage
			}
			if err := json.Unmarshal([]byte(body), &event); err != nil {
				t.Fatal(err)
			}
			if got := fieldsOf(t, string(event.Data)); !slices.Equal(got, shown[event.Type]) {
				t.Errorf("%s has %q, the example %q", event.Type, got, shown[event.Type])
			}
			want = slices.DeleteFunc(want, func(kind string) bool { return kind == event.Type })
		case <-deadline:
			t.Fatalf("%q do not come", want)
		}
	}
}
