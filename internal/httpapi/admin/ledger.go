package admin

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
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
	Body bookingBody
}

// bookingBody is hashed, with its defaults filled in, to find out whether a key
// comes with the same request again. The flags are pointers because of huma's
// defaults: it would take a plain false for a missing field.
type bookingBody struct {
	AddBonus      int64  `json:"add_bonus,omitempty" minimum:"-1000000000000" maximum:"1000000000000" doc:"Points to add, below 0 to take away."`
	AddBalance    int64  `json:"add_balance,omitempty" minimum:"-1000000000000" maximum:"1000000000000" doc:"Fen (分) to add, below 0 to take away."`
	RecordBonus   string `json:"record_bonus,omitempty" doc:"What the holder reads about it; at most 42 bytes, 14 汉字."`
	RecordBalance string `json:"record_balance,omitempty" doc:"What the holder reads about it; at most 42 bytes, 14 汉字."`
	NotifyBonus   *bool  `json:"notify_bonus,omitempty" default:"true" doc:"Whether WeChat sends the holder a message about the bonus, if that changes."`
	NotifyBalance *bool  `json:"notify_balance,omitempty" default:"true" doc:"Whether WeChat sends the holder a message about the balance, if that changes."`
	Reverses      string `json:"reverses,omitempty" maxLength:"64" doc:"The id of an entry of this card to undo, instead of amounts."`
}

// Resolve checks what a schema cannot describe.
func (in *entryInput) Resolve(huma.Context) []error {
	var errs []error
	bad := func(field, message string) {
		errs = append(errs, web.FieldError{Location: "body." + field, Message: message})
	}
	b := in.Body
	changes := b.AddBonus != 0 || b.AddBalance != 0
	switch {
	case b.Reverses != "" && changes:
		bad("reverses", "must be alone: it adds the opposite of that entry")
	case b.Reverses == "" && !changes:
		bad("add_bonus", "an entry that changes nothing is refused")
	}
	for name, text := range map[string]string{"record_bonus": b.RecordBonus, "record_balance": b.RecordBalance} {
		if message := web.CheckText(text, ledger.MaxRecord); message != "" {
			bad(name, message)
		}
	}
	if message := web.CheckText(b.Reverses, len(b.Reverses)); message != "" {
		bad("reverses", message)
	}
	return errs
}

func (b bookingBody) booking() ledger.Booking {
	return ledger.Booking{
		AddBonus: b.AddBonus, AddBalance: b.AddBalance, RecordBonus: b.RecordBonus, RecordBalance: b.RecordBalance,
		NotifyBonus: *b.NotifyBonus, NotifyBalance: *b.NotifyBalance, Reverses: b.Reverses,
	}
}

type entryOutput struct {
	Replayed    string `header:"Idempotent-Replayed" enum:"true" doc:"The request was answered before; this is that answer."`
	ContentType string `header:"Content-Type"`
	Body        []byte
}

type entryAnswer struct {
	Entry web.Entry `json:"entry"`
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
	payload, err := web.Marshal(in.Body)
	if err != nil {
		return nil, err
	}
	hash := sha256.Sum256(payload)
	body, replayed, err := a.Ledger.AddEntry(ctx, in.CardID, in.Code, in.Body.booking(), ledger.Request{
		ID: web.RequestID(ctx), Key: in.Key, Payload: hex.EncodeToString(hash[:]),
		Route:  fmt.Sprintf("%s /v1/cards/%s/codes/%s/entries", http.MethodPost, in.CardID, in.Code),
		Answer: func(e ledger.Entry) ([]byte, error) { return web.Marshal(entryAnswer{web.EntryOf(e)}) },
	})
	switch {
	case errors.Is(err, ledger.ErrEntryUnknown):
		return nil, web.InputErrors{{Location: "body.reverses", Message: "no entry of this card"}}
	case errors.Is(err, ledger.ErrTooMuch):
		return nil, web.InputErrors{{Location: "body", Message: "the total would be too large"}}
	case err != nil:
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
		Entries    []adminEntry `json:"entries" doc:"Newest first."`
		NextCursor string       `json:"next_cursor,omitempty" doc:"Of the older entries; absent when there are none."`
		Drift      *drift       `json:"drift,omitempty" doc:"WeChat has changed the figures by itself, by a bonus_rule say, and the holder sees these. Book an entry that makes both equal: nothing else does."`
	}
}

// adminEntry adds what only the operator sees.
type adminEntry struct {
	web.Entry
	Reverses string `json:"reverses,omitempty" doc:"The id of the entry that this one undoes."`
	Reversed bool   `json:"reversed,omitempty" doc:"Another entry undoes this one."`
	Push     string `json:"push" enum:"held,waiting,sent,dead" doc:"How far WeChat was told: held until the card is active; waiting in the outbox; sent; dead, which is refused by WeChat and in the outbox under the entry's id."`
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
	out.Body.Entries = web.List(list, func(e ledger.Entry) adminEntry {
		return adminEntry{web.EntryOf(e), e.Reverses, e.Reversed, string(e.Sent)}
	})
	return &out, nil
}
