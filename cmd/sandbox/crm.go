package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/addcard/addcard/cmd/internal/command"
)

// crmPath is where the sandbox's CRM is, on WeChat's listener. crmName is its endpoint's
// description.
const (
	crmPath = "/_crm/"
	crmName = "the sandbox's CRM"
)

// crmModes are the ways in which the CRM can answer, to see what the server does then.
var crmModes = map[string]string{
	"ok": "204", "fail": "500", "slow": "nothing for 15 seconds", "redirect": "302", "gone": "410, which switches the endpoint off",
}

// crm is a program of the shop that listens to webhooks, as a CRM or a till does. It
// shares no code with the server. It is safe for concurrent use.
type crm struct {
	mu    sync.Mutex
	key   []byte
	mode  string
	seen  map[string]bool // by webhook-id
	lines []string        // that wait for out
	out   io.Writer       // or nil
}

func newCRM() *crm { return &crm{mode: "ok", seen: map[string]bool{}} }

// crmEvent is what the CRM reads of a webhook.
type crmEvent struct {
	Type string `json:"type"`
	Data struct {
		MemberID   string `json:"member_id"`
		CardID     string `json:"card_id"`
		Code       string `json:"code"`
		AddBonus   int64  `json:"add_bonus"`
		Bonus      int64  `json:"bonus"`
		AddBalance int64  `json:"add_balance"` // in fen, as Balance
		Balance    int64  `json:"balance"`
	} `json:"data"`
}

// String returns a line about the event.
func (e crmEvent) String() string {
	d := e.Data
	words := []string{e.Type}
	for _, field := range []struct{ name, value string }{{"member", d.MemberID}, {"card", d.CardID}, {"code", d.Code}} {
		if field.value != "" {
			words = append(words, field.name, field.value)
		}
	}
	line := strings.Join(words, " ")
	if d.AddBonus != 0 {
		line += fmt.Sprintf(": %+d points, now %d", d.AddBonus, d.Bonus)
	}
	if d.AddBalance != 0 {
		line += fmt.Sprintf(": %+d fen, now %d", d.AddBalance, d.Balance)
	}
	return line
}

// handler returns the handler of crmPath.
func (c *crm) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+crmPath+"webhooks", c.receive)
	mux.HandleFunc("PUT "+crmPath+"mode/{mode}", c.setMode)
	return mux
}

func (c *crm) setMode(w http.ResponseWriter, r *http.Request) {
	mode := r.PathValue("mode")
	answer, ok := crmModes[mode]
	if !ok {
		http.Error(w, "the modes are "+strings.Join(slices.Sorted(maps.Keys(crmModes)), ", "), http.StatusNotFound)
		return
	}
	c.mu.Lock()
	c.mode = mode
	c.mu.Unlock()
	_, _ = fmt.Fprintf(w, "The CRM answers %s.\n", answer)
}

// receive answers a webhook as the mode says.
func (c *crm) receive(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	var event crmEvent
	if err == nil {
		err = c.read(r.Header, body, &event)
	}
	if err != nil {
		c.print("refused: " + err.Error())
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	mode := c.mode
	c.mu.Unlock()
	if mode == "ok" {
		c.handle(r.Header.Get("webhook-id"), event)
		w.WriteHeader(http.StatusNoContent)
		return
	}
	c.print(event.Type + ": answering " + crmModes[mode])
	switch mode {
	case "fail":
		w.WriteHeader(http.StatusInternalServerError)
	case "slow":
		select {
		case <-time.After(15 * time.Second):
		case <-r.Context().Done():
		}
	case "redirect":
		w.Header().Set("Location", crmPath+"elsewhere")
		w.WriteHeader(http.StatusFound)
	case "gone":
		w.WriteHeader(http.StatusGone)
	}
}

// read verifies a webhook after the Standard Webhooks specification.
func (c *crm) read(h http.Header, body []byte, event *crmEvent) error {
	id, timestamp := h.Get("webhook-id"), h.Get("webhook-timestamp")
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil || id == "" || time.Since(time.Unix(seconds, 0)).Abs() > 5*time.Minute {
		return errors.New("webhook-id or webhook-timestamp is missing, or it is too old")
	}
	c.mu.Lock()
	mac := hmac.New(sha256.New, c.key)
	signable := len(c.key) > 0
	c.mu.Unlock()
	_, _ = fmt.Fprintf(mac, "%s.%s.%s", id, timestamp, body)
	want := []byte("v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	for signature := range strings.FieldsSeq(h.Get("webhook-signature")) {
		if signable && hmac.Equal([]byte(signature), want) {
			return json.Unmarshal(body, event)
		}
	}
	return errors.New("webhook-signature is not of the CRM's secret")
}

// handle does what a CRM does with an event, once for each id.
func (c *crm) handle(id string, event crmEvent) {
	c.mu.Lock()
	again := c.seen[id]
	c.seen[id] = true
	c.mu.Unlock()
	if again {
		c.print(event.Type + " came again as " + id + ": ignored")
		return
	}
	c.print(event.String())
}

func (c *crm) print(line string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lines = append(c.lines, line)
	c.flush()
}

// flush prints the lines to out, if there is one. The caller has locked mu.
func (c *crm) flush() {
	if c.out == nil {
		return
	}
	for _, line := range c.lines {
		_ = command.Printf(c.out, "CRM: %s\n", line)
	}
	c.lines = nil
}

// follow prints to out what comes from now on, and what came since heard was called.
func (c *crm) follow(out io.Writer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out = out
	c.flush()
}

// heard returns the lines that were not printed, and forgets them, once there is one
// about the type. It blocks until then or until ctx ends.
func (c *crm) heard(ctx context.Context, kind string) ([]string, error) {
	for {
		c.mu.Lock()
		lines := slices.Clone(c.lines)
		if slices.ContainsFunc(lines, func(line string) bool { return strings.HasPrefix(line, kind) }) {
			c.lines = nil
			c.mu.Unlock()
			return lines, nil
		}
		c.mu.Unlock()
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return nil, fmt.Errorf("the CRM has not heard of %s, but of %q", kind, lines)
		}
	}
}

// connectCRM makes the CRM an endpoint of the server. It replaces the one of an earlier
// run on the same database.
func (sb *sandbox) connectCRM(ctx context.Context) error {
	operator := &player{base: "http://" + sb.app.AdminAddr(), token: sb.adminToken}
	var list struct {
		Webhooks []struct{ ID, Description string }
	}
	if err := operator.call(ctx, http.MethodGet, "/v1/webhooks", nil, &list); err != nil {
		return err
	}
	for _, old := range list.Webhooks {
		if old.Description != crmName {
			continue
		}
		if err := operator.call(ctx, http.MethodDelete, "/v1/webhooks/"+url.PathEscape(old.ID), nil, nil); err != nil {
			return err
		}
	}
	body := map[string]any{"url": sb.wechatURL + crmPath + "webhooks", "events": []string{"*"}, "enabled": true, "description": crmName}
	var made struct{ Secret string }
	if err := operator.call(ctx, http.MethodPost, "/v1/webhooks", body, &made); err != nil {
		return err
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(made.Secret, "whsec_"))
	sb.crm.mu.Lock()
	sb.crm.key = key
	sb.crm.mu.Unlock()
	return err
}

// awaitCRM waits until the CRM has heard of the points.
func (sb *sandbox) awaitCRM(ctx context.Context, p *player) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	lines, err := sb.crm.heard(ctx, "entry.created")
	if err != nil {
		return err
	}
	p.step("a CRM that listens to webhooks has heard of it all", lines)
	return nil
}
