package admin_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/addcard/addcard/internal/testing/apptest"
	"github.com/addcard/addcard/internal/wechatsim"
)

// A message that WeChat refuses is parked until the operator retries it.
func TestOutbox_ParkedShownAndRetried(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	cardID := w.Card()
	s := w.Serve()
	_, code := w.Claim(s, "ming", cardID)
	w.WaitTotals("ming", 0, 0)
	if err := w.Sim.AddFault(wechatsim.Fault{Path: "/card/membercard/updateuser", ErrCode: 45021}); err != nil {
		t.Fatal(err)
	}
	e := s.AddEntry(apptest.EntriesPath(cardID, code), "k1", `{"add_bonus":30}`).Entry(t)
	s.AddEntry(apptest.EntriesPath(cardID, code), "k2", `{"add_bonus":12}`).Entry(t)
	w.WaitTotals("ming", 42, 0)
	dead := s.Outbox("?state=dead")
	if len(dead) != 1 || dead[0].ID != e.ID || dead[0].Kind != "entry" || dead[0].Attempts != 1 || dead[0].Code != code ||
		!strings.Contains(dead[0].LastError, "45021") {
		t.Fatalf("parked: %+v", dead)
	}
	for query, want := range map[string]int{"code=" + code: 1, "code=other": 0, "error_contains=45021": 1, "error_contains=45022": 0} {
		var page struct {
			Messages         []struct{ Errcode int64 }
			Counts, Matching struct{ Dead int }
		}
		s.Operate("GET", "/v1/outbox?state=dead&"+query, "").Is(t, http.StatusOK).JSON(t, &page)
		if len(page.Messages) != want || page.Matching.Dead != want || page.Counts.Dead != 1 || want == 1 && page.Messages[0].Errcode != 45021 {
			t.Errorf("%s: got %+v", query, page)
		}
	}
	var one struct {
		Message struct{ ID, State string }
		History []struct {
			Outcome, Text string
			Attempts      int64
		}
	}
	s.Operate("GET", "/v1/outbox/"+e.ID, "").Is(t, http.StatusOK).JSON(t, &one)
	if h := one.History; one.Message.ID != e.ID || one.Message.State != "dead" || len(h) != 1 || h[0].Outcome != "dead" ||
		h[0].Attempts != 1 || !strings.Contains(h[0].Text, "45021") {
		t.Errorf("got %+v", one)
	}
	s.Operate("GET", "/v1/outbox/none", "").Problem(t, 404, "message_not_found")
	apptest.Eventually(t, "nothing waits", func() bool { return len(s.Outbox("?state=waiting")) == 0 })
	if got := s.Operate("POST", "/v1/outbox/"+e.ID+"/retry", ""); got.Status != http.StatusAccepted {
		t.Errorf("retry: %d %s", got.Status, got.Body)
	}
	apptest.Eventually(t, "it is sent", func() bool { return len(s.Outbox("")) == 0 })
	if got, want := apptest.Messages(w.WaitTotals("ming", 42, 0)), "bonus +12 42 ; bonus +30 42 "; got != want {
		t.Errorf("messages: %s, want %s", got, want)
	}
	s.Operate("POST", "/v1/outbox/"+e.ID+"/retry", "").Problem(t, 404, "message_not_found")
	for query, field := range map[string]string{"state=sent": "query.state", "limit=0": "query.limit", "cursor=eA": "query.cursor"} {
		if p := s.Operate("GET", "/v1/outbox?"+query, "").Problem(t, 422, "invalid_input"); len(p.Errors) != 1 || p.Errors[0].Location != field {
			t.Errorf("%s: %+v", query, p.Errors)
		}
	}
	metrics := s.Operate("GET", "/metrics", "")
	for _, line := range []string{`addcard_outbox_sent_total{kind="entry",outcome="dead"} 1`,
		`addcard_outbox_sent_total{kind="entry_again",outcome="done"} 1`} {
		if !strings.Contains(string(metrics.Body), line) {
			t.Errorf("/metrics lacks %s", line)
		}
	}
}

// Ten thousand messages that WeChat refused for one reason are retried in one action.
func TestOutbox_ManyAreRetriedInOneAction(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	cardID := w.Card()
	s := w.Serve()
	_, code := w.Claim(s, "ming", cardID)
	w.WaitTotals("ming", 0, 0)
	const n = 3
	if err := w.Sim.AddFault(wechatsim.Fault{Path: "/card/membercard/updateuser", ErrCode: 45021, Times: n}); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		s.AddEntry(apptest.EntriesPath(cardID, code), fmt.Sprint("k", i), `{"add_bonus":5}`).Entry(t)
	}
	apptest.Eventually(t, "they are parked", func() bool { return len(s.Outbox("?state=dead&kind=entry&card_id="+cardID)) == n })
	retry := func(body string) retryJob {
		t.Helper()
		var out struct{ Job retryJob }
		s.Operate("POST", "/v1/outbox/retry", body).Is(t, http.StatusAccepted).JSON(t, &out)
		return out.Job
	}
	ended := func(j retryJob) retryJob {
		t.Helper()
		apptest.Eventually(t, "the job ends", func() bool {
			var out struct{ Job retryJob }
			s.Operate("GET", "/v1/outbox/retry/"+j.ID, "").Is(t, http.StatusOK).JSON(t, &out)
			j = out.Job
			return j.State == "done"
		})
		return j
	}
	if j := ended(retry(`{"error_contains":"45022"}`)); j.Total != 0 || j.Done != 0 || len(s.Outbox("?state=dead")) != n {
		t.Errorf("of another reason: %+v", j)
	}
	if j := ended(retry(`{"error_contains":"45021","kind":"entry"}`)); j.Total != n || j.Done != n || j.Failed != 0 || j.Actor != "owner" {
		t.Errorf("got %+v", j)
	}
	w.WaitTotals("ming", 5*n, 0)
	apptest.Eventually(t, "all are sent", func() bool { return len(s.Outbox("")) == 0 })
	for body, field := range map[string]string{
		`{"state":"sent"}`: "body.state", `{"ids":[]}`: "body.ids", `{"ids":["a"],"kind":"k"}`: "body.ids",
		`{"before":"soon"}`: "body.before", `{"ids":[` + strings.Repeat(`"a",`, 1000) + `"a"]}`: "body.ids", `{"why":"x"}`: "body.why",
	} {
		p := s.Operate("POST", "/v1/outbox/retry", body).Problem(t, 422, "invalid_input")
		if len(p.Errors) == 0 || p.Errors[0].Location != field {
			t.Errorf("%.50s: %+v", body, p.Errors)
		}
	}
	for _, method := range []string{"GET", "DELETE"} {
		s.Operate(method, "/v1/outbox/retry/none", "").Problem(t, 404, "message_not_found")
	}
}

type retryJob struct {
	ID, State, Actor    string
	Total, Done, Failed int64
}
