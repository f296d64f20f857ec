package member_test

import (
	"fmt"
	"sort"
	"strings"
	"testing"

	"addcard/internal/member"
	"addcard/internal/member/sqlstore"
	"addcard/internal/sqldb"
)

func storeOf(db *sqldb.DB) member.Store { return sqlstore.New(db) }

// picture draws what is known of the people whose names begin with p: each
// card with its holder, and who is one member.
func picture(t testing.TB, s member.Store, p string) string {
	t.Helper()
	people := map[string][]string{} // member → identities
	for _, name := range []string{"ming", "hong", "O1", "O2", "O3"} {
		for app, short := range map[string]string{mini: "mini", official: "official"} {
			if id, err := s.Identity(t.Context(), app, p+name); err == nil {
				people[id.MemberID] = append(people[id.MemberID], short+":"+name)
			}
		}
	}
	var cards, members []string
	for id, who := range people {
		sort.Strings(who)
		members = append(members, strings.Join(who, " "))
		held, err := s.Cards(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range held {
			cards = append(cards, fmt.Sprintf("%s/%s %s %s of %s", c.CardID, nameOf(p, c.Code), c.Status, c.OuterStr, strings.Join(who, " ")))
		}
	}
	sort.Strings(cards)
	sort.Strings(members)
	return strings.Join(append(cards, "members: "+strings.Join(members, ", ")), "\n")
}

func nameOf(p, code string) string {
	issued.mu.Lock()
	defer issued.mu.Unlock()
	for name, c := range issued.codes {
		if c == code && strings.HasPrefix(name, p) {
			return strings.TrimPrefix(name, p)
		}
	}
	return strings.TrimPrefix(code, p)
}
