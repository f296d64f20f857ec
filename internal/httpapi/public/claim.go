package public

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/addcard/addcard/internal/card"
	"github.com/addcard/addcard/internal/cardlist"
	"github.com/addcard/addcard/internal/httpapi/internal/web"
)

type claimInput struct {
	Body struct {
		CardList []claimedCard `json:"cardList" minItems:"1" maxItems:"10" doc:"What wx.addCard's success gave, as it is."`
	}
}

// claimedCard accepts unknown fields, because phones differ in what they add.
type claimedCard struct {
	_         struct{} `additionalProperties:"true"`
	CardID    string   `json:"cardId" minLength:"1" maxLength:"64" pattern:"^[0-9A-Za-z_-]+$"`
	Code      string   `json:"code,omitempty" maxLength:"512" doc:"Encrypted, as the phone gives it."`
	IsSuccess *bool    `json:"isSuccess,omitempty" doc:"Items that say false are ignored."`
}

// added reports whether the phone says that the card is in the wallet.
func (c claimedCard) added() bool { return c.IsSuccess == nil || *c.IsSuccess }

// Resolve checks what a schema cannot describe.
func (in *claimInput) Resolve(huma.Context) []error {
	var errs []error
	for i, c := range in.Body.CardList {
		if c.added() && c.Code == "" {
			errs = append(errs, web.FieldError{Location: fmt.Sprintf("body.cardList[%d].code", i), Message: "is required"})
		}
	}
	return errs
}

type claimOutput struct {
	Body struct {
		Cards []web.MemberCard `json:"cards"`
	}
}

func (a *api) claimRoute() {
	web.Route(a.Listener, a.sharing(a.slots.account, huma.Operation{
		OperationID: "claim", Method: http.MethodPost, Path: "/v1/claims", Tags: []string{"cards"},
		Summary: "Report the cards that wx.addCard has added", Errors: []int{400, 401, 403, 404, 413, 415, 429, 503},
	}), a.claim)
}

func (a *api) claim(ctx context.Context, in *claimInput) (*claimOutput, error) {
	var claimed []cardlist.Added
	var positions []int // in the request, of each element of claimed
	for i, c := range in.Body.CardList {
		if c.added() {
			claimed, positions = append(claimed, cardlist.Added{CardID: c.CardID, Code: c.Code}), append(positions, i)
		}
	}
	cards, err := a.CardLists.Claim(ctx, sessionOf(ctx).MemberID, claimed)
	if item := (*cardlist.ItemError)(nil); errors.As(err, &item) {
		field := "code"
		if errors.Is(err, card.ErrNotFound) {
			field = "cardId"
		}
		err = web.AtField(item.Err, "cardList", positions[item.Index], field)
	}
	if err != nil {
		return nil, err
	}
	var out claimOutput
	out.Body.Cards = web.List(cards, web.MemberCardOf)
	return &out, nil
}
