package admin_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/card"
	"github.com/addcard/addcard/internal/importer"
	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/sheet"
)

// imports is the office's importer.
type imports struct{ *office }

func (i imports) Start(_ context.Context, file []byte, o importer.Options) (importer.Import, error) {
	return importer.Import{ID: "i-1", Options: o, State: importer.Running}, i.call("start", string(file), o)
}
func (i imports) Get(_ context.Context, id string) (importer.Import, error) {
	i.started.ID = id
	return i.started, i.call("get import", id)
}
func (i imports) List(_ context.Context, n int) ([]importer.Import, error) {
	return []importer.Import{i.started}, i.call("list imports", n)
}
func (i imports) Lines(_ context.Context, id, outcome string, after importer.Mark, n int) (page []importer.Result, err error) {
	for _, r := range i.lines {
		if r.Line > after.Line || r.Line == after.Line && r.Key > after.Key {
			page = append(page, r)
		}
	}
	return page[:min(n, len(page))], i.call("lines", id, outcome, n)
}
func (i imports) Accounts(_ context.Context, memberID string) ([]importer.Account, error) {
	return i.bound, i.call("accounts", memberID)
}

func (i imports) Waiting(_ context.Context, key string, n int) ([]importer.Account, error) {
	return i.waiting, i.call("waiting", key, n)
}

// What a client says about the file is what the importer gets.
func TestImports_TellTheImporterWhatTheClientSays(t *testing.T) {
	t.Parallel()
	o := &office{cards: []card.Card{{ID: "only"}}}
	h := o.serve("")
	query := url.Values{"name": {"会员.csv"}, "dry_run": {"true"}, "skip_refused": {"true"}, "balance_in": {"yuan"}, "sheet": {"表"},
		"column.phone": {"会员电话"}, "column.custom_field2": {"等级"}}
	w := do(h, "POST", "/v1/imports?"+query.Encode(), managerToken, "\xff\x00file", func(r *http.Request) {
		r.Header.Set("Content-Type", "a/b")
	})
	want := fmt.Sprintf("%+v", []any{"\xff\x00file", importer.Options{
		Name: "会员.csv", CardID: "only", Actor: "Zoe", DryRun: true, SkipRefused: true,
		Unit: importer.Yuan, Sheet: "表", Headings: map[string]string{"phone": "会员电话", "custom_field2": "等级"},
	}})
	if w.Code != 202 || o.given != want || w.Header().Get("Location") != "/v1/imports/i-1" ||
		!strings.Contains(w.Body.String(), `"dry_run":true,"state":"running"`) {
		t.Errorf("got %d %v %s\nthe importer got %s\nwant %s", w.Code, w.Header(), w.Body, o.given, want)
	}
	w = do(h, "POST", "/v1/imports?card_id=p", managerToken, "x", func(r *http.Request) { r.Header.Set("Idempotency-Key", "key") })
	if w.Code != 202 || !strings.Contains(w.Body.String(), `"name":"key","card_id":"p"`) {
		t.Errorf("named by its key: %d %s", w.Code, w.Body)
	}
}

// A file that cannot be imported at all is refused at once, with what is wrong.
func TestImports_RefuseAFile(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		query, body string
		err         error
		cards       int
		status      int
		want        string
	}{
		"unreadable":  {"name=a&card_id=p", "x", &sheet.FileError{Reason: "is a PDF"}, 1, 422, `"location":"body","message":"the file is a PDF"`},
		"no keys":     {"name=a&card_id=p", "x", fmt.Errorf("import: %w", importer.ErrNoKeys), 1, 422, `set DATA_KEYS`},
		"no card":     {"name=a&card_id=p", "x", fmt.Errorf("import: %w", member.ErrCardUnknown), 1, 422, `"location":"query.card_id"`},
		"two cards":   {"name=a", "x", nil, 2, 422, `"location":"query.card_id"`},
		"no cards":    {"name=a", "x", nil, 0, 422, `"location":"query.card_id"`},
		"no name":     {"card_id=p", "x", nil, 1, 422, `"location":"query.name"`},
		"a long name": {"card_id=p&name=" + strings.Repeat("x", 201), "x", nil, 1, 422, `"location":"query.name"`},
		"a bad name":  {"card_id=p&name=a%0a", "x", nil, 1, 422, `"location":"query.name"`},
		"a unit":      {"card_id=p&name=a&balance_in=jiao", "x", nil, 1, 422, `"location":"query.balance_in"`},
		"no file":     {"card_id=p&name=a", "", nil, 1, 400, `malformed_body`},
		"too large":   {"card_id=p&name=a", strings.Repeat("x", 8<<20+1), nil, 1, 413, `body_too_large`},
		"a fault":     {"card_id=p&name=a", "x", errors.New("lost"), 1, 500, `internal`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := &office{err: test.err, failing: "start", cards: make([]card.Card, test.cards)}
			w := do(o.serve(""), "POST", "/v1/imports?"+test.query, operatorToken, test.body)
			if w.Code != test.status || !strings.Contains(w.Body.String(), test.want) {
				t.Errorf("got %d %s, want %d %s", w.Code, w.Body, test.status, test.want)
			}
		})
	}
	o := &office{err: importer.ErrNotFound}
	for _, path := range []string{"/v1/imports/x", "/v1/imports/x/lines"} {
		refused(t, path, do(o.serve(""), "GET", path, operatorToken, ""), 404, "import_not_found")
	}
}

