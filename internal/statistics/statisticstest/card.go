package statisticstest

import (
	"context"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/statistics"
)

const (
	taken   = "user_get_card"
	deleted = "user_del_card"
)

func lifeOfACard(_ *testing.T, s *shop) {
	key := statistics.Key{"c1", "A1"}
	s.add(member.Card{CardID: "c1", Code: "A1", Status: member.Issued, OuterStr: "table1", IssuedAt: at(3, 23)})
	s.wants(map[int]statistics.Figures{3: {Issued: 1}}, map[string]statistics.Figures{"table1": {Issued: 1}})
	s.receive(member.Event{Name: taken, CardID: "c1", Code: "A1", OpenID: "o1", At: at(4, 0)})
	s.wants(map[int]statistics.Figures{3: {Issued: 1}, 4: {Claimed: 1}}, map[string]statistics.Figures{"table1": {Issued: 1, Claimed: 1}})
	s.change(key, func(c *member.Card) { c.MarkActive("1", at(5, 8)) })
	s.receive(member.Event{Name: deleted, CardID: "c1", Code: "A1", OpenID: "o1", At: at(9, 23)})
	s.wants(
		map[int]statistics.Figures{3: {Issued: 1}, 4: {Claimed: 1}, 5: {Activated: 1}, 9: {Deleted: 1}},
		map[string]statistics.Figures{"table1": {Issued: 1, Claimed: 1, Activated: 1, Deleted: 1}},
	)
	s.rollUp() // changes nothing
	s.wants(
		map[int]statistics.Figures{3: {Issued: 1}, 4: {Claimed: 1}, 5: {Activated: 1}, 9: {Deleted: 1}},
		map[string]statistics.Figures{"table1": {Issued: 1, Claimed: 1, Activated: 1, Deleted: 1}},
	)
}

// The phone has claimed the card on the 10th; WeChat's event of the 4th, with another
// channel, was on its way for days.
func lateEvent(_ *testing.T, s *shop) {
	s.add(member.Card{CardID: "auto", Code: "A1", Status: member.Active, OuterStr: "table1", ClaimedAt: at(10, 8), ActivatedAt: at(10, 8)})
	s.wants(map[int]statistics.Figures{10: {Claimed: 1, Activated: 1}}, map[string]statistics.Figures{"table1": {Claimed: 1, Activated: 1}})
	s.receive(member.Event{Name: taken, CardID: "auto", Code: "A1", OpenID: "o1", At: at(4, 8), OuterStr: "table2"})
	s.wants(
		map[int]statistics.Figures{4: {Claimed: 1}, 10: {Activated: 1}},
		map[string]statistics.Figures{"table2": {Claimed: 1, Activated: 1}},
	)
}

func gift(_ *testing.T, s *shop) {
	s.receive(member.Event{Name: taken, CardID: "auto", Code: "A1", OpenID: "o1", At: at(3, 8), OuterStr: "table1"})
	s.receive(member.Event{Name: taken, CardID: "auto", Code: "B1", OpenID: "o2", At: at(5, 8), OldCode: "A1", FriendOpenID: "o1"})
	s.receive(member.Event{Name: deleted, CardID: "auto", Code: "A1", OpenID: "o1", At: at(6, 8)}) // the giver no longer has it
	s.wants(map[int]statistics.Figures{3: {Claimed: 1, Activated: 1}}, map[string]statistics.Figures{"table1": {Claimed: 1, Activated: 1}})
	s.receive(member.Event{Name: deleted, CardID: "auto", Code: "B1", OpenID: "o2", At: at(7, 8)})
	s.wants(
		map[int]statistics.Figures{3: {Claimed: 1, Activated: 1}, 7: {Deleted: 1}},
		map[string]statistics.Figures{"table1": {Claimed: 1, Activated: 1}, "": {Deleted: 1}},
	)
}

