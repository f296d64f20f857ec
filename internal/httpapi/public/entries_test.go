package public_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/addcard/addcard/internal/testing/apptest"
	"github.com/addcard/addcard/internal/wechatsim"
)

func TestMyEntries_PageByPage(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	cardID := w.Card()
	s := w.Serve()
	token, code := w.Claim(s, "ming", cardID)
	for i := range 5 {
		s.AddEntry(apptest.EntriesPath(cardID, code), fmt.Sprint(i), `{"add_bonus":1}`).Entry(t)
	}
	path := "/v1/me/cards/" + cardID + "/codes/" + code + "/entries"
	var seqs []int64
	for query := "?limit=2"; query != ""; {
		var page struct {
			Entries    []apptest.Entry
			NextCursor string `json:"next_cursor"`
		}
		s.Get(path+query, token).Is(t, http.StatusOK).JSON(t, &page)
		for _, e := range page.Entries {
			seqs = append(seqs, e.Seq)
		}
		if query = ""; page.NextCursor != "" {
			query = "?limit=2&cursor=" + page.NextCursor
		}
	}
	if fmt.Sprint(seqs) != "[5 4 3 2 1]" {
		t.Errorf("got %v", seqs)
	}
	for query, field := range map[string]string{"limit=0": "query.limit", "limit=201": "query.limit", "cursor=x": "query.cursor",
		"limit=2&limit=3": "query.limit"} {
		if p := s.Get(path+"?"+query, token).Problem(t, 422, "invalid_input"); len(p.Errors) != 1 || p.Errors[0].Location != field {
			t.Errorf("%s: %+v", query, p.Errors)
		}
	}
	s.Get(path, "").Problem(t, 401, "session_invalid")
	hong, _ := w.Login(s, "hong")
	s.Get(path, hong).Problem(t, 404, "code_not_found")
}