func TestImports_SayHowFarTheyAre(t *testing.T) {
	t.Parallel()
	at := time.UnixMilli(1).UTC()
	o := &office{started: importer.Import{
		Options: importer.Options{Name: "a", CardID: "p", Actor: "Zoe"}, State: importer.Failed, Problem: "why",
		Total: 9, Counts: importer.Counts{Lines: 8, Waiting: 1, Joined: 2, Unchanged: 3, Refused: 2}, CreatedAt: at, EndedAt: at,
	}, lines: []importer.Result{{Line: 3, Outcome: "refused", Column: "积分", Reason: "r", Key: "line:3"}}}
	w := do(o.serve(""), "GET", "/v1/imports/i-1", operatorToken, "")
	want := `{"id":"i-1","name":"a","card_id":"p","dry_run":false,"state":"failed","problem":"why","total":9,"lines":8,"waiting":1,"joined":2,` +
		`"unchanged":3,"refused":2,"actor":"Zoe","created_at":"1970-01-01T00:00:00.001Z","ended_at":"1970-01-01T00:00:00.001Z",` +
		`"refusals":[{"line":3,"column":"积分","reason":"r"}]}`
	if got := strings.TrimSpace(w.Body.String()); w.Code != 200 || got != want || o.given != "[i-1 refused 100]" {
		t.Errorf("got %d %s\nwant %s\nasked for %s", w.Code, got, want, o.given)
	}
}

// Two lines of one number, of different runs, are both listed.
func TestImports_PagesOfLinesHaveNoGap(t *testing.T) {
	t.Parallel()
	o := &office{lines: []importer.Result{{Line: 2, Key: "a"}, {Line: 2, Key: "line:2"}, {Line: 3, Key: "b"}}}
	h := o.serve("")
	var got []string
	for cursor := ""; len(got) < 9; {
		var page struct {
			Lines []struct{ Line int }
			Next  string `json:"next_cursor"`
		}
		w := do(h, "GET", "/v1/imports/i/lines?limit=1&outcome=joined&cursor="+cursor, operatorToken, "")
		if err := json.Unmarshal(w.Body.Bytes(), &page); err != nil {
			t.Fatal(err)
		}
		for _, l := range page.Lines {
			got = append(got, fmt.Sprint(l.Line))
		}
		if cursor = page.Next; cursor == "" {
			break
		}
	}
	if fmt.Sprint(got) != "[2 2 3]" || o.given != "[i joined 2]" {
		t.Errorf("got %v, asked for %s", got, o.given)
	}
}

// A member's answer has what was imported for them.
func TestMember_HasImportedAccounts(t *testing.T) {
	t.Parallel()
	o := &office{bound: []importer.Account{{
		Imported:   member.Imported{ID: "a", CardID: "p", Bonus: 5, JoinedCode: "c", JoinedAt: time.UnixMilli(1)},
		ImportName: "old.csv", Phone: "+8613800138000", Note: "n",
	}}}
	w := do(o.serve(""), "GET", "/v1/members/m", operatorToken, "")
	for _, want := range []string{`"accounts":[{"id":"a","import":"old.csv","card_id":"p","bonus":5,"balance":0,"phone":"+8613800138000","note":"n"`,
		`"joined_at":"`, `"code":"c"}]`} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("got %s, want %s", w.Body, want)
		}
	}
}

// The search also finds people who have not come yet. A cashier sees what they had, and
// neither looks for an openid nor sees who they are.
func TestMembers_AreSearchedAmongThoseWhoWait(t *testing.T) {
	t.Parallel()
	account := importer.Account{
		Imported: member.Imported{ID: "a-1", CardID: "p", OpenID: "o1", UnionID: "u1", Bonus: 5, Balance: 7, CreatedAt: time.UnixMilli(1).UTC()},
		Phone:    "+8613800138000", Name: "李雷", Note: "n",
	}
	const figures = `"card_id":"p","bonus":5,"balance":7,`
	o := &office{waiting: []importer.Account{account}}
	h := o.serve("")
	for _, test := range []struct {
		token, query string
		has, lacks   string
	}{
		{managerToken, "?query=x", `"accounts":[{"id":"a-1",` + figures + `"phone":"+8613800138000","name":"李雷","note":"n",`, "bound_at"},
		{managerToken, "", `"members":`, "accounts"},
		{cashierToken, "?query=x", `"accounts":[{"id":"a-1",` + figures + `"created_at":"1970-01-01T00:00:00.001Z"}]`, "李雷"},
		{cashierToken, "?query=o1", `"members":[`, "accounts"},
		{cashierToken, "?query=U1", `"members":[`, "accounts"},
		{cashierToken, "?query=a-1", `"members":[`, "accounts"},
	} {
		w := do(h, "GET", "/v1/members"+test.query, test.token, "")
		if w.Code != 200 || !strings.Contains(w.Body.String(), test.has) || strings.Contains(w.Body.String(), test.lacks) {
			t.Errorf("%v: got %d %s", test, w.Code, w.Body)
		}
	}
	if w := do(h, "DELETE", "/v1/imports/accounts/a-1", managerToken, ""); w.Code != 204 || o.given != "[a-1]" {
		t.Errorf("erase: %d %s, %s", w.Code, w.Body, o.given)
	}
	gone := &office{err: fmt.Errorf("erase: %w", member.ErrAccountUnknown)}
	refused(t, "erase again", do(gone.serve(""), "DELETE", "/v1/imports/accounts/a-1", managerToken, ""), 404, "account_not_found")
}
