package cardlist_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/card"
	"github.com/addcard/addcard/internal/cardext"
	"github.com/addcard/addcard/internal/cardlist"
	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/ration"
)

const appID = "wx-official"

var (
	errFault = errors.New("a fault")
	issuedAt = time.Unix(1_700_000_000, 0)
	now      = time.Unix(1_800_000_000, 0)
)

// shop stands in for all that a Service needs. It has these cards: "ours" takes a
// code of ours, "system" WeChat's, "bound" the openid, "term" a beginning, and
// "gone" can be claimed only with a code.
type shop struct {
	codesErr, ticketErr, getErr, holdsErr error
	holds                                 bool
	openIDs                               map[string]string // by app
	asked                                 []member.CodeRequest
	codesFor                              string            // the member
	undated                               bool              // when a code was issued is not known
	holders                               map[string]string // openid by card and code, as WeChat says
	own                                   map[string]bool   // by card and code, as the database says
	lost                                  map[string]bool   // codes that were issued and are not in the database
	ownErr, claimErr                      error
	claimed                               []member.Claim
	claims                                int
	decrypted                             []string
	asker                                 ration.Client // of Get
}

func (s *shop) service() *cardlist.Service {
	return &cardlist.Service{Catalogue: s, Members: s, Tickets: s, Claims: s, Codes: s, OfficialAppID: appID,
		Now: func() time.Time { return now }}
}

func (s *shop) Get(ctx context.Context, cardID string) (card.Card, error) {
	s.asker = ration.ClientOf(ctx)
	c := card.Card{ID: cardID, UseCustomCode: true, Status: card.Verified}
	switch cardID {
	case "ours", "ours2", "gone":
	case "system":
		c.UseCustomCode = false
	case "deposit":
		c.Deposit = true
	case "bound":
		c.BindOpenID = true
	case "term":
		c.DateType, c.Settings.FixedBeginTimestamp = card.DateFixTerm, true
	case "term-unset":
		c.DateType = card.DateFixTerm
	case "begins-for-ever":
		c.Settings.FixedBeginTimestamp = true
	default:
		return card.Card{}, card.ErrNotFound
	}
	return c, s.getErr
}

func (s *shop) Claimable(ctx context.Context, cardID string, hasCode bool) (card.Card, error) {
	if cardID == "gone" && !hasCode {
		return card.Card{}, card.ErrNotClaimable
	}
	return s.Get(ctx, cardID)
}

func (s *shop) Codes(_ context.Context, memberID string, wants []member.CodeRequest) ([]member.Code, error) {
	s.asked, s.codesFor = append(s.asked, wants...), memberID
	codes := make([]member.Code, len(wants))
	for i, w := range wants {
		codes[i] = member.Code{Code: "c-" + w.CardID, IssuedAt: issuedAt}
		if s.undated {
			codes[i].IssuedAt = time.Time{}
		}
	}
	return codes, s.codesErr
}

func (s *shop) Holds(context.Context, string, string) (bool, error) { return s.holds, s.holdsErr }

func (s *shop) OpenID(_ context.Context, _, appID string) (string, error) {
	if s.openIDs[appID] == "" {
		return "", member.ErrOpenIDUnknown
	}
	return s.openIDs[appID], nil
}

func (s *shop) Ticket(context.Context) (string, error) { return "the-ticket", s.ticketErr }

func (s *shop) OtherTickets(context.Context) (string, []string) {
	return "the-jsapi-ticket", []string{"an-old-ticket"}
}

func (s *shop) DecryptCode(_ context.Context, encrypted string) (string, error) {
	s.decrypted = append(s.decrypted, encrypted)
	code, ok := strings.CutPrefix(encrypted, "e-")
	if !ok {
		return "", cardlist.ErrCodeInvalid
	}
	return code, nil
}

func (s *shop) Holder(_ context.Context, cardID, code string) (string, error) {
	openID, ok := s.holders[cardID+" "+code]
	if !ok {
		return "", cardlist.ErrNotYours
	}
	return openID, nil
}

// WasIssued reports true for all codes but those of a database that was restored.
func (s *shop) WasIssued(_ context.Context, _, code string) (bool, error) {
	return !s.lost[code], s.ownErr
}

