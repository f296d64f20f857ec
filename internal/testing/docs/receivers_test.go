package docs

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/testing/process"
)

// The two keys of an endpoint whose secret was rotated. A receiver has one of them.
var (
	currentKey  = []byte("the key that a receiver has: 32.")
	previousKey = []byte("the one before, or after: 24")
)

// signed is a request as the Standard Webhooks specification has it. It is written from
// the specification alone, and shares no code with addcard.
type signed struct {
	id, body string
	sentAt   time.Time
	keys     [][]byte // each makes one signature
}

func (s signed) header() http.Header {
	seconds := strconv.FormatInt(s.sentAt.Unix(), 10)
	var signatures []string
	for _, key := range s.keys {
		mac := hmac.New(sha256.New, key)
		_, _ = mac.Write([]byte(s.id + "." + seconds + "." + s.body))
		signatures = append(signatures, "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
	h := http.Header{}
	h.Set("Content-Type", "application/json")
	h.Set("webhook-id", s.id)
	h.Set("webhook-timestamp", seconds)
	h.Set("webhook-signature", strings.Join(signatures, " "))
	return h
}

// The receivers of the documentation accept what addcard sends and nothing else, and
// handle each event once.
func TestReceivers_VerifyWhatTheyHandle(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]struct {
		program, pkg string
		args         func(dir, port string) []string
	}{
		"go":     {"go", "", func(dir, _ string) []string { return []string{buildReceiver(t, dir)} }},
		"node":   {"node", "nodejs", func(string, string) []string { return []string{"node", "receiver.mjs"} }},
		"php":    {"php", "php-cli", func(_, port string) []string { return []string{"php", "-S", "127.0.0.1:" + port, "receiver.php"} }},
		"python": {"python3", "python3", func(string, string) []string { return []string{"python3", "receiver.py"} }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := exec.LookPath(r.program); err != nil {
				t.Fatalf("%s is missing; on Debian: apt-get install %s", r.program, r.pkg)
			}
			startReceiver(t, r.args).verifies()
		})
	}
}

// buildReceiver compiles the receiver, because `go run` leaves its child running when it
// is killed.
func buildReceiver(t *testing.T, dir string) string {
	t.Helper()
	binary := filepath.Join(dir, "receiver")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "receiver.go")
	cmd.Dir = receivers
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build receiver.go: %v\n%s", err, out)
	}
	return binary
}

const receivers = root + "/docs/webhooks"

// receiver is a running receiver.
type receiver struct {
	t   *testing.T
	url string
	out *output
}

func startReceiver(t *testing.T, args func(dir, port string) []string) *receiver {
	t.Helper()
	dir, addr := t.TempDir(), process.FreeAddr(t)
	port := strings.TrimPrefix(addr, "127.0.0.1:")
	line := args(dir, port)
	cmd := exec.CommandContext(t.Context(), line[0], line[1:]...)
	cmd.Dir = receivers
	cmd.Env = append(os.Environ(), "PORT="+port, "TMPDIR="+dir,
		"WEBHOOK_SECRET=whsec_"+base64.StdEncoding.EncodeToString(currentKey))
	cmd.SysProcAttr = process.DieWithTest(syscall.SIGKILL)
	r := &receiver{t: t, url: "http://" + addr + "/addcard", out: &output{}}
	cmd.Stdout, cmd.Stderr = r.out, r.out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
	})
	deadline := time.After(patience)
	for !answers(addr) {
		select {
		case <-time.After(10 * time.Millisecond):
		case err := <-ended:
			ended <- err
			t.Fatalf("%s ended: %v\n%s", line, err, r.out)
		case <-deadline:
			t.Fatalf("%s does not listen:\n%s", line, r.out)
		}
	}
	return r
}

func answers(addr string) bool {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}

