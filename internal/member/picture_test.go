package member_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"pgregory.net/rapid"

	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/testing/world"
)

// cast lists the openids that may be in a story, in both apps.
var cast = []struct{ app, name string }{
	{world.Mini, "ming"}, {world.Mini, "hong"}, {world.Mini, "lei"}, {world.Official, "O1"}, {world.Official, "O2"}, {world.Official, "O3"},
}

// picture is the result of a run: the cards of each member, as the member sees them,
// and which openids are one member.
type picture struct{ cards, members []string }

func (p *picture) String() string {
	slices.Sort(p.cards)
	slices.Sort(p.members)
	return strings.Join(append(p.cards, strings.Join(p.members, ", ")), "\n")
}

// picture returns what is in the database.
func (p *storyRun) picture(rt *rapid.T) string {
	people := map[string][]string{} // member → names
	for _, who := range cast {
		id, err := p.Store.Identity(p.Context(), who.app, p.name(who.name))
		switch {
		case errors.Is(err, member.ErrNotFound):
			continue
		case err != nil:
			rt.Fatal(err)
		}
		people[id.MemberID] = append(people[id.MemberID], who.name)
	}
	seen := &picture{}
	for id, names := range people {
		who := strings.Join(names, "+")
		seen.members = append(seen.members, who)
		held, err := p.Store.Cards(p.Context(), id)
		if err != nil {
			rt.Fatal(err)
		}
		for _, c := range held {
			seen.cards = append(seen.cards, p.line(c)+" of "+who)
			p.check(rt, c)
		}
	}
	return seen.String()
}

func (p *storyRun) line(c member.Card) string {
	name := strings.TrimPrefix(c.Code, p.prefix)
	for n, code := range p.codes {
		if code == c.Code {
			name = n
		}
	}
	line := fmt.Sprintf("%s/%s %s", strings.TrimSuffix(c.CardID, "-"+p.prefix), name, c.Status)
	if c.OuterStr != "" {
		line += " " + c.OuterStr
	}
	if c.Bonus != 0 || c.Balance != 0 {
		line += fmt.Sprintf(" %d points %d fen %s", c.Bonus, c.Balance, c.Fields[1])
	}
	return line
}

// check checks what package member relies on: no card is activated twice, and a card
// with a known wallet is held by the member who has that openid.
func (p *storyRun) check(rt *rapid.T, c member.Card) {
	if n := p.WeChat.Activated[c.Code]; n > 1 {
		rt.Fatalf("card %s was activated %d times", c.Code, n)
	}
	if c.Life.Wallet == "" {
		return
	}
	id, err := p.Store.Identity(p.Context(), world.Official, c.Life.Wallet)
	if err != nil || id.MemberID != c.MemberID {
		rt.Fatalf("card %s is in the wallet of %s, member %s, %v, but held by member %s", c.Code, c.Life.Wallet, id.MemberID, err, c.MemberID)
	}
}
