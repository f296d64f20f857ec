package web_test

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/httpapi/internal/web"
	"github.com/addcard/addcard/internal/member"
)

// A holder sees all of the card but the code of one that is in no wallet.
func TestMemberCardOf_IsWhatTheHolderSees(t *testing.T) {
	t.Parallel()
	c := member.Card{
		CardID: "p", Code: "c", Status: member.Active, MembershipNumber: "n", Bonus: 7, Balance: 900, Fields: [3]string{"金卡", "", "3"},
		OuterStr: "door", ClaimedAt: time.Unix(1_800_000_000, 0).UTC(), ActivatedAt: time.Unix(1_800_000_060, 0).UTC(),
	}
	const rest = `"membership_number":"n","bonus":7,"balance":900,"fields":{"custom_field1":"金卡","custom_field3":"3"},` +
		`"outer_str":"door","claimed_at":"2027-01-15T08:00:00Z","activated_at":"2027-01-15T08:01:00Z"}`
	for status, want := range map[member.Status]string{
		member.Active: `{"card_id":"p","code":"c","status":"active",` + rest,
		member.Issued: `{"card_id":"p","status":"issued",` + rest,
	} {
		c.Status = status
		if got, err := web.Marshal(web.MemberCardOf(c)); err != nil || !sameJSON(t, string(got), want) {
			t.Errorf("%s: got %s, %v, want %s", status, got, err, want)
		}
	}
}

// sameJSON compares two values whose objects may have another order.
func sameJSON(t *testing.T, a, b string) bool {
	t.Helper()
	var values [2]any
	for i, text := range []string{a, b} {
		if err := json.Unmarshal([]byte(text), &values[i]); err != nil {
			t.Fatal(err)
		}
	}
	return reflect.DeepEqual(values[0], values[1])
}
