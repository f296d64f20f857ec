// Package opencard is the way through WeChat's open-card component (开卡组件): a
// mini-program of WeChat's own in which the user fills in the card's form and
// takes the card. [Service.Params] gives what wx.navigateToMiniProgram takes
// there; [Service.Activate] takes what App.onShow brings back.
//
// It is where the catalogue, the members' book and WeChat meet for this, as
// package cardlist is for wx.addCard. The component is for one-click cards
// (wx_activate) whose codes are WeChat's or were deposited: for codes that the
// merchant gives out in real time WeChat shows an empty page, so such a card is
// refused before.
package opencard

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/addcard/addcard/internal/card"
	"github.com/addcard/addcard/internal/cardlist"
	"github.com/addcard/addcard/internal/member"
)

// AppID is the component's, the same for all merchants (page "开卡组件").
const AppID = "wxeb490c6f9b154ef9"

var (
	// ErrCodeMode is returned for a card whose codes are given out in real time.
	ErrCodeMode = errors.New("opencard: real-time custom codes do not go through the component")
	// ErrNotOneClick is returned for a card without the activation form.
	ErrNotOneClick = errors.New("opencard: the card is not one-click")
	// ErrTicket is returned for an activate_ticket that is wrong, over, or was
	// used for another code.
	ErrTicket = errors.New("opencard: the activate_ticket is not good")
	// ErrTooMany is returned to a member who asks for new parameters too often.
	ErrTooMany = errors.New("opencard: too many different parameters")
)

// Params is the extraData of wx.navigateToMiniProgram.
type Params struct{ EncryptCardID, OuterStr, Biz string }

// Field is one answer on the form.
type Field struct {
	Name   string   `json:"name"`
	Value  string   `json:"value,omitempty"`
	Values []string `json:"values,omitempty"`
}

// Text is the answer as one text, also of a check box.
func (f Field) Text() string {
	if len(f.Values) > 0 {
		return strings.Join(f.Values, ", ")
	}
	return f.Value
}

// phoneField is where WeChat puts the phone number.
const phoneField = "USER_FORM_INFO_FLAG_MOBILE"

// WeChat is what the Service asks of the Official Account. Both go over the
// network. OpenCard returns ErrCodeMode, ErrNotOneClick or card.ErrNotFound;
// Form returns ErrTicket, which an error may also be by a method
// Expired() bool, when asking again a moment later may help.
type WeChat interface {
	OpenCard(ctx context.Context, cardID, outerStr string) (Params, error)
	Form(ctx context.Context, ticket string) ([]Field, error)
	// Active tells whether a card in a wallet is active there.
	Active(ctx context.Context, cardID, code string) (bool, error)
}

// Catalogue is what the Service asks of package card.
type Catalogue interface {
	Get(ctx context.Context, cardID string) (card.Card, error)
	Claimable(ctx context.Context, cardID string, held bool) (card.Card, error)
}

// Members is what the Service asks of package member.
type Members interface {
	CardOf(ctx context.Context, memberID, cardID, code string) (member.Card, error)
	Submitted(ctx context.Context, ticketHash, cardID, code string) (bool, error)
	Submit(ctx context.Context, memberID string, claim member.Claim, form member.Form) (member.Card, error)
	Settled(ctx context.Context, cardID, code string, patience time.Duration) (member.Card, error)
}

// Codes proves in whose wallet a code is, see package cardlist.
type Codes interface {
	Holder(ctx context.Context, cardID, code string) (openID string, err error)
}

// Sealer keeps what people filled in; see package datakey.
type Sealer interface {
	Seal(plain []byte, about string) string
	Index(value string) string
}

// Service is safe for concurrent use. Sealer may be nil: then forms are not kept.
type Service struct {
	WeChat    WeChat
	Catalogue Catalogue
	Members   Members
	Codes     Codes
	Sealer    Sealer

	flights singleflight.Group
	cache   cache
	misses  misses
}

