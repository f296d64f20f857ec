package public

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/addcard/addcard/internal/cardlist"
	"github.com/addcard/addcard/internal/httpapi/internal/web"
)

type cardExtInput struct {
	Body struct {
		Cards []wantedCard `json:"cards" minItems:"1" maxItems:"10"`
	}
}

type wantedCard struct {
	CardID   string `json:"card_id" minLength:"1" maxLength:"64" pattern:"^[0-9A-Za-z_-]+$"`
	OuterStr string `json:"outer_str,omitempty" doc:"The channel, at most 128 bytes; comes back in WeChat's events."`
}

// Resolve checks what a schema cannot describe.
func (in *cardExtInput) Resolve(huma.Context) []error {
	var errs []error
	seen := map[string]bool{}
	for i, w := range in.Body.Cards {
		if seen[w.CardID] {
			errs = append(errs, web.FieldError{Location: fmt.Sprintf("body.cards[%d].card_id", i), Message: "the same card twice"})
		}
		seen[w.CardID] = true
		if message := web.CheckText(w.OuterStr, web.MaxOuterStr); message != "" {
			errs = append(errs, web.FieldError{Location: fmt.Sprintf("body.cards[%d].outer_str", i), Message: message})
		}
	}
	return errs
}

type cardExtOutput struct {
	Body struct {
		CardList []signedCard `json:"cardList" doc:"Hand it to wx.addCard as it is, at once: do not keep it."`
	}
}

type signedCard struct {
	CardID  string `json:"cardId"`
	CardExt string `json:"cardExt" doc:"A JSON string, signed for one use."`
}

type faceOutput struct{ Body web.Face }

func (a *api) cardRoutes() {
	web.Route(a.Listener, a.sharing(a.slots.ticket, huma.Operation{
		OperationID: "cardExt", Method: http.MethodPost, Path: "/v1/card-ext", Tags: []string{"cards"},
		Summary: "Signed cards for wx.addCard", Errors: []int{400, 401, 404, 409, 413, 415, 429, 503},
	}), a.cardExt)
	a.Admit(http.MethodGet, "/v1/cards/{card_id}", web.Admission{Slots: a.slots.stranger})
	web.Route(a.Listener, huma.Operation{
		OperationID: "card", Method: http.MethodGet, Path: "/v1/cards/{card_id}", Tags: []string{"cards"},
		Summary: "The face of a card", Errors: []int{404, 429, 503},
	}, a.face)
}

func (a *api) cardExt(ctx context.Context, in *cardExtInput) (*cardExtOutput, error) {
	requests := web.List(in.Body.Cards, func(w wantedCard) cardlist.Request { return cardlist.Request(w) })
	items, err := a.CardLists.Make(ctx, sessionOf(ctx).MemberID, requests)
	if item := (*cardlist.ItemError)(nil); errors.As(err, &item) {
		err = web.AtField(item.Err, "cards", item.Index, "card_id")
	}
	if err != nil {
		return nil, err
	}
	var out cardExtOutput
	out.Body.CardList = web.List(items, func(i cardlist.Item) signedCard { return signedCard(i) })
	return &out, nil
}

func (a *api) face(ctx context.Context, in *web.CardPath) (*faceOutput, error) {
	c, err := a.Catalogue.Get(ctx, in.CardID)
	if err != nil {
		return nil, err
	}
	// The stock may have been raised since the card was read.
	if c.SoldOut() {
		if restocked, err := a.Catalogue.Claimable(ctx, in.CardID, false); err == nil {
			c = restocked
		}
	}
	return &faceOutput{web.FaceOf(c)}, nil
}
