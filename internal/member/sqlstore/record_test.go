package sqlstore_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/sqldb/sqldbtest"
)

// withheld are the columns about a person that Service.Records leaves out, and why.
var withheld = map[string]string{
	"member.erased_at":   "is 0 while there is a person",
	"identity.member_id": "is the id that was asked for",
	"identity.check_at":  "organises the work", "identity.check_wait": "organises the work",
	"member_phone.member_id":  "is the id that was asked for",
	"member_phone.phone_hash": "the number itself is there",
	"member_card.version":     "organises the work",
	"imported.phone":          "the number itself is among the accounts",
	"imported.sealed":         "it is decrypted among the accounts",
	"imported.member_id":      "is the id that was asked for",
	"form.phone":              "the number itself is among the answers",
	"event.friend_openid":     "is another person's",
	"outbox.seq":              "organises the work", "outbox.started": "organises the work", "outbox.due_at": "organises the work",
	"outbox.lease_owner": "organises the work", "outbox.lease_until": "organises the work",
	"trail.member_id":          "is the id that was asked for",
	"identity_conflict.app_id": "a former version wrote it, and it names two people",
	"identity_conflict.openid": "likewise", "identity_conflict.member_id": "likewise",
	"identity_conflict.other_member_id": "likewise", "identity_conflict.created_at": "likewise",
	"code_proof.member_id": "is the id that was asked for",
	"webhook_delivery.seq": "organises the work", "webhook_delivery.queue": "organises the work",
	"webhook_delivery.member_id": "is the id that was asked for",
	"member_card.member_id":      "is the id that was asked for",
}

// Whatever an erasure takes is data about a person, and must be told to the person.
func TestRecords_HasWhatAnErasureTakes(t *testing.T) {
	t.Parallel()
	sqldbtest.Engines(t, func(t *testing.T, open func(t *testing.T) *sqldb.DB) {
		db := open(t)
		a, b := fillTwo(t, db)
		tables, err := newService(db).Records(t.Context(), a["member.member_id"])
		if err != nil {
			t.Fatal(err)
		}
		shown := map[string]string{}
		for _, table := range tables {
			for _, row := range table.Rows {
				for column, value := range row {
					if at, isTime := value.(time.Time); isTime {
						value = at.UnixMilli()
					}
					shown[table.Name+"."+column] = fmt.Sprint(value)
					if text := fmt.Sprint(value); strings.HasPrefix(text, "b-") || text == b["identity.openid"] {
						t.Errorf("%s.%s is another person's: %s", table.Name, column, text)
					}
				}
			}
		}
		for column, fate := range fates["erased"] {
			name, isSealed := strings.CutSuffix(column, "sealed")
			unread := isSealed && shown[name+"unreadable"] != "" // there are no keys
			switch reason := withheld[column]; {
			case reason != "" && (shown[column] != "" || fate == ""):
				t.Errorf("%s is there, or is no column: it is not withheld", column)
			case fate != "kept" && reason == "" && shown[column] != a[column] && !unread:
				t.Errorf("%s is %q, want %q: add it to records, or to withheld with the reason", column, shown[column], a[column])
			}
		}
		if _, err := newService(db).Records(t.Context(), "nobody"); err != member.ErrMemberUnknown { //nolint:errorlint // itself
			t.Errorf("an unknown member: %v", err)
		}
		if names := slices.Collect(tableNames(tables)); !slices.Contains(names, "audit") || !slices.Contains(names, "entry") {
			t.Errorf("got %v", names)
		}
	})
}

func tableNames(tables []member.Table) func(func(string) bool) {
	return func(yield func(string) bool) {
		for _, table := range tables {
			if len(table.Rows) > 0 && !yield(table.Name) {
				return
			}
		}
	}
}
