package admin_test

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"

	"github.com/addcard/addcard/internal/sheet"
	"github.com/addcard/addcard/internal/testing/apptest"
	"github.com/addcard/addcard/internal/wechatsim"
)

// journal is a page of the entries of all cards.
type journal struct {
	Entries []struct {
		CardID string `json:"card_id"`
		Code   string
		apptest.Entry
	}
	NextCursor string `json:"next_cursor"`
}

// orders returns the orders of the entries, which stand for them.
func (j journal) orders() (list []string) {
	for _, e := range j.Entries {
		list = append(list, e.Order)
	}
	return list
}

func TestJournal_ListsAndExportsWhatWasBooked(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	cardID := w.Card(apptest.WithBalance)
	s := w.Serve()
	token, ming := w.Claim(s, "ming", cardID)
	_, hong := w.Claim(s, "hong", cardID)
	s.AddEntry(apptest.EntriesPath(cardID, ming), "k1", `{"add_bonus":5,"order":"o1","store":"东门店","actor":"amy"}`).Entry(t)
	e := s.AddEntry(apptest.EntriesPath(cardID, hong), "k2", `{"add_balance":700,"order":"=o2","store":"东门店","record_balance":"充值"}`).Entry(t)
	if e.Actor != "owner" || e.Store != "东门店" || e.Order != "=o2" {
		t.Errorf("the answer: %+v", e)
	}
	s.AddEntry(apptest.EntriesPath(cardID, hong), "k3", fmt.Sprintf(`{"reverses":%q,"order":"o3","actor":"bob"}`, e.ID)).Entry(t)

	list := func(query string) (j journal) {
		t.Helper()
		s.Operate("GET", "/v1/entries"+query, "").Is(t, http.StatusOK).JSON(t, &j)
		return j
	}
	for query, want := range map[string]string{
		"": "[o3 =o2 o1]", "?actor=amy": "[o1]", "?actor=owner&card_id=" + cardID: "[=o2]", "?order=o3": "[o3]",
		"?store=%E4%B8%9C%E9%97%A8%E5%BA%97": "[=o2 o1]", "?card_id=other": "[]", "?to=2020-01-01": "[]",
		"?from=" + time.Now().Add(-48*time.Hour).Format(time.DateOnly): "[o3 =o2 o1]", "?limit=2": "[o3 =o2]",
	} {
		if got := list(query); fmt.Sprint(got.orders()) != want {
			t.Errorf("%s: got %v, want %s", query, got.orders(), want)
		}
	}
	first := list("?limit=2")
	if last := list("?limit=2&cursor=" + first.NextCursor); fmt.Sprint(last.orders()) != "[o1]" || last.Entries[0].Code != ming ||
		last.Entries[0].CardID != cardID || first.Entries[0].Reverses != e.ID || !first.Entries[1].Reversed {
		t.Errorf("got %+v and %+v", first, last)
	}
	for query, field := range map[string]string{"from=x": "query.from", "to=2026-13-01": "query.to",
		"from=2026-02-02&to=2026-01-01":    "query.to",
		"actor=" + strings.Repeat("a", 65): "query.actor", "cursor=x": "query.cursor"} {
		for _, path := range []string{"/v1/entries?", "/v1/entries/export?"} {
			if field == "query.cursor" && path != "/v1/entries?" {
				continue
			}
			if p := s.Operate("GET", path+query, "").Problem(t, 422, "invalid_input"); len(p.Errors) == 0 || p.Errors[0].Location != field {
				t.Errorf("%s%s: %+v", path, query, p.Errors)
			}
		}
	}

	file := s.Operate("GET", "/v1/entries/export?store=%E4%B8%9C%E9%97%A8%E5%BA%97", "").Is(t, http.StatusOK)
	rows, err := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(file.Body, []byte("\ufeff")))).ReadAll()
	if err != nil || len(rows) != 3 || !bytes.HasPrefix(file.Body, []byte("\ufefftime (Asia/Shanghai),card_id,code,")) {
		t.Fatalf("%v: %s", err, file.Body)
	}
	want := []string{cardID, hong, e.ID, "1", "0", "0", "700", "700", "", "充值", "owner", "东门店", "'=o2", "", "true"}
	if !slices.Equal(rows[1][1:], want) {
		t.Errorf("got %q, want %q", rows[1][1:], want)
	}
	if at, err := time.Parse(time.RFC3339, rows[1][0]); err != nil || !strings.HasSuffix(rows[1][0], "+08:00") || time.Since(at) > time.Hour {
		t.Errorf("booked at %s", rows[1][0])
	}
	book := s.Operate("GET", "/v1/entries/export?format=xlsx&order=%3Do2", "").Is(t, http.StatusOK)
	if book.Header.Get("Content-Type") != sheet.XLSX.ContentType() ||
		book.Header.Get("Content-Disposition") != `attachment; filename="entries.xlsx"` {
		t.Errorf("the workbook: %v", book.Header)
	}
	f, err := excelize.OpenReader(bytes.NewReader(book.Body))
	if err != nil {
		t.Fatal(err)
	}
	want[12] = "=o2"
	if cells, err := f.GetRows("Sheet1"); err != nil || len(cells) != 2 || !slices.Equal(cells[1][1:], want) {
		t.Errorf("the workbook has %q, %v", cells, err)
	}
	people := s.Operate("GET", "/v1/entries/export?lang=zh&to=2099-01-31&order=%3Do2", "").Is(t, http.StatusOK)
	title := "会员卡 (" + cardID + ")"
	if text := string(people.Body); !strings.HasPrefix(text, "\ufeff时间 (Asia/Shanghai),会员卡,卡号,") ||
		!strings.Contains(text, ","+title+",") || !strings.Contains(text, ",0,0,7.00,7.00,,充值,owner,") || !strings.HasSuffix(text, ",是\n") {
		t.Errorf("in Chinese: %s", text)
	}
	book = s.Operate("GET", "/v1/entries/export?format=xlsx&lang=en&order=%3Do2&from=2026-01-01&to=2099-01-31", "").Is(t, http.StatusOK)
	if got := book.Header.Get("Content-Disposition"); got != `attachment; filename="entries-2026-01-01-2099-01-31.xlsx"` {
		t.Errorf("the workbook of a period is %s", got)
	}
	if f, err = excelize.OpenReader(bytes.NewReader(book.Body)); err != nil {
		t.Fatal(err)
	}
	if cells, err := f.GetRows("Entries"); err != nil || len(cells) != 2 || cells[0][7] != "Balance added (yuan)" || cells[1][7] != "7.00" {
		t.Errorf("the workbook in English has %q, %v", cells, err)
	}
	if mine := s.Get("/v1/me/cards/"+cardID+"/codes/"+ming+"/entries", token); bytes.Contains(mine.Body, []byte("amy")) ||
		bytes.Contains(mine.Body, []byte("order")) || bytes.Contains(mine.Body, []byte("store")) {
		t.Errorf("the holder sees %s", mine.Body)
	}
}

