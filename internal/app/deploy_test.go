package app_test

import (
	"encoding/json"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/addcard/addcard/internal/testing/apptest"
	"github.com/addcard/addcard/internal/wechatsim"
)

// Dashboard and alerts in deploy/ use metrics that the server exports.
func TestDeploy_NamesMetricsThatExist(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	card := w.Card()
	s := w.Serve()
	token, _ := w.Login(s, "ming") // some metrics are there from their first event on
	got := s.Post("/v1/card-ext", token, apptest.CardIDs(card))
	taken, err := w.Sim.AddCard("ming", got.Body)
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Post("/v1/claims", token, map[string]any{"cardList": taken}); got.Status != http.StatusOK {
		t.Fatalf("claims: %d %s", got.Status, got.Body)
	}
	exported := map[string]bool{}
	apptest.Eventually(t, "the outbox has sent something", func() bool {
		for line := range strings.Lines(string(apptest.Request(t, http.MethodGet, s.Admin+"/metrics", apptest.AdminToken, nil).Body)) {
			if name, _, ok := strings.Cut(line, "{"); ok || !strings.HasPrefix(line, "#") {
				name, _, _ = strings.Cut(name, " ")
				exported[name] = true
			}
		}
		return exported["addcard_outbox_sent_total"]
	})

	dashboard, err := os.ReadFile("../../deploy/grafana/addcard.json")
	if err != nil || !json.Valid(dashboard) {
		t.Fatalf("the dashboard: %v", err)
	}
	alerts, err := os.ReadFile("../../deploy/prometheus/alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	var rules struct {
		Groups []struct {
			Rules []struct {
				Alert, Expr string
				Annotations map[string]string
			}
		}
	}
	if err := yaml.Unmarshal(alerts, &rules); err != nil || len(rules.Groups) == 0 || len(rules.Groups[0].Rules) < 5 {
		t.Fatalf("the alerts: %v, %+v", err, rules)
	}
	for _, r := range rules.Groups[0].Rules {
		if r.Alert == "" || r.Expr == "" || r.Annotations["summary"] == "" || r.Annotations["action"] == "" {
			t.Errorf("alert %q is not whole", r.Alert)
		}
	}
	name := regexp.MustCompile(`\b(addcard_[a-z_]+|process_[a-z_]+|go_goroutines)\b`)
	for file, text := range map[string][]byte{"the dashboard": dashboard, "the alerts": alerts} {
		found := name.FindAllString(string(text), -1)
		if len(found) < 5 {
			t.Errorf("%s names %d metrics", file, len(found))
		}
		for _, n := range found {
			if !exported[n] {
				t.Errorf("%s names %s, which the server does not export", file, n)
			}
		}
	}
}
