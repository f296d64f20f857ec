package admin_test

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/addcard/addcard/internal/testing/apptest"
	"github.com/addcard/addcard/internal/wechatsim"
)

type auditRecords struct {
	Records []struct {
		Actor, Role, Source, Address, Action, Result, Problem string
		Changes                                               json.RawMessage
	}
	NextCursor string `json:"next_cursor"`
}

// Each change has a record that says what was there before and what is there after.
func TestAudit_HasEachChangeBeforeAndAfter(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	s := w.Serve()
	id := w.NewCard(s)
	path := "/v1/cards/" + id
	_, code := w.Claim(s, "ming", id)

	var added struct {
		ID   string
		Link struct{ Secret string }
	}
	s.Operate(http.MethodPost, "/v1/staff", apptest.Object{"name": "Zoe", "role": "manager"}).Is(t, 201).JSON(t, &added)
	var key struct{ ID, Token string }
	s.Operate(http.MethodPost, "/v1/staff/"+added.ID+"/tokens", apptest.Object{"label": "script"}).Is(t, 201).JSON(t, &key)
	zoe := func(method, path, body string, status int) {
		t.Helper()
		apptest.Request(t, method, s.Admin+path, key.Token, []byte(body)).Is(t, status)
	}
	zoe(http.MethodPatch, path, `{"member_card":{"base_info":{"title":"新卡"},"prerogative":"新特权"}}`, 200)
	zoe(http.MethodPut, path+"/settings", `{"init_bonus":100}`, 200)
	zoe(http.MethodPut, path+"/settings", `{"init_bonus":200,"activate_on_claim":true}`, 200)
	zoe(http.MethodPost, path+"/stock", `{"delta":-40}`, 204)
	zoe(http.MethodPut, "/v1/test-whitelist", `{"openid":[],"username":["ming","hong"]}`, 204)
	zoe(http.MethodPut, path+"/codes/"+code+"/fields", `{"custom_field2":"canary"}`, 200)
	zoe(http.MethodPut, "/v1/settings", `{"points_per_100_yuan":10,"cashier":{"bonus_per_day":5}}`, 200)
	zoe(http.MethodDelete, "/v1/cards/pNone", "", 404)
	zoe(http.MethodDelete, "/v1/staff/"+added.ID, "", 403)
	s.Operate(http.MethodDelete, "/v1/staff/"+added.ID, nil).Is(t, 204)
	apptest.Request(t, http.MethodGet, s.Admin+"/v1/audit", key.Token, nil).Is(t, 401)

	var log auditRecords
	answer := s.Operate(http.MethodGet, "/v1/audit?limit=200", nil).Is(t, 200)
	answer.JSON(t, &log)
	var got []string
	for _, r := range slices.Backward(log.Records) {
		if r.Source != "api" || r.Address != "127.0.0.1" {
			t.Errorf("got %+v", r)
		}
		got = append(got, strings.TrimSpace(fmt.Sprint(r.Actor, " ", r.Action, " ", r.Result, " ", r.Problem, string(r.Changes))))
	}
	want := []string{
		`owner addStaff done [{"field":"id","after":"` + added.ID + `"},{"field":"name","after":"Zoe"},{"field":"role","after":"manager"},`,
		`owner newStaffToken done [{"field":"token","after":"` + key.ID + `"}]`,
		`Zoe updateCard done [{"field":"base_info.title","before":"会员卡","after":"新卡"},{"field":"prerogative","before":"特权","after":"新特权"}]`,
		`Zoe settings done [{"field":"init_bonus","before":0,"after":100}]`,
		`Zoe settings done [{"field":"activate_on_claim","before":null,"after":true},{"field":"init_bonus","before":100,"after":200}]`,
		`Zoe stock done [{"field":"delta","after":-40}]`,
		`Zoe whitelist done [{"field":"testers","after":2}]`,
		`Zoe setFields done [{"field":"custom_field2"}]`,
		`Zoe setShopSettings done [{"field":"points_per_100_yuan","before":100,"after":10},{"field":"cashier.bonus_per_day","before":10000,"after":5}]`,
		`Zoe deleteCard refused card_not_found`,
		`owner removeStaff done [{"field":"name","before":"Zoe"},{"field":"role","before":"manager"}]`,
	}
	got = got[len(got)-len(want):] // behind what made the card
	for i := range want {
		if !strings.HasPrefix(got[i], want[i]) {
			t.Errorf("record %d:\n got %s\nwant %s", i, got[i], want[i])
		}
	}
	for _, secret := range []string{key.Token, added.Link.Secret, "canary", apptest.AdminToken} {
		if strings.Contains(string(answer.Body), secret) {
			t.Errorf("the audit log has %s", secret)
		}
	}
}

// Pages are complete, filters select, and the export has the same records.
func TestAudit_IsSearchedAndExported(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	s := w.Serve()
	for i := range 7 {
		s.Operate(http.MethodPut, "/v1/settings", apptest.Object{"points_per_100_yuan": i}).Is(t, 200)
		s.Operate(http.MethodDelete, fmt.Sprintf("/v1/staff/nobody-%d", i%2), nil).Is(t, 404)
	}
	count := func(query string) (n int) {
		t.Helper()
		for cursor := ""; ; {
			var page auditRecords
			s.Operate(http.MethodGet, "/v1/audit?limit=3&cursor="+cursor+query, nil).Is(t, 200).JSON(t, &page)
			n += len(page.Records)
			if cursor = page.NextCursor; cursor == "" {
				return n
			}
		}
	}
	for query, want := range map[string]int{
		"": 14, "&action=setShopSettings": 7, "&actor=owner": 14, "&actor=Zoe": 0, "&subject=nobody-1": 3,
		"&to=2020-01-01": 0, "&from=2020-01-01": 14,
	} {
		if got := count(query); got != want {
			t.Errorf("%q: %d records, want %d", query, got, want)
		}
	}
	s.Operate(http.MethodGet, "/v1/audit?code=1", nil).Problem(t, 422, "invalid_input")
	s.Operate(http.MethodGet, "/v1/audit?from=tomorrow", nil).Problem(t, 422, "invalid_input")

	a := s.Operate(http.MethodGet, "/v1/audit/export?action=setShopSettings", nil).Is(t, 200)
	rows, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(string(a.Body), "\ufeff"))).ReadAll()
	if err != nil || len(rows) != 8 || rows[1][1] != "owner" || !strings.Contains(rows[1][0], "+08:00") {
		t.Errorf("got %d rows, %v: %q", len(rows), err, rows)
	}
	if got := count("&action=exportAudit"); got != 1 {
		t.Errorf("the export has %d records", got)
	}
}