func TestEntries_APartialReversalSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	cardID := w.Card(apptest.WithBalance)
	s := w.Serve()
	_, code := w.Claim(s, "ming", cardID)
	path := apptest.EntriesPath(cardID, code)
	earned := s.AddEntry(path, "k1", `{"add_bonus":10,"add_balance":5}`).Entry(t)
	s.AddEntry(path, "k2", `{"add_bonus":-7,"add_balance":-5}`).Entry(t)
	undo := fmt.Sprintf(`{"reverses":%q,"partial":true}`, earned.ID)
	s.AddEntry(path, "k3", fmt.Sprintf(`{"reverses":%q}`, earned.ID)).Problem(t, 409, "insufficient_bonus")
	first := s.AddEntry(path, "k4", undo)
	if e := first.Entry(t); e.AddBonus != -3 || e.AddBalance != 0 || e.Bonus != 0 ||
		!bytes.HasSuffix(first.Body, []byte(`},"missing_bonus":7,"missing_balance":5}`)) {
		t.Errorf("got %s", first.Body)
	}
	s.AddEntry(path, "k5", `{"add_bonus":7}`).Entry(t)
	if again := s.AddEntry(path, "k4", undo); !bytes.Equal(again.Body, first.Body) {
		t.Errorf("again: %s", again.Body)
	}
	s.AddEntry(path, "k6", undo).Problem(t, 409, "entry_not_reversible")
	whole := s.AddEntry(path, "k7", `{"add_bonus":1}`).Entry(t)
	if got := s.AddEntry(path, "k8", fmt.Sprintf(`{"reverses":%q,"partial":true}`, whole.ID)); bytes.Contains(got.Body, []byte("missing")) {
		t.Errorf("all was taken back: %s", got.Body)
	}
	if got := s.AddEntry(path, "k9", `{"add_bonus":-7}`).Entry(t); got.Bonus != 0 {
		t.Errorf("the rest: %+v", got)
	}
	s.AddEntry(path, "k10", fmt.Sprintf(`{"reverses":%q,"partial":true}`, s.AddEntry(path, "k11", `{"add_bonus":1}`).Entry(t).ID)).Entry(t)
}

