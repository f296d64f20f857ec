package apptest

import (
	"net/http"
	"testing"
)

// EntriesPath returns the path of the ledger of a code.
func EntriesPath(cardID, code string) string {
	return "/v1/cards/" + cardID + "/codes/" + code + "/entries"
}

// AddEntry posts one entry as the operator. An empty key is not sent.
func (s *Server) AddEntry(path, key, body string) Answer {
	s.T.Helper()
	return s.Operate(http.MethodPost, path, body, func(r *http.Request) {
		if key != "" {
			r.Header.Set("Idempotency-Key", key)
		}
	})
}

// Entry is one line of a ledger.
type Entry struct {
	ID            string
	Seq           int64
	AddBonus      int64 `json:"add_bonus"`
	Bonus         int64
	AddBalance    int64 `json:"add_balance"`
	Balance       int64
	RecordBonus   string `json:"record_bonus"`
	RecordBalance string `json:"record_balance"`
	CreatedAt     string `json:"created_at"`
	Reverses      string
	Reversed      bool
	Actor         string
	Store         string
	Order         string
}

// Entry checks that an entry was written and returns it.
func (a Answer) Entry(t testing.TB) Entry {
	t.Helper()
	var out struct{ Entry Entry }
	if a.Status != http.StatusCreated || a.Header.Get("Content-Type") != "application/json" {
		t.Fatalf("got %d %s %s", a.Status, a.Header.Get("Content-Type"), a.Body)
	}
	a.JSON(t, &out)
	return out.Entry
}

// Members is a page of the list of members.
type Members struct {
	Members []struct {
		ID         string
		Identities []struct {
			AppID  string `json:"app_id"`
			OpenID string
		}
		Cards []struct{ Code, Status string }
	}
	NextCursor string `json:"next_cursor"`
}

// Members returns the page of members for a query, which begins with "?".
func (s *Server) Members(query string) (page Members) {
	s.T.Helper()
	s.Operate(http.MethodGet, "/v1/members"+query, nil).Is(s.T, http.StatusOK).JSON(s.T, &page)
	return page
}

// Message is a message of the outbox.
type Message struct {
	ID, Kind, State, Code string
	Attempts              int
	LastError             string `json:"last_error"`
}

// Outbox returns the messages for a query, which is empty or begins with "?".
func (s *Server) Outbox(query string) []Message {
	s.T.Helper()
	var page struct{ Messages []Message }
	s.Operate(http.MethodGet, "/v1/outbox"+query, nil).Is(s.T, http.StatusOK).JSON(s.T, &page)
	return page.Messages
}
