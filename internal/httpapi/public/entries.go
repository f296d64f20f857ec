package public

import (
	"context"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/addcard/addcard/internal/httpapi/internal/web"
	"github.com/addcard/addcard/internal/ledger"
	"github.com/addcard/addcard/internal/member"
)

type entriesOutput struct {
	Body struct {
		Entries    []web.Entry `json:"entries" doc:"Newest first."`
		NextCursor string      `json:"next_cursor,omitempty" doc:"Of the older entries; absent when there are none."`
	}
}

func (a *api) entryRoutes() {
	web.Route(a.Listener, huma.Operation{
		OperationID: "myEntries", Method: http.MethodGet, Path: "/v1/me/cards/{card_id}/codes/{code}/entries", Tags: []string{"cards"},
		Summary: "What changed the bonus and the balance of a card of one's own", Errors: []int{401, 404, 422, 429, 503},
	}, a.myEntries)
}

// myEntries lists the ledger of a card that is the member's own.
func (a *api) myEntries(ctx context.Context, in *web.EntriesInput) (*entriesOutput, error) {
	if _, err := a.Members.CardOf(ctx, sessionOf(ctx).MemberID, in.CardID, in.Code); err != nil {
		if errors.Is(err, member.ErrNotFound) {
			err = ledger.ErrCodeUnknown
		}
		return nil, err
	}
	var out entriesOutput
	list, next, err := in.Read(ctx, a.Ledger)
	out.Body.Entries, out.Body.NextCursor = web.List(list, web.EntryOf), next
	return &out, err
}