// An entry counts once, whichever of the two routes it is sent through.
func TestBatch_SharesTheKeysOfSingleRequests(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	cardID := w.Card()
	s := w.Serve()
	_, ming := w.Claim(s, "ming", cardID)
	_, hong := w.Claim(s, "hong", cardID)
	item := func(code, key, rest string) string {
		return fmt.Sprintf(`{"card_id":%q,"code":%q,"key":%q,%s}`, cardID, code, key, rest)
	}
	send := func(items ...string) (results []struct {
		Status   int
		Replayed bool
		Entry    apptest.Entry
		Problem  struct{ Code string }
	}) {
		t.Helper()
		out := struct{ Results any }{&results}
		s.Operate("POST", batchPath, `{"entries":[`+strings.Join(items, ",")+`]}`).Is(t, http.StatusOK).JSON(t, &out)
		return results
	}
	alone := s.AddEntry(apptest.EntriesPath(cardID, ming), "k1", `{"add_bonus":5}`).Entry(t)
	sent := []string{item(ming, "k1", `"add_bonus":5`), item(ming, "k2", `"add_bonus":-3,"order":"o2"`), item(hong, "k2", `"add_bonus":1`),
		item(ming, "k2", `"add_bonus":-3,"order":"o2"`), item(ming, "k1", `"add_bonus":6`), item(ming, "k3", `"add_bonus":-3`),
		item("none", "k", `"add_bonus":1`)}
	for round, want := range []string{
		"[201 true 5 | 201 false 2 | 201 false 1 | 201 true 2 | 422 idempotency_key_reused | 409 insufficient_bonus | 404 code_not_found]",
		"[201 true 5 | 201 true 2 | 201 true 1 | 201 true 2 | 422 idempotency_key_reused | 409 insufficient_bonus | 404 code_not_found]",
	} {
		var got []string
		for _, r := range send(sent...) {
			text := fmt.Sprint(r.Status, r.Replayed, " ", r.Entry.Bonus)
			if r.Status != 201 {
				text = fmt.Sprint(r.Status, " ", r.Problem.Code)
			}
			got = append(got, text)
		}
		if text := "[" + strings.Join(got, " | ") + "]"; text != want {
			t.Errorf("round %d: got %s\nwant %s", round, text, want)
		}
	}
	if r := send(sent[0]); r[0].Entry != alone {
		t.Errorf("got %+v, want %+v", r[0].Entry, alone)
	}
	again := s.AddEntry(apptest.EntriesPath(cardID, ming), "k2", `{"add_bonus":-3,"order":"o2"}`)
	if e := again.Entry(t); again.Header.Get("Idempotent-Replayed") != "true" || e.Actor != "owner" || e.Order != "o2" {
		t.Errorf("alone again: %+v %v", e, again.Header)
	}
}
