package public

import (
	"context"
	"net/url"

	"github.com/addcard/addcard/internal/auth"
	"github.com/addcard/addcard/internal/card"
	"github.com/addcard/addcard/internal/cardlist"
	"github.com/addcard/addcard/internal/httpapi/internal/web"
	"github.com/addcard/addcard/internal/jssdk"
	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/opencard"
	"github.com/addcard/addcard/internal/weblogin"
)

// Services are the capabilities behind the routes.
type Services struct {
	Sessions  Sessions
	Members   Members
	Ledger    web.EntryLister
	Catalogue Catalogue
	CardLists CardLists
	OpenCards OpenCards
	Phones    Phones
	Pages     Pages
	WebLogins WebLogins
	Pushes    Pushes
}

// Sessions logs members in and out; see package auth.
type Sessions interface {
	Login(ctx context.Context, code string) (token string, s auth.Session, err error)
	Verify(token string) (auth.Session, error)
	Logout(ctx context.Context, s auth.Session) error
}

// Members reads members and their cards; see package member.
type Members interface {
	Phone(ctx context.Context, memberID string) (number string, err error)
	Cards(ctx context.Context, memberID string) ([]member.Card, error)
	CardOf(ctx context.Context, memberID, cardID, code string) (member.Card, error)
}

// Catalogue reads the cards of the Official Account; see package card.
type Catalogue interface {
	Get(ctx context.Context, cardID string) (card.Card, error)
	Claimable(ctx context.Context, cardID string, hasCode bool) (card.Card, error)
}

// CardLists makes and claims card lists; see package cardlist.
type CardLists interface {
	Make(ctx context.Context, memberID string, wants []cardlist.Request) ([]cardlist.Item, error)
	Claim(ctx context.Context, memberID string, claimed []cardlist.Added) ([]member.Card, error)
}

// OpenCards serves the open-card component; see package opencard.
type OpenCards interface {
	Params(ctx context.Context, memberID, cardID, outerStr string) (opencard.Params, error)
	Activate(ctx context.Context, memberID, cardID, code, ticket string) (member.Card, error)
}

// Phones exchanges codes of the phone button; see package phonecode.
type Phones interface {
	Exchange(ctx context.Context, memberID, code string) (number string, err error)
}

// Pages signs web pages, and says which are the shop's; see package jssdk.
type Pages interface {
	Allows(address string) bool
	Config(ctx context.Context, address string) (jssdk.Config, error)
}

// WebLogins signs people in on web pages; see package weblogin.
type WebLogins interface {
	Begin(page, callback string) (weblogin.Begun, error)
	Finish(ctx context.Context, binding, state, code string) (weblogin.Finished, error)
}

// Pushes takes WeChat's message push. No method calls WeChat.
type Pushes interface {
	// Check reports what the query of a push proves before its body is read: that
	// it is WeChat's (proved), or nothing yet, but its body may prove it (possible).
	// If neither, it is not WeChat's.
	Check(query url.Values) (proved, possible bool)
	// Echo returns the answer to WeChat's GET check of the callback URL, and
	// false for a query that WeChat did not send.
	Echo(query url.Values) (string, bool)
	// Receive stores a push durably. It returns false for one that WeChat did
	// not send, and an error if an authentic one could not be stored.
	Receive(ctx context.Context, query url.Values, body []byte) (bool, error)
}