// Params returns what the component is given for a card and a channel. WeChat is
// asked once for each pair and the answer kept for an hour; a member may cause
// six such questions a minute. Errors: ErrCodeMode, ErrNotOneClick, ErrTooMany,
// card.ErrNotFound, card.ErrNotClaimable, card.ErrTooMany, or what WeChat answered.
func (s *Service) Params(ctx context.Context, memberID, cardID, outerStr string) (Params, error) {
	c, err := s.Catalogue.Claimable(ctx, cardID, false)
	if err != nil {
		return Params{}, err
	}
	if err := fits(c); err != nil {
		return Params{}, err
	}
	k := pair{cardID, outerStr}
	if p, ok := s.cache.get(k); ok {
		return p, nil
	}
	for {
		asks := false // or waits for somebody else's question
		flight := s.flights.DoChan(cardID+" "+outerStr, func() (any, error) {
			asks = true
			return s.ask(context.WithoutCancel(ctx), memberID, k)
		})
		select {
		case r := <-flight:
			if errors.Is(r.Err, ErrTooMany) && !asks {
				continue // it is not this member who may not ask
			}
			return r.Val.(Params), r.Err
		case <-ctx.Done():
			return Params{}, fmt.Errorf("ask for the component's parameters: %w", ctx.Err())
		}
	}
}

