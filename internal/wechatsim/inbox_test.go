package wechatsim_test

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/binary"
	"encoding/xml"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/addcard/addcard/internal/wechatsim"
	"github.com/addcard/addcard/internal/wechatsim/push"
)

const (
	pushToken = "AAAAA"
	pushKey   = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
)

// inbox is a merchant's callback that keeps every push.
type inbox struct {
	*httptest.Server
	mu     sync.Mutex
	got    []received
	answer func(n int, w http.ResponseWriter) // n counts from 0
}

type received struct {
	query url.Values
	body  string
}

func newInbox(t *testing.T, answer func(n int, w http.ResponseWriter)) *inbox {
	t.Helper()
	in := &inbox{answer: answer}
	in.Server = httptest.NewServer(in)
	t.Cleanup(in.Close)
	return in
}

func (in *inbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet {
		io.WriteString(w, r.URL.Query().Get("echostr"))
		return
	}
	body, _ := io.ReadAll(r.Body)
	in.mu.Lock()
	n := len(in.got)
	in.got = append(in.got, received{r.URL.Query(), string(body)})
	in.mu.Unlock()
	if in.answer != nil {
		in.answer(n, w)
		return
	}
	io.WriteString(w, "success")
}

func (in *inbox) pushes() []received {
	in.mu.Lock()
	defer in.mu.Unlock()
	return append([]received{}, in.got...)
}

// element returns one element of a push without the white space around it.
func (l received) element(name string) (string, bool) {
	d := xml.NewDecoder(strings.NewReader(l.body))
	for {
		token, err := d.Token()
		if err != nil {
			return "", false
		}
		if start, ok := token.(xml.StartElement); ok && start.Name.Local == name {
			var text string
			if err := d.DecodeElement(&text, &start); err != nil {
				return "", false
			}
			return strings.TrimSpace(text), true
		}
	}
}

func (l received) text(name string) string { text, _ := l.element(name); return text }

// events returns the pushes as Event:UserCardCode.
func (in *inbox) events() []string {
	var out []string
	for _, l := range in.pushes() {
		out = append(out, l.text("Event")+":"+l.text("UserCardCode"))
	}
	return out
}

// openEnvelope decrypts what a push holds in Encrypt.
func openEnvelope(t *testing.T, sealed, key string) (message, appID string) {
	t.Helper()
	aesKey, err := base64.StdEncoding.DecodeString(key + "=")
	if err != nil {
		t.Fatal(err)
	}
	data, err := base64.StdEncoding.DecodeString(sealed)
	if err != nil || len(data)%32 != 0 {
		t.Fatalf("Encrypt is %d bytes: %v", len(data), err)
	}
	block, err := aes.NewCipher(aesKey)
	if err != nil {
		t.Fatal(err)
	}
	cipher.NewCBCDecrypter(block, aesKey[:16]).CryptBlocks(data, data)
	data = data[:len(data)-int(data[len(data)-1])]
	n := binary.BigEndian.Uint32(data[16:20])
	return string(data[20 : 20+n]), string(data[20+n:])
}

// pushRig returns a rig that sends its events to an inbox in plaintext mode.
func pushRig(t *testing.T, g wechatsim.Assumptions, answer func(int, http.ResponseWriter)) (*rig, *inbox) {
	t.Helper()
	in := newInbox(t, answer)
	return newRig(t, wechatsim.Options{Assumptions: g, Callback: push.Callback{URL: in.URL + "/cb?tenant=1", Token: pushToken}}), in
}

// waitEvents blocks until every event so far was delivered or given up.
func (r *rig) waitEvents() {
	r.t.Helper()
	if err := r.sim.WaitEvents(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
}
