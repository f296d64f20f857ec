package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// send sends a webhook to a receiver, signed with the key, and returns the status.
func (r *receiver) send(t *testing.T, key, id string, at time.Time, body string) int {
	t.Helper()
	seconds := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(id + "." + seconds + "." + body))
	req := httptest.NewRequest(http.MethodPost, r.path+"webhooks", strings.NewReader(body))
	req.Header.Set("webhook-id", id)
	req.Header.Set("webhook-timestamp", seconds)
	req.Header.Set("webhook-signature", "v1,AAAA v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	w := httptest.NewRecorder()
	r.handler().ServeHTTP(w, req)
	return w.Code
}

func (r *receiver) answerAs(t *testing.T, mode string) int {
	t.Helper()
	w := httptest.NewRecorder()
	r.handler().ServeHTTP(w, httptest.NewRequest(http.MethodPut, r.path+"mode/"+mode, nil))
	return w.Code
}

const entryEvent = `{"type":"entry.created","timestamp":"2026-11-30T08:00:00Z","data":{"card_id":"pC","code":"1","member_id":"m",` +
	`"add_bonus":-30,"bonus":120,"add_balance":1250,"balance":2000}}`

func TestReceiver_PrintsALineForEachEvent(t *testing.T) {
	t.Parallel()
	c := newCRM()
	c.key = []byte("secret")
	var out bytes.Buffer
	now := time.Now()
	for _, w := range []struct {
		key, id string
		at      time.Time
		status  int
	}{
		{"secret", "evt_1", now, 204},
		{"secret", "evt_1", now.Add(time.Second), 204},
		{"other", "evt_2", now, 400},
		{"secret", "evt_3", now.Add(-time.Hour), 400},
	} {
		if got := c.send(t, w.key, w.id, w.at, entryEvent); got != w.status {
			t.Errorf("%v: %d", w, got)
		}
		c.follow(&out) // the first line waits for it
	}
	want := `CRM: entry.created member m card pC code 1: -30 points, now 120: +1250 fen, now 2000
CRM: entry.created came again as evt_1: ignored
CRM: refused: webhook-signature is not of the CRM's secret
CRM: refused: webhook-id or webhook-timestamp is missing, or it is too old
`
	if out.String() != want {
		t.Errorf("it prints\n%swant\n%s", out.String(), want)
	}
}

func TestReceiver_TheTillShowsWhatIsOnTheCard(t *testing.T) {
	t.Parallel()
	till := newTill()
	till.key = []byte("secret")
	var out bytes.Buffer
	till.follow(&out)
	if got := till.send(t, "secret", "evt_1", time.Now(), entryEvent); got != http.StatusNoContent {
		t.Errorf("it answers %d", got)
	}
	if want := "till: 1 has 120 points and ¥20.00\n"; out.String() != want {
		t.Errorf("it prints %q, want %q", out.String(), want)
	}
}

// Before it is an endpoint, a receiver has no secret, and accepts nothing.
func TestReceiver_WithoutASecretAcceptsNothing(t *testing.T) {
	t.Parallel()
	if got := newCRM().send(t, "", "evt_1", time.Now(), entryEvent); got != http.StatusBadRequest {
		t.Errorf("it answers %d", got)
	}
}

func TestReceiver_FailsAsItIsTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCRM()
		c.key = []byte("secret")
		for _, m := range []struct {
			mode   string
			status int
		}{{"fail", 500}, {"redirect", 302}, {"gone", 410}, {"slow", 200}, {"ok", 204}} {
			if got := c.answerAs(t, m.mode); got != http.StatusOK {
				t.Errorf("the mode %s: %d", m.mode, got)
			}
			began := time.Now()
			if got := c.send(t, "secret", "evt_1", began, entryEvent); got != m.status {
				t.Errorf("%s: %d, want %d", m.mode, got, m.status)
			}
			if waited := time.Since(began); waited > 10*time.Second != (m.mode == "slow") {
				t.Errorf("%s: it answers after %v", m.mode, waited)
			}
		}
		if got := c.answerAs(t, "upside-down"); got != http.StatusNotFound {
			t.Errorf("an unknown mode: %d", got)
		}
		if want := "entry.created member m card pC code 1"; !strings.HasPrefix(c.lines[len(c.lines)-1], want) {
			t.Errorf("what failed was handled: %q", c.lines)
		}
	})
}