// verifies sends the table of requests.
func (r *receiver) verifies() {
	r.t.Helper()
	now := time.Now()
	event := func(name string) signed { return signed{name, body(name), now, [][]byte{currentKey}} }
	edited := func(name string, edit func(*signed)) signed { s := event(name); edit(&s); return s }
	header := func(s signed, name, value string) http.Header { h := s.header(); h.Set(name, value); return h }
	signature := func(name string) string { return event(name).header().Get("webhook-signature") }
	retimed := edited("retimed", func(s *signed) { s.sentAt = now.Add(-6 * time.Minute) })
	good := event("good")
	for _, c := range []struct {
		name   string
		header http.Header
		body   string
		status int
	}{
		{"good", good.header(), good.body, 204},
		{"replayed", good.header(), good.body, 204},
		{"sent again with a new timestamp", edited("good", func(s *signed) { s.sentAt = now.Add(time.Second) }).header(), good.body, 204},
		{"a little late", edited("late", func(s *signed) { s.sentAt = now.Add(-4 * time.Minute) }).header(), body("late"), 204},
		{"the new secret first", edited("first", func(s *signed) { s.keys = [][]byte{previousKey, currentKey} }).header(), body("first"), 204},
		{"the new secret last", edited("last", func(s *signed) { s.keys = [][]byte{currentKey, previousKey} }).header(), body("last"), 204},
		{"another version besides", header(event("v1a"), "webhook-signature", "v1a,AAAA "+signature("v1a")), body("v1a"), 204},
		{"spaces and letters in the body", event("zh").header(), body("zh"), 204},

		{"from the future", edited("new", func(s *signed) { s.sentAt = now.Add(6 * time.Minute) }).header(), body("new"), 400},
		{"too old", retimed.header(), retimed.body, 400},
		{"too old with a new timestamp", header(retimed, "webhook-timestamp", strconv.FormatInt(now.Unix(), 10)), retimed.body, 400},
		{"no time", header(event("untimed"), "webhook-timestamp", ""), body("untimed"), 400},
		{"no number as a time", header(event("soon"), "webhook-timestamp", "soon"), body("soon"), 400},
		{"no id", header(event("anonymous"), "webhook-id", ""), body("anonymous"), 400},
		{"another id", header(event("renamed"), "webhook-id", "other"), body("renamed"), 400},
		{"another body", event("changed").header(), body("changed") + " ", 400},
		{"another secret", edited("forged", func(s *signed) { s.keys = [][]byte{previousKey} }).header(), body("forged"), 400},
		{"an empty key", edited("empty", func(s *signed) { s.keys = [][]byte{{}} }).header(), body("empty"), 400},
		{"the start of the signature", header(event("cut"), "webhook-signature", signature("cut")[:20]), body("cut"), 400},
		{"no signature", header(event("unsigned"), "webhook-signature", ""), body("unsigned"), 400},
		{"no version", header(event("bare"), "webhook-signature", strings.TrimPrefix(signature("bare"), "v1,")), body("bare"), 400},
		{"no header at all", http.Header{}, body("none"), 400},
	} {
		if got := r.post(c.header, c.body); got != c.status {
			r.t.Errorf("%s: %d, want %d", c.name, got, c.status)
		}
	}
	r.printed("good", "late", "first", "last", "v1a", "zh")
	if r.t.Failed() {
		r.t.Logf("%s", r.out)
	}
}

// body returns a body whose bytes no program writes in the same way by itself.
func body(name string) string {
	return fmt.Sprintf(`{"type":"entry.created",  "timestamp":"2026-11-30T08:00:00Z","data":{"event":"%s","bonus":1.0e2,"record":"消费\u003c30/元"}}`, name)
}

func (r *receiver) post(h http.Header, body string) (status int) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodPost, r.url, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header = h
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatalf("%v\n%s", err, r.out)
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}

// printed checks that the receiver has printed one line for each of these events, in this
// order, and no other. Its output may come a moment after its answer.
func (r *receiver) printed(events ...string) {
	r.t.Helper()
	want := strings.Join(events, " ")
	var got string
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		var found []string
		for line := range strings.Lines(r.out.String()) {
			if data, ok := strings.CutPrefix(line, "entry.created "); ok {
				name, _, _ := strings.Cut(strings.SplitN(strings.ReplaceAll(data, " ", ""), `"event":"`, 2)[1], `"`)
				found = append(found, name)
			}
		}
		if got = strings.Join(found, " "); got == want {
			return
		}
	}
	r.t.Errorf("the receiver has printed %q, want %q", got, want)
}