// ask has WeChat say what the component is given, for a member who may cause
// that.
func (s *Service) ask(ctx context.Context, memberID string, k pair) (Params, error) {
	if p, ok := s.cache.get(k); ok { // since a moment ago
		return p, nil
	}
	if !s.misses.allow(memberID) {
		return Params{}, ErrTooMany
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	p, err := s.WeChat.OpenCard(ctx, k.cardID, k.outerStr)
	if err == nil {
		s.cache.put(k, p)
	}
	return p, err
}

func fits(c card.Card) error {
	switch {
	case c.TakesCode():
		return ErrCodeMode
	case !c.WxActivate:
		return ErrNotOneClick
	}
	return nil
}

// Activate takes what App.onShow got from the component: it has WeChat prove in
// whose wallet the code is and say what was filled in, writes both down in one
// transaction, and waits a moment for the activation, which goes on by itself
// if it takes longer: the card is claimed then. It may be repeated.
//
// What a client sends proves nothing: the code must be in a wallet of nobody
// else who is known, not active and without entries, unless it is this member's
// already; a ticket serves one code. Errors: ErrTicket, ErrCodeMode,
// ErrNotOneClick, cardlist.ErrNotYours, those of Catalogue.Get, or what WeChat
// answered.
func (s *Service) Activate(ctx context.Context, memberID, cardID, code, ticket string) (member.Card, error) {
	c, err := s.Catalogue.Get(ctx, cardID)
	if err != nil {
		return member.Card{}, err
	}
	if err := fits(c); err != nil {
		return member.Card{}, err
	}
	claim, err := s.proof(ctx, memberID, c, code)
	if err != nil {
		return member.Card{}, err
	}
	form, err := s.form(ctx, cardID, code, ticket)
	if err != nil {
		return member.Card{}, err
	}
	_, err = s.Members.Submit(ctx, memberID, claim, form)
	switch {
	case errors.Is(err, member.ErrTicketUsed):
		return member.Card{}, fmt.Errorf("%w: %w", ErrTicket, err)
	case errors.Is(err, member.ErrNotYours):
		return member.Card{}, cardlist.ErrNotYours
	case err != nil:
		return member.Card{}, err
	}
	const patience = 4 * time.Second
	return s.Members.Settled(ctx, cardID, code, patience)
}

// proof is the claim with what shows that it is true.
func (s *Service) proof(ctx context.Context, memberID string, c card.Card, code string) (member.Claim, error) {
	claim := member.Claim{CardID: c.ID, Code: code, Plan: cardlist.PlanOf(c), Opening: cardlist.OpeningOf(c)}
	switch _, err := s.Members.CardOf(ctx, memberID, c.ID, code); {
	case err == nil:
		return claim, nil // proved before
	case !errors.Is(err, member.ErrNotFound):
		return claim, err
	}
	openID, err := s.Codes.Holder(ctx, c.ID, code)
	if err != nil {
		return claim, err
	}
	active, err := s.WeChat.Active(ctx, c.ID, code)
	if err != nil {
		return claim, err
	}
	if active { // by somebody else, if not by this member's other request of this moment
		_, err := s.Members.CardOf(ctx, memberID, c.ID, code)
		if errors.Is(err, member.ErrNotFound) {
			err = cardlist.ErrNotYours
		}
		return claim, err
	}
	claim.ProvedOpenID = openID
	return claim, nil
}

// form is what was filled in. A ticket that was used for this code needs no
// second look: it may be over by now.
func (s *Service) form(ctx context.Context, cardID, code, ticket string) (member.Form, error) {
	sum := sha256.Sum256([]byte(ticket))
	form := member.Form{TicketHash: hex.EncodeToString(sum[:])}
	used, err := s.Members.Submitted(ctx, form.TicketHash, cardID, code)
	if errors.Is(err, member.ErrTicketUsed) {
		err = fmt.Errorf("%w: %w", ErrTicket, err)
	}
	if used || err != nil {
		return form, err
	}
	fields, err := s.filledIn(ctx, ticket)
	if err != nil || s.Sealer == nil || len(fields) == 0 {
		return form, err
	}
	plain, err := json.Marshal(fields)
	if err != nil {
		return form, fmt.Errorf("keep a form: %w", err)
	}
	form.Sealed = s.Sealer.Seal(plain, About(cardID, code))
	for _, f := range fields {
		if f.Name == phoneField {
			form.Phone = s.Sealer.Index(f.Value)
		}
	}
	return form, nil
}

// About is what the sealed form of a card is bound to.
func About(cardID, code string) string { return "form " + cardID + " " + code }

// filledIn asks WeChat, up to three times: it says of good tickets, too, that
// they have expired, and is busy at times (72012, −1).
func (s *Service) filledIn(ctx context.Context, ticket string) ([]Field, error) {
	wait := 300 * time.Millisecond
	for try := 1; ; try++ {
		fields, err := s.WeChat.Form(ctx, ticket)
		if err == nil || try == 3 || !passing(err) {
			return fields, err
		}
		select {
		case <-time.After(wait):
			wait *= 2
		case <-ctx.Done():
			return nil, fmt.Errorf("ask for the form: %w", ctx.Err())
		}
	}
}

func passing(err error) bool {
	var expired interface{ Expired() bool }
	if errors.As(err, &expired) && expired.Expired() {
		return true
	}
	var temporary interface{ Temporary() bool }
	return errors.As(err, &temporary) && temporary.Temporary()
}

type pair struct{ cardID, outerStr string }

// cache keeps parameters for one to two hours, and a bounded number of them.
type cache struct {
	mu       sync.Mutex
	now, old map[pair]Params
	turned   time.Time
}

const maxCached = 2048

func (c *cache) get(k pair) (Params, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.turn()
	p, ok := c.now[k]
	if !ok {
		p, ok = c.old[k]
	}
	return p, ok
}

func (c *cache) put(k pair, p Params) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.turn()
	c.now[k] = p
}

// turn forgets the older half when it is an hour old or the newer half is full.
func (c *cache) turn() {
	if c.now == nil || len(c.now) >= maxCached || time.Since(c.turned) > time.Hour {
		c.old, c.now, c.turned = c.now, map[pair]Params{}, time.Now()
	}
}

// misses counts what each member caused to be asked in this minute.
type misses struct {
	mu     sync.Mutex
	minute time.Time
	of     map[string]int
}

const missesPerMinute = 6

func (m *misses) allow(memberID string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if now := time.Now().Truncate(time.Minute); !now.Equal(m.minute) {
		m.minute, m.of = now, map[string]int{}
	}
	m.of[memberID]++
	return m.of[memberID] <= missesPerMinute
}
