package wechatsim

import (
	"errors"
	"net/http"
	"regexp"
)

const maxPeople = 100_000

// merchant is the user of the events that are about a card and no customer.
const merchant = "merchant"

// person is one WeChat user: one openid per app, and a wallet.
type person struct {
	name       string
	miniOpenID string
	openID     string // the Official Account's
	unionID    string
	blocked    bool
	country    string // of the phone number; empty: mainland
	phone      string // within the country; empty: none yet
	logins     meter
	wallet     []*walletCard
}

// Person is what identifies one user to the two apps. UnionID is empty when the
// apps are not bound.
type Person struct {
	Name       string `json:"name"`
	MiniOpenID string `json:"mini_openid"`
	OpenID     string `json:"openid"`
	UnionID    string `json:"unionid,omitempty"`
	Phone      string `json:"phone,omitempty"`
	Blocked    bool   `json:"blocked"`
}

// Person returns the identities of user. A user begins to exist when first named.
func (s *Sim) Person(user string) (Person, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := s.person(user)
	if err != nil {
		return Person{}, err
	}
	return s.identities(p), nil
}

func (s *Sim) showPerson(r *http.Request) (any, error) { return s.Person(r.PathValue("user")) }

func (s *Sim) identities(p *person) Person {
	out := Person{Name: p.name, MiniOpenID: p.miniOpenID, OpenID: p.openID, Phone: p.fullPhone(), Blocked: p.blocked}
	if s.bound {
		out.UnionID = p.unionID
	}
	return out
}

// person returns the user of that name, a new one if there is none. The error
// says that the name is not one.
func (s *Sim) person(user string) (*person, error) {
	if p := s.people[user]; p != nil {
		return p, nil
	}
	if !regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`).MatchString(user) {
		return nil, errors.New("user: 1 to 64 letters, digits, _ . -")
	}
	if len(s.people) >= maxPeople {
		return nil, errors.New("user: more people than a simulator holds")
	}
	p := &person{name: user, openID: MarkOpenID + s.randomString(urlSafe, 23), unionID: MarkUnionID + s.randomString(urlSafe, 23)}
	p.miniOpenID = MarkMiniOpenID + s.randomString(urlSafe, 23)
	if s.mini == s.official {
		p.miniOpenID = p.openID
	}
	s.people[user], s.openIDs[p.openID] = p, p
	if s.firstPerson == nil && user != merchant {
		s.firstPerson = p
	}
	return p, nil
}

// unionIDIn returns the unionid that WeChat gives for p in "events" or in "logins". It
// once gave one unionid in the events of hundreds of people.
func (s *Sim) unionIDIn(where string, p *person) string {
	if one := s.assumptions.UnionID; one == "one" || one == "one-in-"+where {
		return s.firstPerson.unionID
	}
	return p.unionID
}
