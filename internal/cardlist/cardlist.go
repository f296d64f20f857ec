// Package cardlist makes the signed cardList that a mini-program passes to
// wx.addCard, and processes what wx.addCard returns. It combines the catalogue
// (what a cardExt must contain), the member's code and openid, and the api_ticket,
// because the packages of these three do not import each other.
//
// It stores nothing itself, and it signs no text of a client. WeChat joins the
// signed values without a separator, so a client that wrote one could move text
// from one value to the next. A client chooses only a card of the catalogue, and
// the outer_str, which is not signed.
package cardlist

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/addcard/addcard/internal/card"
	"github.com/addcard/addcard/internal/cardext"
	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/ration"
)

// ErrNoTicket is returned when there is no api_ticket to sign with. The error also
// wraps the cause.
var ErrNoTicket = errors.New("cardlist: no api_ticket")

// Request asks for one card. OuterStr names the channel and is returned in
// WeChat's events; it may be empty.
type Request struct{ CardID, OuterStr string }

// Item is one element of wx.addCard's cardList.
type Item struct{ CardID, CardExt string }

// ItemError is an error about the card at Index of the list.
type ItemError struct {
	Index int
	Err   error
}

func (e *ItemError) Error() string { return fmt.Sprintf("card %d of the list: %v", e.Index, e.Err) }

// Unwrap returns the error about the card.
func (e *ItemError) Unwrap() error { return e.Err }

// Catalogue is what the Service needs of package card.
type Catalogue interface {
	Get(ctx context.Context, cardID string) (card.Card, error)
	Claimable(ctx context.Context, cardID string, hasCode bool) (card.Card, error)
}

// Members is what the Service needs of package member.
type Members interface {
	Codes(ctx context.Context, memberID string, wants []member.CodeRequest) ([]member.Code, error)
	Holds(ctx context.Context, memberID, cardID string) (bool, error)
	OpenID(ctx context.Context, memberID, appID string) (string, error)
}

// Tickets returns the api_ticket, and for Explain the tickets that a developer
// may have signed with by mistake.
type Tickets interface {
	// Ticket may wait for one fetch.
	Ticket(ctx context.Context) (string, error)
	// OtherTickets returns the jsapi_ticket, or "", and earlier api_tickets.
	OtherTickets(ctx context.Context) (jsapi string, old []string)
}

// Service makes card lists. It is safe for concurrent use.
type Service struct {
	Catalogue Catalogue
	Members   Members
	Tickets   Tickets
	Claims    Claims
	Codes     Codes
	// OfficialAppID is the Official Account that owns the cards. A card with
	// bind_openid is bound to the member's openid in this account.
	OfficialAppID string
	// Now is the clock for cardExt's timestamp.
	Now func() time.Time
	// Signed, unless nil, is called for each cardExt that Make returns. It must not
	// block. code is empty if WeChat chooses the codes of the card.
	Signed func(memberID, cardID, code string)
	// LimitCalls bounds the calls of Codes for each member, see CallsPerMinute, and
	// the requests that wait for them.
	LimitCalls bool

	calls     ration.Budget
	decrypted ration.Answers[string] // by encrypted code
	holders   ration.Answers[string] // by card_id and code
}

// Make returns a newly signed item for each request, in the order of requests. On
// an error no code is issued. An error about one card is an *ItemError around
// card.ErrNotFound, card.ErrNotClaimable, card.ErrTooMany, member.ErrOpenIDUnknown
// or WeChat's error; other errors are member.ErrMemberUnknown and ErrNoTicket.
// Make may wait for WeChat when a card is new to the catalogue or the ticket is
// not in memory.
//
// A member gets the same code of a card until it is given away or ended.
// nonce_str and timestamp are new at each call, because WeChat refuses a
// repetition. So the result must not be cached.
func (s *Service) Make(ctx context.Context, memberID string, requests []Request) ([]Item, error) {
	params := make([]cardext.Params, len(requests))
	cards := make([]card.Card, len(requests))
	for i, r := range requests {
		var err error
		if cards[i], params[i], err = s.prepare(ctx, memberID, r); err != nil {
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
		if s.Signed != nil {
			s.Signed(memberID, p.CardID, p.Code)
		}
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

// prepare returns the card and the parameters of its cardExt without the code.
func (s *Service) prepare(ctx context.Context, memberID string, r Request) (card.Card, cardext.Params, error) {
	p := cardext.Params{CardID: r.CardID, OuterStr: r.OuterStr}
	c, err := s.claimable(ctx, memberID, r.CardID)
	if err == nil && c.BindOpenID {
		p.OpenID, err = s.Members.OpenID(ctx, memberID, s.OfficialAppID)
	}
	return c, p, err
}

// claimable returns the card if the member can claim it. Whether the member has a
// code is asked only when that makes a difference.
func (s *Service) claimable(ctx context.Context, memberID, cardID string) (card.Card, error) {
	c, err := s.Catalogue.Claimable(ctx, cardID, false)
	if !errors.Is(err, card.ErrNotClaimable) {
		return c, err
	}
	hasCode, holdsErr := s.Members.Holds(ctx, memberID, cardID)
	if holdsErr != nil || !hasCode {
		return c, errors.Join(err, holdsErr)
	}
	return s.Catalogue.Claimable(ctx, cardID, true)
}

// addCodes adds the member's codes to the params of the cards that take one.
func (s *Service) addCodes(ctx context.Context, memberID string, cards []card.Card, params []cardext.Params) error {
	var requests []member.CodeRequest
	for i, c := range cards {
		if c.TakesCode() {
			requests = append(requests, member.CodeRequest{CardID: c.ID, OuterStr: params[i].OuterStr})
		}
	}
	if requests == nil {
		return nil
	}
	codes, err := s.Members.Codes(ctx, memberID, requests)
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

// Explain reports whether a cardExt verifies with the current api_ticket and, if
// not, why, as far as that can be proved. The caller sets NotString and Signed of
// facts; Explain sets the other fields. The report says less about a card that is
// not found in the catalogue. Explain returns ErrNoTicket if there is no ticket to
// verify with.
func (s *Service) Explain(ctx context.Context, cardID, raw string, facts cardext.Facts) (cardext.Report, error) {
	ticket, err := s.ticket(ctx) // before OtherTickets, which then includes the one that this replaced
	if err != nil {
		return cardext.Report{}, err
	}
	facts.Now = s.Now()
	facts.JSAPITicket, facts.OldTickets = s.Tickets.OtherTickets(ctx)
	ctx = ration.WithClient(ctx, ration.Client{Kind: ration.Operator})
	if c, err := s.Catalogue.Get(ctx, cardID); err == nil {
		facts.Card = &cardext.Card{TakesCode: c.TakesCode(), NeedsOpenID: c.BindOpenID, FixTerm: c.DateType == card.DateFixTerm}
	}
	return cardext.Explain(ticket, cardID, raw, facts), nil
}
