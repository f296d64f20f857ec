package admin

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"

	"github.com/addcard/addcard/internal/httpapi/internal/web"
	"github.com/addcard/addcard/internal/ledger"
	"github.com/addcard/addcard/internal/member"
)

type entryInput struct {
	web.CodePath
	Key  string `header:"Idempotency-Key" required:"false" maxLength:"255" pattern:"^[ -~]*$" doc:"Required. Yours to choose: the same key and body again get the same answer and no second effect."`
	Body Booking
}

// Resolve checks what a schema cannot describe.
func (in *entryInput) Resolve(huma.Context) (errs []error) {
	for _, wrong := range in.Body.check("body.") {
		errs = append(errs, wrong)
	}
	return errs
}

type entryOutput struct {
	Replayed    string `header:"Idempotent-Replayed" enum:"true" doc:"The request was answered before; this is that answer."`
	ContentType string `header:"Content-Type"`
	Body        []byte
}

func (a *api) ledgerRoutes() {
	web.Route(a.Listener, huma.Operation{
		OperationID: "addEntry", Method: http.MethodPost, Path: "/v1/cards/{card_id}/codes/{code}/entries", Tags: []string{"ledger"},
		Summary: "Change the bonus or the balance of a member's card", DefaultStatus: http.StatusCreated,
		Description: "Durable when it is answered; WeChat is told afterwards. " +
			"Only a 201 is remembered under its key: what was refused may succeed later.",
		Responses:   jsonResponse[entryAnswer](a, "201", "Created", "EntryAnswer"),
		Errors:      []int{400, 401, 404, 409, 413, 415, 422, 503},
		Middlewares: huma.Middlewares{a.requireKey},
	}, a.addEntry)
	web.Route(a.Listener, huma.Operation{
		OperationID: "entries", Method: http.MethodGet, Path: "/v1/cards/{card_id}/codes/{code}/entries", Tags: []string{"ledger"},
		Summary: "The ledger of a member's card", Errors: []int{401, 404, 422, 503},
	}, a.entries)
	web.Route(a.Listener, huma.Operation{
		OperationID: "setFields", Method: http.MethodPut, Path: "/v1/cards/{card_id}/codes/{code}/fields", Tags: []string{"ledger"},
		Summary: "Change the custom fields on the face of a member's card", Errors: []int{400, 401, 404, 409, 413, 415, 422, 503},
		Description: "What is not given stays. The answer has all fields that are set.",
	}, a.setFields)
}

// requireKey refuses a request without an Idempotency-Key before it reads the
// body.
func (a *api) requireKey(ctx huma.Context, next func(huma.Context)) {
	c := humagin.Unwrap(ctx)
	switch keys := c.Request.Header.Values("Idempotency-Key"); {
	case len(keys) > 1:
		a.Fail(c, web.InputErrors{{Location: "header.Idempotency-Key", Message: "given more than once"}})
	case len(keys) == 0 || keys[0] == "":
		a.Fail(c, web.KeyMissing.Err())
	default:
		next(ctx)
	}
}

func (a *api) addEntry(ctx context.Context, in *entryInput) (*entryOutput, error) {
	body, replayed, err := a.book(ctx, in.CardID, in.Code, in.Key, &in.Body, "body.")
	if err != nil {
		return nil, err
	}
	out := &entryOutput{ContentType: "application/json", Body: body}
	if replayed {
		out.Replayed = "true"
	}
	return out, nil
}

type adminEntriesOutput struct {
	Body struct {
		Entries    []AdminEntry `json:"entries" doc:"Newest first."`
		NextCursor string       `json:"next_cursor,omitempty" doc:"Of the older entries; absent when there are none."`
		Drift      *drift       `json:"drift,omitempty" doc:"WeChat has changed the figures by itself, by a bonus_rule say, and the holder sees these. Book an entry that makes both equal: nothing else does."`
	}
}

// AdminEntry adds what may change later.
type AdminEntry struct {
	OperatorEntry
	Reverses string `json:"reverses,omitempty" doc:"The id of the entry that this one undoes."`
	Reversed bool   `json:"reversed,omitempty" doc:"Another entry undoes this one."`

	ReversesOrder   string    `json:"reverses_order,omitempty" doc:"The order of the entry that this one undoes."`
	ReversesAt      time.Time `json:"reverses_at,omitzero" doc:"When the entry that this one undoes was booked."`
	ReversedBonus   int64     `json:"reversed_bonus,omitzero" doc:"What the entry that undoes this one adds: less than this one took or gave if a part was spent."`
	ReversedBalance int64     `json:"reversed_balance,omitzero" doc:"Likewise, in fen (分)."`

	Push string `json:"push" enum:"held,waiting,sent,dead" doc:"How far WeChat was told: held until the card is active; waiting in the outbox; sent; dead, which is refused by WeChat and in the outbox under the entry's id."`
}

// drift has the figures that the holder sees instead of those of the ledger.
type drift struct {
	Bonus   int64     `json:"bonus"`
	Balance int64     `json:"balance"`
	SeenAt  time.Time `json:"seen_at"`
}

func (a *api) entries(ctx context.Context, in *web.EntriesInput) (*adminEntriesOutput, error) {
	var out adminEntriesOutput
	list, next, err := in.Read(ctx, a.Ledger)
	if err != nil {
		return nil, err
	}
	switch d, err := a.Drifts.DriftOf(ctx, in.CardID, in.Code); {
	case err == nil:
		out.Body.Drift = &drift{d.FaceBonus, d.FaceBalance, d.SeenAt}
	case !errors.Is(err, member.ErrNotFound):
		return nil, err
	}
	out.Body.NextCursor = next
	out.Body.Entries = web.List(list, adminEntryOf)
	return &out, nil
}

func adminEntryOf(e ledger.Entry) AdminEntry {
	u := e.Undo
	return AdminEntry{operatorEntryOf(e), e.Reverses, e.Reversed, u.Order, u.BookedAt, u.BackBonus, u.BackBalance, string(e.Sent)}
}