func (s *shop) CardOf(_ context.Context, memberID, cardID, code string) (member.Card, error) {
	if s.ownErr != nil {
		return member.Card{}, s.ownErr
	}
	if !s.own[memberID+" "+cardID+" "+code] {
		return member.Card{}, member.ErrNotFound
	}
	return member.Card{CardID: cardID, Code: code}, nil
}

func (s *shop) Claim(_ context.Context, _ string, claims []member.Claim) ([]member.Card, error) {
	s.claims++
	s.claimed = claims
	return make([]member.Card, len(claims)), s.claimErr
}

type signed struct {
	Code, OpenID, Signature string
	Timestamp               int64
	Nonce                   string `json:"nonce_str"`
	OuterStr                string `json:"outer_str"`
	Begin                   int64  `json:"fixed_begintimestamp"`
}

func decode(t *testing.T, i cardlist.Item) (e signed) {
	t.Helper()
	if err := json.Unmarshal([]byte(i.CardExt), &e); err != nil {
		t.Fatal(err)
	}
	return e
}

func TestMake_GivesEachCardWhatItTakes(t *testing.T) {
	t.Parallel()
	s := &shop{openIDs: map[string]string{appID: "o-official", "wx-mini": "o-mini"}, holdsErr: errFault} // need not be asked
	var requests []cardlist.Request
	want := map[string]signed{
		"ours": {Code: "c-ours"}, "system": {}, "deposit": {}, "bound": {Code: "c-bound", OpenID: "o-official"},
		"term": {Code: "c-term", Begin: issuedAt.Unix()}, "term-unset": {Code: "c-term-unset"}, "begins-for-ever": {Code: "c-begins-for-ever"},
		"ours2": {Code: "c-ours2"},
	}
	for _, id := range []string{"ours", "system", "ours2", "deposit", "bound", "term", "term-unset", "begins-for-ever"} {
		requests = append(requests, cardlist.Request{CardID: id, OuterStr: "at " + id})
	}
	items, err := s.service().Make(t.Context(), "m1", requests)
	if err != nil {
		t.Fatal(err)
	}
	nonces := map[string]bool{}
	for i, item := range items {
		id := requests[i].CardID
		e, w := decode(t, item), want[id]
		if item.CardID != id || e.Code != w.Code || e.OpenID != w.OpenID || e.Begin != w.Begin || e.OuterStr != "at "+id ||
			e.Timestamp != now.Unix() {
			t.Errorf("%s: got %+v, want %+v", id, e, w)
		}
		p := cardext.Params{CardID: id, Code: w.Code, OpenID: w.OpenID}
		if !strings.Contains(cardext.Sign("the-ticket", p, now.Unix(), e.Nonce).String(), e.Signature) {
			t.Errorf("%s: the signature is of other values", id)
		}
		nonces[e.Nonce] = true
	}
	if len(nonces) != len(requests) {
		t.Errorf("%d nonces of %d cards", len(nonces), len(requests))
	}
	if asked := (member.CodeRequest{CardID: "ours2", OuterStr: "at ours2"}); len(s.asked) != 6 || s.asked[1] != asked || s.codesFor != "m1" {
		t.Errorf("codes were asked for %s: %v", s.codesFor, s.asked)
	}
}

