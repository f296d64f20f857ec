package app_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/addcard/addcard/internal/testing/apptest"
	"github.com/addcard/addcard/internal/wechatsim"
)

// WeChat once gave the UnionId of one person in the events of hundreds. The people kept
// no card that they had taken through the mini-program.
func TestUnionID_OneForManyPeopleTakesNoCardAway(t *testing.T) {
	t.Parallel()
	for _, choice := range []string{"own", "one-in-events", "one-in-logins", "one"} {
		t.Run(choice, func(t *testing.T) {
			t.Parallel()
			w := apptest.New(t, wechatsim.Options{Assumptions: wechatsim.Assumptions{UnionID: choice}})
			cardID := w.Card()
			s := w.Serve()
			w.Connect(s)
			tokens, codes := map[string]string{}, map[string]string{}
			people := []string{"ming", "hong", "lei", "wei"}
			for _, who := range people {
				tokens[who], codes[who] = w.Claim(s, who, cardID)
			}
			w.WaitEvents()
			for _, again := range []string{"after the events", "after another login"} {
				var members []string
				for _, who := range people {
					if cards := s.Cards(tokens[who]); len(cards) != 1 || cards[0].Code != codes[who] || cards[0].Status == "issued" {
						t.Errorf("%s, %s: got %+v, want the card %s", again, who, cards, codes[who])
					}
					token, memberID := w.Login(s, who)
					tokens[who], members = token, append(members, memberID)
					p, err := w.Sim.Person(who)
					if err != nil {
						t.Fatal(err)
					}
					for _, openID := range []string{p.MiniOpenID, p.OpenID} {
						if page := s.Members("?query=" + openID); len(page.Members) != 1 || page.Members[0].ID != memberID {
							t.Errorf("%s, %s: %s is in %+v, want member %s", again, who, openID, page.Members, memberID)
						}
					}
				}
				if len(slices.Compact(slices.Sorted(slices.Values(members)))) != len(people) {
					t.Errorf("%s: members %v", again, members)
				}
			}
			shared := 0
			if choice != "own" {
				shared = 1
			}
			metric := fmt.Sprintf("\naddcard_unionid_conflicts %d\n", shared)
			if got := s.Operate("GET", "/metrics", nil); !strings.Contains(string(got.Body), metric) {
				t.Errorf("the metrics have no line %q", metric)
			}
		})
	}
}
