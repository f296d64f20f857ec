package admin_test

import (
	"encoding/csv"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/addcard/addcard/internal/testing/apptest"
	"github.com/addcard/addcard/internal/wechatsim"
)

func TestMembers_AreListedFoundExportedAndErased(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	card := w.Card()
	s := w.Serve()
	tokens, ids := map[string]string{}, map[string]string{}
	for i := range 5 {
		user := fmt.Sprint("user", i)
		tokens[user], ids[user] = w.Login(s, user)
	}
	evil := `=HYPERLINK("http://x")`
	got := s.Post("/v1/card-ext", tokens["user3"], map[string]any{"cards": []any{map[string]string{"card_id": card, "outer_str": evil}}})
	code := apptest.CardExts(t, got)[0].Code
	s.Post("/v1/card-ext", tokens["user4"], map[string]any{"cards": []any{map[string]string{"card_id": card, "outer_str": "＝1＋1"}}})

	seen := map[string]bool{}
	for cursor := ""; ; {
		p := s.Members("?limit=2" + cursor)
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
	if p := s.Members("?limit=5"); len(p.Members) != 5 || p.NextCursor != "" {
		t.Errorf("a last page that is full: %+v", p)
	}
	for _, bad := range []string{"?limit=0", "?limit=201", "?cursor=x", "?cursor=eA", "?limit=2&limit=3",
		"?cursor=OTIyMzM3MjAzNjg1NDc3NTgwNyAA", "?cursor=MSD_", // a NUL and a byte that is no UTF-8: PostgreSQL takes neither
	} {
		apptest.Request(t, http.MethodGet, s.Admin+"/v1/members"+bad, apptest.AdminToken, nil).Problem(t, 422, "invalid_input")
	}

	me := ids["user3"]
	p := s.Members("?query=" + code)
	if len(p.Members) != 1 || p.Members[0].ID != me || p.Members[0].Cards[0].Code != code {
		t.Fatalf("by code: %+v", p)
	}
	if p = s.Members("?query=" + p.Members[0].Identities[0].OpenID); len(p.Members) != 1 || p.Members[0].ID != me {
		t.Errorf("by openid: %+v", p)
	}
	if p = s.Members("?query=nobody"); len(p.Members) != 0 {
		t.Errorf("nobody: %+v", p)
	}

	file := apptest.Request(t, http.MethodGet, s.Admin+"/v1/members/export", apptest.AdminToken, nil)
	text, marked := strings.CutPrefix(string(file.Body), "\ufeff")
	lines, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if !marked || err != nil || len(lines) != 6 || file.Header.Get("Content-Type") != "text/csv; charset=utf-8" {
		t.Fatalf("export: %v, %d lines, %v", err, len(lines), file.Header)
	}
	if !strings.Contains(text, "'=HYPERLINK") || !strings.Contains(text, "'＝1＋1") || strings.Contains(text, ",=") ||
		strings.Contains(text, `"=`) {
		t.Errorf("a formula is in the export: %s", text)
	}

	one := s.Admin + "/v1/members/" + me
	if got := apptest.Request(t, http.MethodGet, one, apptest.AdminToken, nil); got.Status != http.StatusOK {
		t.Errorf("one member: %d %s", got.Status, got.Body)
	}
	if got := apptest.Request(t, http.MethodDelete, one, apptest.AdminToken, nil); got.Status != http.StatusNoContent {
		t.Errorf("erase: %d %s", got.Status, got.Body)
	}
	apptest.Request(t, http.MethodGet, one, apptest.AdminToken, nil).Problem(t, 404, "member_not_found")
	apptest.Request(t, http.MethodDelete, one, apptest.AdminToken, nil).Problem(t, 404, "member_not_found")
	s.Get("/v1/me", tokens["user3"]).Problem(t, 401, "session_invalid")
	if _, again := w.Login(s, "user3"); again == me {
		t.Error("who comes back is the same member")
	}
	apptest.Request(t, http.MethodGet, s.Public+"/v1/members", apptest.AdminToken, nil).Problem(t, 404, "not_found")
	apptest.Request(t, http.MethodGet, s.Admin+"/v1/members", "", nil).Problem(t, 401, "admin_token_invalid")
}

// Each member has an issued code, a card in the wallet and one that the holder deleted.
func TestMembers_AreErasedWithTheirCodesIfAsked(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]string{"": "NORMAL", "?unavailable=false": "NORMAL", "?unavailable=true": "UNAVAILABLE"} {
		t.Run(query, func(t *testing.T) {
			t.Parallel()
			w := apptest.New(t, wechatsim.Options{})
			taken, deleted, issued := w.Card(), w.Card(), w.Card()
			s := w.Serve()
			w.Connect(s)
			_, gone := w.Claim(s, "ming", deleted)
			w.Phone("ming", "delete-card", fmt.Sprintf(`{"card_id":%q,"code":%q}`, deleted, gone))
			token, _ := w.Claim(s, "ming", taken)
			s.Post("/v1/card-ext", token, apptest.CardIDs(issued)).Is(t, 200)
			w.WaitEvents()
			_, id := w.Login(s, "ming")
			one := "/v1/members/" + id

			if err := w.Sim.AddFault(wechatsim.Fault{Path: "/card/code/unavailable", ErrCode: 48001}); err != nil {
				t.Fatal(err)
			}
			if want == "UNAVAILABLE" { // WeChat refuses once, and nothing is erased
				p := s.Operate(http.MethodDelete, one+query, nil).Problem(t, 503, "wechat_unavailable")
				if !strings.Contains(p.Detail, "48001") {
					t.Errorf("the problem does not say why: %s", p.Detail)
				}
				if err := w.Sim.AddFault(wechatsim.Fault{Path: "/card/code/unavailable", ErrCode: 45030}); err != nil {
					t.Fatal(err)
				}
				s.Operate(http.MethodDelete, one+query, nil).Problem(t, 422, "wechat_refused")
				s.Operate(http.MethodGet, one, nil).Is(t, http.StatusOK)
			}
			s.Operate(http.MethodDelete, one+query, nil).Is(t, http.StatusNoContent)
			s.Operate(http.MethodGet, one, nil).Problem(t, 404, "member_not_found")
			faces, err := w.Sim.Cards("ming")
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range faces {
				if f.Code == gone && f.Status != "DELETE" || f.Code != gone && f.Status != want {
					t.Errorf("card %s is %s at WeChat, want %s", f.Code, f.Status, want)
				}
			}
		})
	}
}