// No code is issued for a list that cannot be signed as a whole.
func TestMake_OnAnErrorIssuesNothing(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		shop  shop
		cards []string
		want  error
		index int // -1: not about one card
	}{
		"an unknown card":        {shop{}, []string{"ours", "nope"}, card.ErrNotFound, 1},
		"one that is gone":       {shop{}, []string{"gone", "ours"}, card.ErrNotClaimable, 0},
		"an unknown openid":      {shop{}, []string{"ours", "ours2", "bound"}, member.ErrOpenIDUnknown, 2},
		"an openid of the other": {shop{openIDs: map[string]string{"wx-mini": "o"}}, []string{"bound"}, member.ErrOpenIDUnknown, 0},
		"no ticket":              {shop{ticketErr: errFault}, []string{"ours"}, cardlist.ErrNoTicket, -1},
		"why there is none":      {shop{ticketErr: errFault}, []string{"ours"}, errFault, -1},
		"the catalogue is away":  {shop{getErr: errFault}, []string{"system", "ours"}, errFault, 0},
		"the members are away":   {shop{holdsErr: errFault}, []string{"gone"}, errFault, 0},
	} {
		var requests []cardlist.Request
		for _, id := range c.cards {
			requests = append(requests, cardlist.Request{CardID: id})
		}
		items, err := c.shop.service().Make(t.Context(), "m1", requests)
		item := (*cardlist.ItemError)(nil)
		if !errors.Is(err, c.want) || errors.As(err, &item) != (c.index >= 0) || item != nil && item.Index != c.index {
			t.Errorf("%s: got %v", name, err)
		}
		if items != nil || c.shop.asked != nil {
			t.Errorf("%s: %v, and codes for %v", name, items, c.shop.asked)
		}
	}
	s := &shop{codesErr: member.ErrMemberUnknown}
	items, err := s.service().Make(t.Context(), "m1", []cardlist.Request{{CardID: "ours"}})
	if !errors.Is(err, member.ErrMemberUnknown) || items != nil {
		t.Errorf("an erased member: got %v, %v", items, err)
	}
}

// A member who has a code of a card that is sold out adds the card again.
func TestMake_OfACardThatIsGoneForThoseWithACode(t *testing.T) {
	t.Parallel()
	s := &shop{holds: true}
	items, err := s.service().Make(t.Context(), "m1", []cardlist.Request{{CardID: "gone"}})
	if err != nil || decode(t, items[0]).Code != "c-gone" {
		t.Errorf("got %v, %v", items, err)
	}
}

// The phone refuses a beginning in the year 1.
func TestMake_NamesNoBeginningThatIsNotKnown(t *testing.T) {
	t.Parallel()
	s := &shop{undated: true}
	items, err := s.service().Make(t.Context(), "m1", []cardlist.Request{{CardID: "term"}})
	if err != nil || decode(t, items[0]).Code != "c-term" || decode(t, items[0]).Begin != 0 {
		t.Errorf("got %v, %v", items, err)
	}
}

// What the phone says proves nothing by itself.
func TestClaim_HasItsProof(t *testing.T) {
	t.Parallel()
	s := &shop{holders: map[string]string{"system 1": "o-ming", "deposit 2": "o-ming"}, own: map[string]bool{"m1 system 3": true}}
	added := []cardlist.Added{
		{CardID: "ours", Code: "e-9"}, {CardID: "system", Code: "e-1"}, {CardID: "deposit", Code: "e-2"}, {CardID: "system", Code: "e-3"},
	}
	cards, err := s.service().Claim(t.Context(), "m1", added)
	if err != nil || len(cards) != 4 {
		t.Fatalf("got %v, %v", cards, err)
	}
	want := []member.Claim{
		{CardID: "ours", Code: "9", Plan: member.PlanPush},
		{CardID: "system", Code: "1", Plan: member.PlanPush, ProvedOpenID: "o-ming"},
		{CardID: "deposit", Code: "2", Plan: member.PlanPush, ProvedOpenID: "o-ming"},
		{CardID: "system", Code: "3", Plan: member.PlanPush}, // reported before
	}
	if !slices.Equal(s.claimed, want) {
		t.Errorf("claimed %+v, want %+v", s.claimed, want)
	}
	// A proof of one member's is none for another.
	if _, err := s.service().Claim(t.Context(), "m2", added[3:]); !errors.Is(err, cardlist.ErrNotYours) {
		t.Errorf("another member's: got %v", err)
	}
}

// A code that was issued since the backup that was restored is proved as one of WeChat's.
func TestClaim_OfACodeThatTheDatabaseHasLost(t *testing.T) {
	t.Parallel()
	s := &shop{lost: map[string]bool{"9": true}, holders: map[string]string{"ours 9": "o-ming"}}
	_, err := s.service().Claim(t.Context(), "m1", []cardlist.Added{{CardID: "ours", Code: "e-9"}})
	if want := (member.Claim{CardID: "ours", Code: "9", Plan: member.PlanPush, ProvedOpenID: "o-ming"}); err != nil || s.claimed[0] != want {
		t.Errorf("claimed %+v, %v, want %+v", s.claimed, err, want)
	}
}

