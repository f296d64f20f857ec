package app_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/testing/apptest"
	"github.com/addcard/addcard/internal/wechatsim"
)

// receiver is another system that gets events: what it has accepted, in order.
type receiver struct {
	t      *testing.T
	url    string
	secret string
	// answer returns the status of the answer to the nth request; nil is 204.
	answer func(n int, e received) int

	mu       sync.Mutex
	requests int
	accepted []received
}

type received struct {
	ID   string // the header webhook-id
	Body string
	Type string
	Data map[string]any
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{t: t}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	r.url = server.URL
	return r
}

// ServeHTTP verifies a request as the specification says, without addcard's code.
func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, _ := io.ReadAll(req.Body)
	id, at := req.Header.Get("webhook-id"), req.Header.Get("webhook-timestamp")
	e := received{ID: id, Body: string(body)}
	if err := json.Unmarshal(body, &e); err != nil {
		r.t.Errorf("%s: %v", body, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	key, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(r.secret, "whsec_"))
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + at + "." + string(body)))
	want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	if !slices.Contains(strings.Split(req.Header.Get("webhook-signature"), " "), want) {
		r.t.Errorf("%s is signed %q, want %q", id, req.Header.Get("webhook-signature"), want)
	}
	if seconds, err := strconv.ParseInt(at, 10, 64); err != nil || time.Since(time.Unix(seconds, 0)).Abs() > time.Minute {
		r.t.Errorf("webhook-timestamp: %q", at)
	}
	r.requests++
	status := http.StatusNoContent
	if r.answer != nil {
		status = r.answer(r.requests, e)
	}
	if status/100 == 2 {
		r.accepted = append(r.accepted, e)
	}
	if status/100 == 3 {
		w.Header().Set("Location", r.url+"/elsewhere")
	}
	w.WriteHeader(status)
}

// types returns the types of what was accepted, in order.
func (r *receiver) types() (list []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.accepted {
		list = append(list, e.Type)
	}
	return list
}

// await waits until as many events were accepted as types, and compares.
func (r *receiver) await(types ...string) []received {
	r.t.Helper()
	apptest.Eventually(r.t, strings.Join(types, " "), func() bool { return len(r.types()) >= len(types) })
	if got := r.types(); !slices.Equal(got, types) {
		r.t.Errorf("got %q, want %q", got, types)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.accepted)
}

// hooked makes the servers of w able to send to receivers on this machine.
func hooked(w *apptest.World) {
	w.Env["DATA_KEYS"] = "d1:" + base64.StdEncoding.EncodeToString([]byte("32 bytes for sealing in the test"))
	w.Env["WEBHOOK_ALLOW_PRIVATE"] = "127.0.0.0/8"
}

// subscribe adds the endpoint of a receiver and returns its ID.
func (r *receiver) subscribe(s *apptest.Server, events ...string) (id string) {
	r.t.Helper()
	got := s.Operate(http.MethodPost, "/v1/webhooks", apptest.Object{"url": r.url + "/hook?key=in-the-query", "events": events})
	var made struct{ ID, Secret string }
	got.Is(r.t, 201).JSON(r.t, &made)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.secret = made.Secret
	return made.ID
}

// What happens to a member and a card arrives, in order, signed.
func TestWebhook_TellsWhatHappens(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	hooked(w)
	s := w.Serve()
	w.Connect(s)
	r := newReceiver(t)
	r.subscribe(s, "*")
	cardID := w.NewCard(s)
	r.await("card.reviewed")
	_, code := w.Claim(s, "user1", cardID)
	r.await("card.reviewed", "member.created", "card.claimed", "card.activated")
	s.AddEntry(apptest.EntriesPath(cardID, code), "key-1", `{"add_bonus":30,"record_bonus":"<coffee>","order":"o1","store":"s1"}`).Is(t, 201)
	all := r.await("card.reviewed", "member.created", "card.claimed", "card.activated", "entry.created")
	entry := all[4]
	for field, want := range map[string]any{
		"card_id": cardID, "code": code, "member_id": all[1].Data["member_id"], "add_bonus": 30., "bonus": 30., "add_balance": 0.,
		"record_bonus": "<coffee>", "order": "o1", "store": "s1", "actor": "owner",
	} {
		if entry.Data[field] != want {
			t.Errorf("%s is %v, want %v in %s", field, entry.Data[field], want, entry.Body)
		}
	}
	if strings.Contains(w.Log(), "in-the-query") {
		t.Error("the log has the query of the URL")
	}
}
