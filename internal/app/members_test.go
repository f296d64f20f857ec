package app_test

import (
	"encoding/csv"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/addcard/addcard/internal/wechatsim"
)

type people struct {
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

func (s *server) people(query string) (p people) {
	s.t.Helper()
	got := request(s.t, http.MethodGet, s.admin+"/v1/members"+query, adminToken, nil)
	if got.status != http.StatusOK {
		s.t.Fatalf("GET /v1/members%s: %d %s", query, got.status, got.body)
	}
	got.json(s.t, &p)
	return p
}

func TestMembers_are_listed_found_exported_and_erased(t *testing.T) {
	t.Parallel()
	w := newWorld(t, wechatsim.Options{})
	card := w.card()
	s := w.serve()
	tokens, ids := map[string]string{}, map[string]string{}
	for i := range 5 {
		user := fmt.Sprint("user", i)
		tokens[user], ids[user] = w.login(s, user)
	}
	evil := `=HYPERLINK("http://x")`
	got := s.post("/v1/card-ext", tokens["user3"], map[string]any{"cards": []any{map[string]string{"card_id": card, "outer_str": evil}}})
	code := exts(t, got)[0].Code
	s.post("/v1/card-ext", tokens["user4"], map[string]any{"cards": []any{map[string]string{"card_id": card, "outer_str": "＝1＋1"}}})

	seen := map[string]bool{}
	for cursor := ""; ; {
		p := s.people("?limit=2" + cursor)
		for _, m := range p.Members {
			seen[m.ID] = true
		}
		if p.NextCursor == "" {
			break
		}
		cursor = "&cursor=" + p.NextCursor
	}
	if len(seen) != 5 {
		t.Errorf("pages of two: %d members, want 5", len(seen))
	}
	if p := s.people("?limit=5"); len(p.Members) != 5 || p.NextCursor != "" {
		t.Errorf("a last page that is full: %+v", p)
	}
	for _, bad := range []string{"?limit=0", "?limit=201", "?cursor=x", "?cursor=eA", "?limit=2&limit=3"} {
		request(t, http.MethodGet, s.admin+"/v1/members"+bad, adminToken, nil).problem(t, 422, "invalid_input")
	}

	me := ids["user3"]
	p := s.people("?query=" + code)
	if len(p.Members) != 1 || p.Members[0].ID != me || p.Members[0].Cards[0].Code != code {
		t.Fatalf("by code: %+v", p)
	}
	if p = s.people("?query=" + p.Members[0].Identities[0].OpenID); len(p.Members) != 1 || p.Members[0].ID != me {
		t.Errorf("by openid: %+v", p)
	}
	if p = s.people("?query=nobody"); len(p.Members) != 0 {
		t.Errorf("nobody: %+v", p)
	}

	file := request(t, http.MethodGet, s.admin+"/v1/members/export", adminToken, nil)
	text, marked := strings.CutPrefix(string(file.body), "\ufeff")
	lines, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if !marked || err != nil || len(lines) != 6 || file.header.Get("Content-Type") != "text/csv; charset=utf-8" {
		t.Fatalf("export: %v, %d lines, %v", err, len(lines), file.header)
	}
	if !strings.Contains(text, "'=HYPERLINK") || !strings.Contains(text, "'＝1＋1") || strings.Contains(text, ",=") || strings.Contains(text, `"=`) {
		t.Errorf("a formula is in the export: %s", text)
	}

	one := s.admin + "/v1/members/" + me
	if got := request(t, http.MethodGet, one, adminToken, nil); got.status != http.StatusOK {
		t.Errorf("one member: %d %s", got.status, got.body)
	}
	if got := request(t, http.MethodDelete, one, adminToken, nil); got.status != http.StatusNoContent {
		t.Errorf("erase: %d %s", got.status, got.body)
	}
	request(t, http.MethodGet, one, adminToken, nil).problem(t, 404, "member_not_found")
	request(t, http.MethodDelete, one, adminToken, nil).problem(t, 404, "member_not_found")
	s.get("/v1/me", tokens["user3"]).problem(t, 401, "session_invalid")
	if _, again := w.login(s, "user3"); again == me {
		t.Error("who comes back is the same member")
	}
	request(t, http.MethodGet, s.base+"/v1/members", adminToken, nil).problem(t, 404, "not_found")
	request(t, http.MethodGet, s.admin+"/v1/members", "", nil).problem(t, 401, "admin_token_invalid")
}