func TestClaim_StoresNothingBeforeAllIsProved(t *testing.T) {
	t.Parallel()
	good, system := cardlist.Added{CardID: "ours", Code: "e-1"}, cardlist.Added{CardID: "system", Code: "e-1"}
	for name, c := range map[string]struct {
		shop  shop
		bad   cardlist.Added
		want  error
		index int
	}{
		"an unknown card":           {shop{}, cardlist.Added{CardID: "nope", Code: "e-1"}, card.ErrNotFound, 1},
		"a code of no account":      {shop{}, cardlist.Added{CardID: "ours", Code: "1"}, cardlist.ErrCodeInvalid, 1},
		"a code in no wallet":       {shop{}, system, cardlist.ErrNotYours, 1},
		"a code of another card":    {shop{holders: map[string]string{"deposit 1": "o"}}, system, cardlist.ErrNotYours, 1},
		"the database is away":      {shop{ownErr: errFault, holders: map[string]string{"system 1": "o"}}, system, errFault, 0},
		"a member who is not there": {shop{ownErr: member.ErrMemberUnknown}, system, member.ErrMemberUnknown, 0},
	} {
		cards, err := c.shop.service().Claim(t.Context(), "m1", []cardlist.Added{good, c.bad, good})
		item := (*cardlist.ItemError)(nil)
		if !errors.As(err, &item) || item.Index != c.index || !errors.Is(err, c.want) || cards != nil || c.shop.claims > 0 {
			t.Errorf("%s: got %v, %v, %d claims", name, cards, err, c.shop.claims)
		}
	}
}

func TestClaim_NamesTheOneThatIsNotTheMembers(t *testing.T) {
	t.Parallel()
	first, second := cardlist.Added{CardID: "ours", Code: "e-1"}, cardlist.Added{CardID: "ours", Code: "e-2"}
	added := []cardlist.Added{first, first, second} // two claims
	s := &shop{claimErr: fmt.Errorf("claim: %w", &member.ClaimError{Index: 1, Err: member.ErrNotYours})}
	_, err := s.service().Claim(t.Context(), "m1", added)
	if item := (*cardlist.ItemError)(nil); !errors.As(err, &item) || item.Index != 2 || !errors.Is(err, cardlist.ErrNotYours) {
		t.Errorf("got %v", err)
	}
	for _, other := range []error{errFault, &member.ClaimError{Index: 1, Err: errFault}, member.ErrMemberUnknown} {
		s := &shop{claimErr: other}
		if _, err := s.service().Claim(t.Context(), "m1", added); !errors.Is(err, other) || errors.Is(err, cardlist.ErrNotYours) {
			t.Errorf("%v: got %v", other, err)
		}
	}
}

func TestPlanOf(t *testing.T) {
	t.Parallel()
	yes, no := true, false
	for name, c := range map[string]struct {
		card card.Card
		want member.Plan
	}{
		"an ordinary card":             {card.Card{}, member.PlanPush},
		"one that the operator does":   {card.Card{Settings: card.Settings{ActivateOnClaim: &no}}, member.PlanManual},
		"one with a form":              {card.Card{WxActivate: true}, member.PlanForm},
		"one with a form, at once":     {card.Card{WxActivate: true, Settings: card.Settings{ActivateOnClaim: &yes}}, member.PlanPush},
		"one that activates itself":    {card.Card{AutoActivate: true}, member.PlanAuto},
		"itself, whatever is set":      {card.Card{AutoActivate: true, Settings: card.Settings{ActivateOnClaim: &yes}}, member.PlanAuto},
		"itself, though it has a form": {card.Card{AutoActivate: true, WxActivate: true}, member.PlanAuto},
	} {
		if got := cardlist.PlanOf(c.card); got != c.want {
			t.Errorf("%s: got %s, want %s", name, got, c.want)
		}
	}
	settings := card.Settings{InitBonus: 1, InitBalance: 2, InitBonusRecord: "a"}
	if got := cardlist.InitialGrantOf(card.Card{Settings: settings}); got != (member.InitialGrant{Bonus: 1, Balance: 2, Record: "a"}) {
		t.Errorf("the grant: %+v", got)
	}
}

