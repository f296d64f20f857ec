package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/addcard/addcard/internal/cardlist"
)

type claimInput struct {
	Body struct {
		CardList []claimedCard `json:"cardList" minItems:"1" maxItems:"10" doc:"What wx.addCard's success gave, as it is."`
	}
}

// claimedCard lets in what phones add to it: they differ.
type claimedCard struct {
	_         struct{} `additionalProperties:"true"`
	CardID    string   `json:"cardId" minLength:"1" maxLength:"64" pattern:"^[0-9A-Za-z_-]+$"`
	Code      string   `json:"code,omitempty" maxLength:"512" doc:"Encrypted, as the phone gives it."`
	IsSuccess *bool    `json:"isSuccess,omitempty" doc:"Items that say false are ignored."`
}

func (c claimedCard) taken() bool { return c.IsSuccess == nil || *c.IsSuccess }

// Resolve finds what a schema cannot say.
func (in *claimInput) Resolve(huma.Context) []error {
	var errs []error
	for i, c := range in.Body.CardList {
		if c.taken() && c.Code == "" {
			errs = append(errs, &huma.ErrorDetail{Location: fmt.Sprintf("body.cardList[%d].code", i), Message: "is required"})
		}
	}
	return errs
}

type claimOutput struct {
	Body struct {
		Cards []memberCard `json:"cards"`
	}
}

func (a *API) claimRoute(api huma.API) {
	route(a, api, a.signedIn(huma.Operation{
		OperationID: "claim", Method: http.MethodPost, Path: "/v1/claims", Tags: []string{"cards"},
		Summary: "Report the cards that wx.addCard has added", Errors: []int{400, 401, 403, 404, 413, 415, 429, 503},
	}), a.claim)
}

func (a *API) claim(ctx context.Context, in *claimInput) (*claimOutput, error) {
	var claimed []cardlist.Added
	var places []int // of claimed in the request
	for i, c := range in.Body.CardList {
		if c.taken() {
			claimed, places = append(claimed, cardlist.Added{CardID: c.CardID, Code: c.Code}), append(places, i)
		}
	}
	cards, err := a.CardLists.Claim(ctx, sessionOf(ctx).MemberID, claimed)
	if item := (*cardlist.ItemError)(nil); errors.As(err, &item) {
		member := "code"
		if kindOf(err) == cardNotFound {
			member = "cardId"
		}
		return nil, locate(&cardlist.ItemError{Index: places[item.Index], Err: item.Err}, "cardList", member)
	}
	if err != nil {
		return nil, err
	}
	var out claimOutput
	out.Body.Cards = make([]memberCard, len(cards))
	for i, c := range cards {
		out.Body.Cards[i] = cardOf(c)
	}
	return &out, nil
}
