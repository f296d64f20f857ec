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

// modes are the ways in which a receiver can answer, to see what the server does then.
var modes = map[string]string{
	"ok": "204", "fail": "500", "slow": "nothing for 15 seconds", "redirect": "302", "gone": "410, which switches the endpoint off",
}

// receiver is a program of the shop that listens to webhooks. It shares no code with the
// server. It is safe for concurrent use.
type receiver struct {
	name   string // before each line that it prints
	path   string // on WeChat's listener
	events []string
	say    func(event) string // returns what it prints about an event

	mu    sync.Mutex
	key   []byte
	mode  string
	seen  map[string]bool // by webhook-id
	lines []string        // that wait for out
	out   io.Writer       // or nil
}

// newCRM returns a CRM, which prints what happens to members.
func newCRM() *receiver {
	return &receiver{name: "CRM", path: "/_crm/", events: []string{"*"}, say: event.String, mode: "ok", seen: map[string]bool{}}
}

// newTill returns a till, which shows what is on a card.
func newTill() *receiver {
	return &receiver{name: "till", path: "/_till/", events: []string{"entry.created"}, say: event.totals, mode: "ok", seen: map[string]bool{}}
}

// event is what a receiver reads of a webhook.
type event struct {
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
func (e event) String() string {
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

// totals returns a line about what is on the card after an entry.
func (e event) totals() string {
	return fmt.Sprintf("%s has %d points and ¥%d.%02d", e.Data.Code, e.Data.Bonus, e.Data.Balance/100, e.Data.Balance%100)
}

// handler returns the handler of the receiver's path.
func (r *receiver) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+r.path+"webhooks", r.receive)
	mux.HandleFunc("PUT "+r.path+"mode/{mode}", r.setMode)
	return mux
}

func (r *receiver) setMode(w http.ResponseWriter, req *http.Request) {
	mode := req.PathValue("mode")
	answer, ok := modes[mode]
	if !ok {
		http.Error(w, "the modes are "+strings.Join(slices.Sorted(maps.Keys(modes)), ", "), http.StatusNotFound)
		return
	}
	r.mu.Lock()
	r.mode = mode
	r.mu.Unlock()
	_, _ = fmt.Fprintf(w, "The %s answers %s.\n", r.name, answer)
}

// receive answers a webhook as the mode says.
func (r *receiver) receive(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, 1<<20))
	var e event
	if err == nil {
		err = r.read(req.Header, body, &e)
	}
	if err != nil {
		r.print("refused: " + err.Error())
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	mode := r.mode
	r.mu.Unlock()
	if mode == "ok" {
		r.handle(req.Header.Get("webhook-id"), e)
		w.WriteHeader(http.StatusNoContent)
		return
	}
	r.print(e.Type + ": answering " + modes[mode])
	switch mode {
	case "fail":
		w.WriteHeader(http.StatusInternalServerError)
	case "slow":
		select {
		case <-time.After(15 * time.Second):
		case <-req.Context().Done():
		}
	case "redirect":
		w.Header().Set("Location", r.path+"elsewhere")
		w.WriteHeader(http.StatusFound)
	case "gone":
		w.WriteHeader(http.StatusGone)
	}
}

// read verifies a webhook after the Standard Webhooks specification.
func (r *receiver) read(h http.Header, body []byte, e *event) error {
	id, timestamp := h.Get("webhook-id"), h.Get("webhook-timestamp")
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil || id == "" || time.Since(time.Unix(seconds, 0)).Abs() > 5*time.Minute {
		return errors.New("webhook-id or webhook-timestamp is missing, or it is too old")
	}
	r.mu.Lock()
	mac := hmac.New(sha256.New, r.key)
	signable := len(r.key) > 0
	r.mu.Unlock()
	_, _ = fmt.Fprintf(mac, "%s.%s.%s", id, timestamp, body)
	want := []byte("v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	for signature := range strings.FieldsSeq(h.Get("webhook-signature")) {
		if signable && hmac.Equal([]byte(signature), want) {
			return json.Unmarshal(body, e)
		}
	}
	return errors.New("webhook-signature is not of the " + r.name + "'s secret")
}

// handle prints an event, once for each id.
func (r *receiver) handle(id string, e event) {
	r.mu.Lock()
	again := r.seen[id]
	r.seen[id] = true
	r.mu.Unlock()
	if again {
		r.print(e.Type + " came again as " + id + ": ignored")
		return
	}
	r.print(r.say(e))
}

func (r *receiver) print(line string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, line)
	r.flush()
}

// flush prints the lines to out, if there is one. The caller has locked mu.
func (r *receiver) flush() {
	if r.out == nil {
		return
	}
	for _, line := range r.lines {
		_ = command.Printf(r.out, "%s: %s\n", r.name, line)
	}
	r.lines = nil
}

// follow prints to out what comes from now on, and what came since heard was called.
func (r *receiver) follow(out io.Writer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.out = out
	r.flush()
}

// heard returns the lines that were not printed, and forgets them, once there is one with
// the word. It blocks until then or until ctx ends.
func (r *receiver) heard(ctx context.Context, word string) ([]string, error) {
	for {
		r.mu.Lock()
		lines := slices.Clone(r.lines)
		if slices.ContainsFunc(lines, func(line string) bool { return strings.Contains(line, word) }) {
			r.lines = nil
			r.mu.Unlock()
			return lines, nil
		}
		r.mu.Unlock()
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return nil, fmt.Errorf("the %s has not heard of %s, but of %q", r.name, word, lines)
		}
	}
}

// connect makes the receivers endpoints of the server. They replace those of an earlier
// run on the same database.
func (sb *sandbox) connect(ctx context.Context) error {
	operator := &player{base: "http://" + sb.app.AdminAddr(), token: sb.adminToken}
	var list struct {
		Webhooks []struct{ ID, Description string }
	}
	if err := operator.call(ctx, http.MethodGet, "/v1/webhooks", nil, &list); err != nil {
		return err
	}
	for _, r := range sb.receivers {
		description := "the sandbox's " + r.name
		for _, old := range list.Webhooks {
			if old.Description != description {
				continue
			}
			if err := operator.call(ctx, http.MethodDelete, "/v1/webhooks/"+url.PathEscape(old.ID), nil, nil); err != nil {
				return err
			}
		}
		body := map[string]any{"url": sb.wechatURL + r.path + "webhooks", "events": r.events, "enabled": true, "description": description}
		var made struct{ Secret string }
		if err := operator.call(ctx, http.MethodPost, "/v1/webhooks", body, &made); err != nil {
			return err
		}
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(made.Secret, "whsec_"))
		if err != nil {
			return err
		}
		r.mu.Lock()
		r.key = key
		r.mu.Unlock()
	}
	return nil
}

// awaitReceivers waits until the receivers have heard of the points.
func (sb *sandbox) awaitReceivers(ctx context.Context, p *player) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	heard := map[string][]string{}
	for _, r := range sb.receivers {
		lines, err := r.heard(ctx, "points")
		if err != nil {
			return err
		}
		heard[r.name] = lines
	}
	p.step("a CRM and a till that listen to webhooks have heard of it", heard)
	return nil
}
