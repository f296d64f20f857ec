package admin

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/addcard/addcard/internal/httpapi/internal/web"
	"github.com/addcard/addcard/internal/importer"
	"github.com/addcard/addcard/internal/ledger"
	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/shop"
)

// limits returns what bounds the entries of the request's sender: those of the shop for
// a cashier, and none for others.
func (a *api) limits(ctx context.Context) (*ledger.Limits, error) {
	if web.PrincipalOf(ctx).Role != web.Cashier {
		return nil, nil
	}
	s, err := a.Shop.Settings(ctx)
	if err != nil {
		return nil, err
	}
	c, now := s.Cashier, time.Now().In(a.zone)
	return &ledger.Limits{
		BonusPerEntry: c.BonusPerEntry, BonusPerDay: c.BonusPerDay, BalancePerEntry: c.BalancePerEntry, BalancePerDay: c.BalancePerDay,
		DayBegan: time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, a.zone), UndoWithin: shop.UndoTime,
	}, nil
}

// forCashier returns those of the people who were found by a code, a membership number
// or a phone number, without their identities: a cashier neither looks for openids nor
// sees them.
func forCashier(people []member.Person, key string) []member.Person {
	is := equals(key)
	people = slices.DeleteFunc(people, func(p member.Person) bool {
		return is(p.ID) || slices.ContainsFunc(p.Identities, func(i member.Identity) bool {
			return is(i.OpenID) || is(i.UnionID)
		})
	})
	for i := range people {
		people[i].Identities = nil
	}
	return people
}

// accountsForCashier does so with imported accounts. It leaves what is in the books.
func accountsForCashier(accounts []importer.Account, key string) (shown []importer.Account) {
	is := equals(key)
	for _, a := range accounts {
		if !is(a.ID) && !is(a.OpenID) && !is(a.UnionID) {
			a.Phone, a.Name, a.Note = "", "", ""
			shown = append(shown, a)
		}
	}
	return shown
}

// equals returns a function that reports whether a number may have been found by key.
func equals(key string) func(string) bool {
	return func(other string) bool { return other != "" && strings.EqualFold(strings.TrimSpace(key), other) }
}
