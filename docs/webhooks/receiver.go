//go:build ignore

// Receiver prints the webhooks of addcard, after it has verified them. It is an
// example to copy from, and needs nothing but Go's standard library:
//
//	WEBHOOK_SECRET=whsec_… PORT=9000 go run receiver.go
package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

const tolerance = 5 * time.Minute // how old a request may be, and how wrong the clocks

func main() {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(os.Getenv("WEBHOOK_SECRET"), "whsec_"))
	if err != nil || len(key) == 0 {
		log.Fatal("WEBHOOK_SECRET must be the endpoint's secret: whsec_ and base64")
	}
	server := &http.Server{
		Addr:        "127.0.0.1:" + os.Getenv("PORT"),
		Handler:     &receiver{key: key, seen: map[string]bool{}},
		ReadTimeout: 10 * time.Second,
	}
	fmt.Println("listening on " + server.Addr)
	log.Fatal(server.ListenAndServe())
}

type receiver struct {
	key  []byte
	mu   sync.Mutex
	seen map[string]bool // a real receiver keeps this in its database
}

func (rc *receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// The signature is of these bytes: read them before anything parses them.
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	if err != nil || !verify(rc.key, r.Header, body) {
		http.Error(w, "bad signature", http.StatusBadRequest)
		return
	}
	if err := rc.handle(r.Header.Get("webhook-id"), body); err != nil {
		log.Print(err)
		http.Error(w, "try again later", http.StatusInternalServerError) // addcard sends it again
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// handle does the work once for each id: an event can come twice. A real receiver
// stores the id and what it does in the same transaction. It ignores types that it
// does not know.
func (rc *receiver) handle(id string, body []byte) error {
	rc.mu.Lock()
	defer rc.mu.Unlock()
	if rc.seen[id] {
		return nil
	}
	var event struct {
		Type string          `json:"type"`
		Data json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(body, &event); err != nil {
		return err
	}
	fmt.Println(event.Type, string(event.Data))
	rc.seen[id] = true
	return nil
}

// verify reports whether the request was signed with the key within the tolerance.
func verify(key []byte, h http.Header, body []byte) bool {
	id, timestamp := h.Get("webhook-id"), h.Get("webhook-timestamp")
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil || id == "" || time.Since(time.Unix(seconds, 0)).Abs() > tolerance {
		return false
	}
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.%s", id, timestamp, body)
	want := []byte("v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	// There are two signatures for a day after the secret was changed.
	for signature := range strings.FieldsSeq(h.Get("webhook-signature")) {
		if hmac.Equal([]byte(signature), want) { // in constant time
			return true
		}
	}
	return false
}