// What WeChat said about a code of one card says nothing about another card's code of
// the same digits.
func TestClaim_TheAnswerAboutACodeIsThatOfItsCard(t *testing.T) {
	t.Parallel()
	s := (&shop{holders: map[string]string{"deposit 1": "o-ming"}}).service()
	if _, err := s.Claim(t.Context(), "m1", []cardlist.Added{{CardID: "system", Code: "e-1"}}); !errors.Is(err, cardlist.ErrNotYours) {
		t.Errorf("in no wallet: got %v", err)
	}
	if _, err := s.Claim(t.Context(), "m1", []cardlist.Added{{CardID: "deposit", Code: "e-1"}}); err != nil {
		t.Errorf("in the member's wallet: got %v", err)
	}
}

// A page that repeats a wrong code costs one call.
func TestClaim_AWrongCodeIsRememberedToo(t *testing.T) {
	t.Parallel()
	shop := &shop{}
	s := shop.service()
	for range 5 {
		if _, err := s.Claim(t.Context(), "m1", []cardlist.Added{{CardID: "ours", Code: "1"}}); !errors.Is(err, cardlist.ErrCodeInvalid) {
			t.Errorf("got %v", err)
		}
	}
	if len(shop.decrypted) != 1 {
		t.Errorf("WeChat was asked about %q", shop.decrypted)
	}
}

// The operator's question is not counted among the clients'.
func TestExplain_AsksAsTheOperator(t *testing.T) {
	t.Parallel()
	shop := &shop{}
	ctx := ration.WithClient(t.Context(), ration.Client{Kind: ration.Anonymous, Key: "192.0.2.1"})
	if _, err := shop.service().Explain(ctx, "ours", "{}", cardext.Facts{}); err != nil || shop.asker.Kind != ration.Operator {
		t.Errorf("asked by %+v, %v", shop.asker, err)
	}
}

// An explanation uses the clock, all tickets, and what the card takes.
func TestExplain_HasAllFacts(t *testing.T) {
	t.Parallel()
	const nonce = "n"
	for name, c := range map[string]struct {
		ticket, cardID, want string
		params               cardext.Params
		age                  time.Duration
	}{
		"right":             {ticket: "the-ticket", cardID: "system"},
		"the other ticket":  {ticket: "the-jsapi-ticket", cardID: "system", want: cardext.CauseJSAPITicket},
		"an earlier ticket": {ticket: "an-old-ticket", cardID: "system", want: cardext.CauseOldTicket},
		"of yesterday":      {ticket: "the-ticket", cardID: "system", age: 24 * time.Hour, want: cardext.CauseTimestampFar},
		"a code too many":   {ticket: "the-ticket", cardID: "system", params: cardext.Params{Code: "1"}, want: cardext.CauseCodeNotAllowed},
		"no code":           {ticket: "the-ticket", cardID: "ours", want: cardext.CauseCodeMissing},
		"an openid too many": {ticket: "the-ticket", cardID: "system", params: cardext.Params{OpenID: "o"},
			want: cardext.CauseOpenIDNotAllowed},
		"no openid":   {ticket: "the-ticket", cardID: "bound", params: cardext.Params{Code: "1"}, want: cardext.CauseOpenIDMissing},
		"a beginning": {ticket: "the-ticket", cardID: "term", params: cardext.Params{Code: "1", FixedBeginTimestamp: 1}},
		"a beginning too many": {ticket: "the-ticket", cardID: "ours", params: cardext.Params{Code: "1", FixedBeginTimestamp: 1},
			want: cardext.CauseFixedBeginNotAllowed},
		"no such card": {ticket: "the-ticket", cardID: "nope", params: cardext.Params{Code: "1"}},
	} {
		c.params.CardID = c.cardID
		raw := cardext.Sign(c.ticket, c.params, now.Add(-c.age).Unix(), nonce).String()
		got, err := (&shop{}).service().Explain(t.Context(), c.cardID, raw, cardext.Facts{})
		if err != nil || got.Cause != c.want {
			t.Errorf("%s: got %q, %v, want %q", name, got.Cause, err, c.want)
		}
	}
	s := &shop{ticketErr: errFault}
	if _, err := s.service().Explain(t.Context(), "ours", "{}", cardext.Facts{}); !errors.Is(err, cardlist.ErrNoTicket) {
		t.Errorf("without a ticket: %v", err)
	}
}