// The friend's phone has claimed the card before addcard hears that it is a gift.
func lateGift(_ *testing.T, s *shop) {
	s.receive(member.Event{Name: taken, CardID: "auto", Code: "A1", OpenID: "o1", At: at(3, 8)})
	s.add(member.Card{CardID: "auto", Code: "B1", Status: member.Claimed, ClaimedAt: at(5, 8), Life: member.Life{Wallet: "o2"}})
	s.wants(
		map[int]statistics.Figures{3: {Claimed: 1, Activated: 1}, 5: {Claimed: 1}},
		map[string]statistics.Figures{"": {Claimed: 2, Activated: 1}},
	)
	s.receive(member.Event{Name: taken, CardID: "auto", Code: "B1", OpenID: "o2", At: at(5, 8), OldCode: "A1", FriendOpenID: "o1"})
	s.wants(map[int]statistics.Figures{3: {Claimed: 1, Activated: 1}}, map[string]statistics.Figures{"": {Claimed: 1, Activated: 1}})
}

func takenAgain(_ *testing.T, s *shop) {
	s.receive(member.Event{Name: taken, CardID: "auto", Code: "A1", OpenID: "o1", At: at(3, 8)})
	s.receive(member.Event{Name: deleted, CardID: "auto", Code: "A1", OpenID: "o1", At: at(5, 8)})
	s.wants(
		map[int]statistics.Figures{3: {Claimed: 1, Activated: 1}, 5: {Deleted: 1}},
		map[string]statistics.Figures{"": {Claimed: 1, Activated: 1, Deleted: 1}},
	)
	s.receive(member.Event{Name: taken, CardID: "auto", Code: "A1", OpenID: "o1", At: at(8, 8), Restored: true})
	s.wants(map[int]statistics.Figures{3: {Claimed: 1, Activated: 1}}, map[string]statistics.Figures{"": {Claimed: 1, Activated: 1}})
}

// The event is lost, and a later look at the card shows that it is deleted.
func unseenDeletion(_ *testing.T, s *shop) {
	s.add(member.Card{CardID: "c1", Code: "A1", Status: member.Claimed, ClaimedAt: at(5, 8)})
	s.change(statistics.Key{"c1", "A1"}, func(c *member.Card) { c.ApplyInfo(member.CardInfo{Status: "DELETE"}, at(20, 8)) })
	s.wants(map[int]statistics.Figures{5: {Claimed: 1, Deleted: 1}}, map[string]statistics.Figures{"": {Claimed: 1, Deleted: 1}})
}

func erasure(t *testing.T, s *shop) {
	want := map[int]statistics.Figures{3: {Claimed: 1, Activated: 1}, 5: {Deleted: 1}}
	byChannel := map[string]statistics.Figures{"": {Claimed: 1, Activated: 1, Deleted: 1}}
	s.receive(member.Event{Name: taken, CardID: "auto", Code: "A1", OpenID: "o1", At: at(3, 8)})
	s.receive(member.Event{Name: deleted, CardID: "auto", Code: "A1", OpenID: "o1", At: at(5, 8)})
	s.wants(want, byChannel)
	c, err := s.stores.Members.Card(t.Context(), "auto", "A1")
	if err == nil {
		err = s.members.Erase(t.Context(), c.MemberID)
	}
	if err != nil {
		t.Fatal(err)
	}
	s.wants(want, byChannel)
}

// A member can choose any channel as often as there are requests.
func noEmptyRows(t *testing.T, s *shop) {
	s.add(member.Card{CardID: "c1", Code: "A1", Status: member.Issued, OuterStr: "table0", IssuedAt: at(3, 8)})
	s.rollUp()
	for _, channel := range []string{"table1", "table2", "table3"} {
		s.change(statistics.Key{"c1", "A1"}, func(c *member.Card) { c.OuterStr = channel })
		s.rollUp()
	}
	s.wants(map[int]statistics.Figures{3: {Issued: 1}}, map[string]statistics.Figures{"table3": {Issued: 1}})
	err := s.stores.Statistics.Write(t.Context(), func(ctx context.Context, tx statistics.Tx) error {
		if n, err := tx.Clear(ctx, 9); n != 2 || err != nil {
			t.Errorf("%d rows, %v, want one of the card and one of all", n, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func oneReplica(t *testing.T, s *shop) {
	mine := 0
	for range 5 {
		got, err := s.stores.Statistics.StartJob(t.Context(), time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		if got {
			mine++
		}
	}
	if mine != 1 {
		t.Errorf("the job is %d callers'", mine)
	}
	if got, err := s.stores.Statistics.StartJob(t.Context(), 0); !got || err != nil {
		t.Errorf("in the next period: %t, %v", got, err)
	}
}
