// Package cardlist makes the cardList that a mini-program hands to wx.addCard:
// for each card it asks the catalogue what its cardExt may hold, the members'
// book for the person's code and openid, the ticket source for the api_ticket,
// and has them signed.
//
// It is where these capabilities meet, and the only place: they do not know
// each other. A client chooses the card and its outer_str, which WeChat does
// not sign; every value that is signed is made here, because the values are
// joined with nothing in between and a client's would let it shift them.
package cardlist

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/addcard/addcard/internal/card"
	"github.com/addcard/addcard/internal/cardext"
	"github.com/addcard/addcard/internal/member"
)

// ErrNoTicket is returned when there is no api_ticket to sign with. It wraps why.
var ErrNoTicket = errors.New("cardlist: no api_ticket")

// Want is one card that a mini-program asks for. OuterStr names the channel
// and comes back in WeChat's events; it may be empty.
type Want struct{ CardID, OuterStr string }

// Item is one element of wx.addCard's cardList.
type Item struct{ CardID, CardExt string }

// ItemError says which of the wanted cards an error is about.
type ItemError struct {
	Index int
	Err   error
}

func (e *ItemError) Error() string { return fmt.Sprintf("card %d of the list: %v", e.Index, e.Err) }

// Unwrap returns the error itself.
func (e *ItemError) Unwrap() error { return e.Err }

// Catalogue is what cardlist asks of package card.
type Catalogue interface {
	Get(ctx context.Context, cardID string) (card.Card, error)
	Claimable(ctx context.Context, cardID string, held bool) (card.Card, error)
}

// Members is what cardlist asks of package member.
type Members interface {
	Codes(ctx context.Context, memberID string, wants []member.Want) ([]member.Code, error)
	Holds(ctx context.Context, memberID, cardID string) (bool, error)
	OpenID(ctx context.Context, memberID, appID string) (string, error)
}

// Tickets gives the api_ticket, and for Explain the tickets that a developer
// may have taken for it. Ticket may wait for one fetch.
type Tickets interface {
	Ticket(ctx context.Context) (string, error)
	// Confusable returns the jsapi_ticket and earlier api_tickets, as far as
	// they can be had.
	Confusable(ctx context.Context) (jsapi string, old []string)
}

// Service makes card lists. It is safe for concurrent use.
type Service struct {
	Catalogue Catalogue
	Members   Members
	Tickets   Tickets
	Claims    Claims
	Codes     Codes
	// OfficialAppID is the Official Account that owns the cards: where a card
	// binds its holder's openid, it is this account's.
	OfficialAppID string
	// Now is the clock that cardExt's timestamp is read from.
	Now func() time.Time
}

// Make returns a freshly signed item for each wanted card, in their order, or
// an error and no code issued: all or nothing. Errors about one card come as
// *ItemError around card.ErrNotFound, card.ErrNotClaimable, card.ErrTooMany,
// member.ErrOpenIDUnknown or what WeChat answered; others are
// member.ErrMemberUnknown and ErrNoTicket. It may wait for WeChat when a
// card is new to the catalogue or the ticket is not at hand.
//
// The same member gets the same code again until it is given away or voided;
// nonce_str and timestamp are new each time, because WeChat refuses to see them
// twice. So an answer must not be cached.
func (s *Service) Make(ctx context.Context, memberID string, wants []Want) ([]Item, error) {
	params := make([]cardext.Params, len(wants))
	cards := make([]card.Card, len(wants))
	for i, w := range wants {
		var err error
		if cards[i], params[i], err = s.prepare(ctx, memberID, w); err != nil {
			return nil, &ItemError{i, err}
		}
	}
	ticket, err := s.ticket(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.addCodes(ctx, memberID, cards, params); err != nil {
		return nil, err
	}
	timestamp := s.Now().Unix()
	items := make([]Item, len(params))
	for i, p := range params {
		items[i] = Item{p.CardID, cardext.Sign(ticket, p, timestamp, cardext.NewNonce()).String()}
	}
	return items, nil
}

func (s *Service) ticket(ctx context.Context) (string, error) {
	ticket, err := s.Tickets.Ticket(ctx)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrNoTicket, err)
	}
	return ticket, nil
}

// prepare finds what the cardExt holds besides the code.
func (s *Service) prepare(ctx context.Context, memberID string, w Want) (card.Card, cardext.Params, error) {
	p := cardext.Params{CardID: w.CardID, OuterStr: w.OuterStr}
	c, err := s.claimable(ctx, memberID, w.CardID)
	if err == nil && c.BindOpenID {
		p.OpenID, err = s.Members.OpenID(ctx, memberID, s.OfficialAppID)
	}
	return c, p, err
}

func (s *Service) claimable(ctx context.Context, memberID, cardID string) (card.Card, error) {
	c, err := s.Catalogue.Claimable(ctx, cardID, false)
	if !errors.Is(err, card.ErrNotClaimable) {
		return c, err
	}
	held, holdsErr := s.Members.Holds(ctx, memberID, cardID)
	if holdsErr != nil || !held {
		return c, errors.Join(err, holdsErr)
	}
	return s.Catalogue.Claimable(ctx, cardID, true)
}

// addCodes puts the member's codes into the params of cards that take one.
func (s *Service) addCodes(ctx context.Context, memberID string, cards []card.Card, params []cardext.Params) error {
	var wants []member.Want
	for i, c := range cards {
		if c.TakesCode() {
			wants = append(wants, member.Want{CardID: c.ID, OuterStr: params[i].OuterStr})
		}
	}
	if wants == nil {
		return nil
	}
	codes, err := s.Members.Codes(ctx, memberID, wants)
	if err != nil {
		return err
	}
	for i, c := range cards {
		if !c.TakesCode() {
			continue
		}
		params[i].Code = codes[0].Code
		if c.DateType == card.DateFixTerm && c.Settings.FixedBeginTimestamp && !codes[0].IssuedAt.IsZero() {
			params[i].FixedBeginTimestamp = codes[0].IssuedAt.Unix()
		}
		codes = codes[1:]
	}
	return nil
}

// Explain says whether a cardExt verifies with today's api_ticket and, if not,
// why, as far as that can be proved. facts has what the asker knows: NotString
// and Signed; the rest is found here. For a card that the catalogue cannot find
// it says less. It returns ErrNoTicket when there is none to compare with.
func (s *Service) Explain(ctx context.Context, cardID, raw string, facts cardext.Facts) (cardext.Report, error) {
	ticket, err := s.ticket(ctx) // before Confusable: a new one makes the last one an earlier one
	if err != nil {
		return cardext.Report{}, err
	}
	facts.Now = s.Now()
	facts.JSAPITicket, facts.OldTickets = s.Tickets.Confusable(ctx)
	if c, err := s.Catalogue.Get(ctx, cardID); err == nil {
		facts.Card = &cardext.Card{TakesCode: c.TakesCode(), NeedsOpenID: c.BindOpenID, FixTerm: c.DateType == card.DateFixTerm}
	}
	return cardext.Explain(ticket, cardID, raw, facts), nil
}
