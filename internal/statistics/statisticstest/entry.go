package statisticstest

import (
	"testing"

	"github.com/addcard/addcard/internal/ledger"
	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/statistics"
)

const request = "POST /v1/cards/c1/codes/A1/entries"

// holder adds an active card without times, which is not counted itself.
func holder(s *shop, code, channel string) statistics.Key {
	s.add(member.Card{CardID: "c1", Code: code, Status: member.Active, OuterStr: channel})
	return statistics.Key{"c1", code}
}

func reversals(_ *testing.T, s *shop) {
	key := holder(s, "A1", "table1")
	given := s.book(key, ledger.Booking{AddBonus: 50, AddBalance: 900}, request, at(3, 8))
	spent := s.book(key, ledger.Booking{AddBonus: -20, AddBalance: -300}, request, at(4, 8))
	s.book(key, ledger.Booking{AddBonus: 7}, "opening", at(4, 9)) // an initial grant
	s.wants(map[int]statistics.Figures{
		3: {BonusGiven: 50, BalanceGiven: 900, Entries: 1},
		4: {BonusGiven: 7, BonusSpent: 20, BalanceSpent: 300, Entries: 2},
	}, map[string]statistics.Figures{"table1": {BonusGiven: 57, BonusSpent: 20, BalanceGiven: 900, BalanceSpent: 300, Entries: 3}})
	s.book(key, ledger.Booking{AddBonus: 20, AddBalance: 300, Reverses: spent}, request, at(5, 8))
	s.book(key, ledger.Booking{AddBonus: -50, AddBalance: -900, Reverses: given}, request, at(5, 8))
	s.wants(map[int]statistics.Figures{
		3: {BonusGiven: 50, BalanceGiven: 900, Entries: 1},
		4: {BonusGiven: 7, BonusSpent: 20, BalanceSpent: 300, Entries: 2},
		5: {BonusGiven: -50, BonusSpent: -20, BalanceGiven: -900, BalanceSpent: -300, Entries: 2},
	}, map[string]statistics.Figures{"table1": {BonusGiven: 7, Entries: 5}})
}

// What a card had in another system, and what moves from one of its codes to another.
func notGiven(_ *testing.T, s *shop) {
	key := holder(s, "A1", "")
	opening := s.book(key, ledger.Booking{AddBonus: 50}, ledger.RouteFace, at(3, 8))
	s.book(key, ledger.Booking{AddBonus: -50, Reverses: opening}, request, at(4, 8))
	moved := s.book(key, ledger.Booking{AddBonus: 9}, "", at(5, 8))
	s.book(key, ledger.Booking{AddBonus: -9, Reverses: moved}, request, at(6, 8))
	given := s.book(key, ledger.Booking{AddBonus: 5}, request, at(7, 8))
	s.book(key, ledger.Booking{AddBonus: -5, Reverses: given}, "", at(8, 8)) // of an initial grant that was booked twice
	s.wants(map[int]statistics.Figures{7: {BonusGiven: 5, Entries: 1}, 8: {BonusGiven: -5, Entries: 1}},
		map[string]statistics.Figures{"": {Entries: 2}})
}

// A friend who gets the card goes on with its ledger.
func entryChannel(_ *testing.T, s *shop) {
	s.receive(member.Event{Name: taken, CardID: "auto", Code: "A1", OpenID: "o1", At: at(3, 8), OuterStr: "table1"})
	s.book(statistics.Key{"auto", "A1"}, ledger.Booking{AddBonus: 50}, request, at(3, 9))
	s.receive(member.Event{Name: taken, CardID: "auto", Code: "B1", OpenID: "o2", At: at(5, 8), OldCode: "A1", FriendOpenID: "o1",
		OuterStr: "friend"})
	s.book(statistics.Key{"auto", "B1"}, ledger.Booking{AddBonus: -20}, request, at(6, 9))
	s.wants(map[int]statistics.Figures{
		3: {Claimed: 1, Activated: 1, BonusGiven: 50, Entries: 1}, 6: {BonusSpent: 20, Entries: 1},
	}, map[string]statistics.Figures{"table1": {Claimed: 1, Activated: 1, BonusGiven: 50, BonusSpent: 20, Entries: 2}})
}
