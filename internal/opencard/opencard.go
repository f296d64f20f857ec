// Package opencard issues cards through WeChat's open-card component (开卡组件), a
// mini-program of WeChat's own in which members fill in the card's form and claim
// the card. [Service.Params] returns what wx.navigateToMiniProgram passes to the
// component; [Service.Activate] takes what App.onShow returns from it.
//
// The component does not work for every card: the card must be one-click
// (wx_activate), and its codes must be WeChat's own or deposited. For codes that
// the merchant assigns in real time WeChat shows an empty page, so the package
// refuses such a card. wx.addCard is package cardlist's.
package opencard

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/addcard/addcard/internal/card"
	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/ration"
)

// AppID is the component's AppID, the same for all merchants (page "开卡组件").
const AppID = "wxeb490c6f9b154ef9"

var (
	// ErrCodeMode is returned for a card with codes assigned in real time.
	ErrCodeMode = errors.New("opencard: the component does not accept a card with real-time custom codes")
	// ErrNotOneClick is returned for a card without the activation form.
	ErrNotOneClick = errors.New("opencard: the card is not one-click")
	// ErrTicket is returned for an activate_ticket that is invalid, expired, or
	// was used for another code.
	ErrTicket = errors.New("opencard: invalid activate_ticket")
	// ErrTicketExpired is an ErrTicket that WeChat also returns for some valid
	// tickets.
	ErrTicketExpired = fmt.Errorf("%w: expired", ErrTicket)
	// ErrTooMany is returned when a member has used up the minute's calls for
	// new parameters, or for activations.
	ErrTooMany = errors.New("opencard: too many calls in this minute")
)

// Params is the extraData of wx.navigateToMiniProgram.
type Params struct{ EncryptCardID, OuterStr, Biz string }

// WeChat is what the Service needs of the Official Account. All calls go over
// the network.
type WeChat interface {
	// OpenCard returns ErrCodeMode, ErrNotOneClick or card.ErrNotFound for a card
	// that the component does not accept.
	OpenCard(ctx context.Context, cardID, outerStr string) (Params, error)
	// Form returns what a member filled in. It returns ErrTicket for an invalid
	// ticket, and ErrTicketExpired if a retry a moment later may succeed.
	Form(ctx context.Context, ticket string) ([]member.Answer, error)
	// Active reports whether the card in a wallet is active at WeChat.
	Active(ctx context.Context, cardID, code string) (bool, error)
}

// Catalogue is what the Service needs of package card.
type Catalogue interface {
	Get(ctx context.Context, cardID string) (card.Card, error)
	Claimable(ctx context.Context, cardID string, hasCode bool) (card.Card, error)
}

// Members is what the Service needs of package member.
type Members interface {
	CardOf(ctx context.Context, memberID, cardID, code string) (member.Card, error)
	Submitted(ctx context.Context, ticketHash, cardID, code string) (bool, error)
	Submit(ctx context.Context, memberID string, claim member.Claim, form member.Form) (member.Card, error)
	AwaitActivation(ctx context.Context, cardID, code string, patience time.Duration) (member.Card, error)
}

// Codes finds the wallet that holds a code; see package cardlist.
type Codes interface {
	Holder(ctx context.Context, cardID, code string) (openID string, err error)
}

// Service issues cards through the component. It is safe for concurrent use.
type Service struct {
	WeChat    WeChat
	Catalogue Catalogue
	Members   Members
	Codes     Codes
	// LimitCalls bounds the calls that the activations of one member cause; see
	// callsPerMinute.
	LimitCalls bool

	fetches  ration.Budget // of parameters
	calls    ration.Budget // of activations
	params   ration.Answers[Params]
	holders  ration.Answers[string]
	forms    ration.Answers[[]member.Answer]
	asking   ration.Slots // for the state of a card
	awaiting ration.Slots // for an activation
}

const (
	// fetchesPerMinute is how many different parameters a member may fetch in a
	// minute.
	fetchesPerMinute = 6
	paramsFor        = time.Hour
	// callsPerMinute is enough for five activations in a minute.
	callsPerMinute = 20
	// maxWaiting bounds the requests that wait for the state of a card, or for an
	// activation.
	maxWaiting = 64
)

// Params returns the component's parameters for a card and a channel. Each pair
// is fetched from WeChat once and kept for an hour; one member may cause six
// fetches a minute. It returns ErrCodeMode, ErrNotOneClick, ErrTooMany,
// ration.ErrBusy, card.ErrNotFound, card.ErrNotClaimable, card.ErrTooMany or WeChat's
// error.
func (s *Service) Params(ctx context.Context, memberID, cardID, outerStr string) (Params, error) {
	c, err := s.Catalogue.Claimable(ctx, cardID, false)
	if err != nil {
		return Params{}, err
	}
	if err := checkCard(c); err != nil {
		return Params{}, err
	}
	pay := func() error {
		if !s.fetches.Allow(memberID, fetchesPerMinute) {
			return ErrTooMany
		}
		return nil
	}
	q := ration.Question{Text: cardID + " " + outerStr, Pay: pay}
	return s.params.Ask(ctx, q, func(ctx context.Context) (Params, time.Duration, error) {
		p, err := s.WeChat.OpenCard(ctx, cardID, outerStr)
		if err != nil {
			return Params{}, 0, err
		}
		return p, paramsFor, nil
	})
}

// question returns a question about an activation, which the member pays for.
func (s *Service) question(memberID, text string) ration.Question {
	return ration.Question{Text: text, Pay: func() error { return s.pay(memberID) }}
}

// pay counts one call for an activation of the member.
func (s *Service) pay(memberID string) error {
	if s.LimitCalls && !s.calls.Allow(memberID, callsPerMinute) {
		return ErrTooMany
	}
	return nil
}

// checkCard returns why the component does not accept c, or nil.
func checkCard(c card.Card) error {
	switch {
	case c.TakesCode():
		return ErrCodeMode
	case !c.WxActivate:
		return ErrNotOneClick
	}
	return nil
}
