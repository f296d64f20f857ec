package httpapi

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"

	"github.com/addcard/addcard/internal/member"
)

// Ledger is what the API needs of the members' ledgers.
type Ledger interface {
	AddEntry(ctx context.Context, cardID, code string, b member.Booking, r member.Request) (answer []byte, replayed bool, err error)
	Entries(ctx context.Context, cardID, code string, before int64, n int) ([]member.Entry, error)
	DriftOf(ctx context.Context, cardID, code string) (member.Drift, error)
	SetFields(ctx context.Context, cardID, code string, change member.FieldChange) (fields [3]string, err error)
	CardOf(ctx context.Context, memberID, cardID, code string) (member.Card, error)
}

// bearerNeeded is what the description says of the operator's routes.
var bearerNeeded = []map[string][]string{{"bearer": {}}}

// CodePath names one code of one card.
type CodePath struct {
	CardID string `path:"card_id" minLength:"1" maxLength:"64" pattern:"^[0-9A-Za-z_-]+$"`
	Code   string `path:"code" minLength:"1" maxLength:"64" pattern:"^[0-9A-Za-z_-]+$"`
}

type entryInput struct {
	CodePath
	Key  string `header:"Idempotency-Key" required:"false" maxLength:"255" pattern:"^[ -~]*$" doc:"Required. Yours to choose: the same key and body again get the same answer and no second effect."`
	Body bookingBody
}

// bookingBody is what is hashed, defaults filled in, to tell whether a key comes
// with the same request again. The flags are pointers for huma's defaults: it
// would take a plain false for one that was not given.
type bookingBody struct {
	AddBonus      int64  `json:"add_bonus,omitempty" minimum:"-1000000000000" maximum:"1000000000000" doc:"Points to add, below 0 to take away."`
	AddBalance    int64  `json:"add_balance,omitempty" minimum:"-1000000000000" maximum:"1000000000000" doc:"Fen (分) to add, below 0 to take away."`
	RecordBonus   string `json:"record_bonus,omitempty" doc:"What the holder reads about it; at most 42 bytes, 14 汉字."`
	RecordBalance string `json:"record_balance,omitempty" doc:"What the holder reads about it; at most 42 bytes, 14 汉字."`
	NotifyBonus   *bool  `json:"notify_bonus,omitempty" default:"true" doc:"Whether WeChat sends the holder a message about the bonus, if that changes."`
	NotifyBalance *bool  `json:"notify_balance,omitempty" default:"true" doc:"Whether WeChat sends the holder a message about the balance, if that changes."`
	Reverses      string `json:"reverses,omitempty" maxLength:"64" doc:"The id of an entry of this card to undo, instead of amounts."`
}

// Resolve finds what a schema cannot say.
func (in *entryInput) Resolve(huma.Context) []error {
	var errs []error
	bad := func(member, message string) {
		errs = append(errs, &huma.ErrorDetail{Location: "body." + member, Message: message})
	}
	b := in.Body
	changes := b.AddBonus != 0 || b.AddBalance != 0
	switch {
	case b.Reverses != "" && changes:
		bad("reverses", "stands alone: what it adds is the opposite of that entry")
	case b.Reverses == "" && !changes:
		bad("add_bonus", "an entry that changes nothing is refused")
	}
	for name, text := range map[string]string{"record_bonus": b.RecordBonus, "record_balance": b.RecordBalance} {
		if message := badText(text, member.MaxRecord); message != "" {
			bad(name, message)
		}
	}
	return errs
}

// badText says what is wrong with a text that WeChat shows.
func badText(s string, most int) string {
	switch {
	case len(s) > most:
		return fmt.Sprintf("longer than %d bytes", most)
	case strings.ContainsFunc(s, unicode.IsControl):
		return "control characters are not allowed"
	}
	return ""
}

func (b bookingBody) booking() member.Booking {
	return member.Booking{
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
	Entry Entry `json:"entry"`
}

// Entry is one line of a ledger as anybody may see it who sees the card.
type Entry struct {
	ID            string    `json:"id" format:"uuid"`
	Seq           int64     `json:"seq" doc:"Counts the entries of the card from 1."`
	AddBonus      int64     `json:"add_bonus"`
	Bonus         int64     `json:"bonus" doc:"The total after it."`
	AddBalance    int64     `json:"add_balance"`
	Balance       int64     `json:"balance" doc:"The total after it, in fen (分)."`
	RecordBonus   string    `json:"record_bonus"`
	RecordBalance string    `json:"record_balance"`
	CreatedAt     time.Time `json:"created_at"`
}

func entryOf(e member.Entry) Entry {
	return Entry{e.ID, e.Seq, e.AddBonus, e.Bonus, e.AddBalance, e.Balance, e.RecordBonus, e.RecordBalance, e.CreatedAt}
}

// schemaOf describes an answer that the handler encodes itself.
func schemaOf[T any](api huma.API, name string) *huma.Schema {
	return api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[T](), true, name)
}

func (a *API) addEntryRoute(api huma.API) {
	schema := schemaOf[entryAnswer](api, "EntryAnswer")
	route(a, api, huma.Operation{
		OperationID: "addEntry", Method: http.MethodPost, Path: "/v1/cards/{card_id}/codes/{code}/entries", Tags: []string{"ledger"}, Security: bearerNeeded,
		Summary: "Change the bonus or the balance of a member's card", DefaultStatus: http.StatusCreated,
		Description: "Durable when it is answered; WeChat is told afterwards. Only a 201 is remembered under its key: what was refused may succeed later.",
		Responses:   map[string]*huma.Response{"201": {Description: "Created", Content: map[string]*huma.MediaType{"application/json": {Schema: schema}}}},
		Errors:      []int{400, 401, 404, 409, 413, 415, 422, 503},
		Middlewares: huma.Middlewares{a.needsKey},
	}, a.addEntry)
}

// needsKey refuses a request without an Idempotency-Key before its body is
// looked at.
func (a *API) needsKey(ctx huma.Context, next func(huma.Context)) {
	c := humagin.Unwrap(ctx)
	switch keys := c.Request.Header.Values("Idempotency-Key"); {
	case len(keys) > 1:
		fail(c, problemOf(ctx.Context(), a.Log, &fieldProblem{"header.Idempotency-Key", "given more than once"}))
	case len(keys) == 0 || keys[0] == "":
		fail(c, newProblem(ctx.Context(), keyMissing))
	default:
		next(ctx)
	}
}

func (a *API) addEntry(ctx context.Context, in *entryInput) (*entryOutput, error) {
	asked, err := marshal(in.Body)
	if err != nil {
		return nil, err
	}
	hash := sha256.Sum256(asked)
	body, replayed, err := a.Ledger.AddEntry(ctx, in.CardID, in.Code, in.Body.booking(), member.Request{
		ID: requestID(ctx), Key: in.Key, Payload: hex.EncodeToString(hash[:]),
		Route:  fmt.Sprintf("%s /v1/cards/%s/codes/%s/entries", http.MethodPost, in.CardID, in.Code),
		Answer: func(e member.Entry) ([]byte, error) { return marshal(entryAnswer{entryOf(e)}) },
	})
	switch {
	case errors.Is(err, member.ErrEntryUnknown):
		return nil, &fieldProblem{"body.reverses", "no entry of this card"}
	case errors.Is(err, member.ErrTooMuch):
		return nil, &fieldProblem{"body", "the total would be too large"}
	case err != nil:
		return nil, err
	}
	out := &entryOutput{ContentType: "application/json", Body: body}
	if replayed {
		out.Replayed = "true"
	}
	return out, nil
}

func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	err := strictJSON.Marshal(&b, v)
	return b.Bytes(), err
}

type entriesInput struct {
	CodePath
	Cursor string `query:"cursor" maxLength:"256" doc:"The next_cursor of the page before."`
	Limit  int    `query:"limit" minimum:"1" maximum:"200" default:"50"`

	before int64
}

// Resolve reads the cursor.
func (in *entriesInput) Resolve(huma.Context) []error {
	if in.Cursor == "" {
		return nil
	}
	parts, ok := place(in.Cursor, 1)
	var err error
	if in.before, err = strconv.ParseInt(parts[0], 10, 64); !ok || err != nil || in.before < 1 {
		return badCursor()
	}
	return nil
}

type entriesOutput struct {
	Body struct {
		Entries    []Entry `json:"entries" doc:"Newest first."`
		NextCursor string  `json:"next_cursor,omitempty" doc:"Of the older entries; absent when there are none."`
	}
}

// myEntries lists the ledger of a card of one's own.
func (a *API) myEntries(ctx context.Context, in *entriesInput) (*entriesOutput, error) {
	if _, err := a.Ledger.CardOf(ctx, sessionOf(ctx).MemberID, in.CardID, in.Code); err != nil {
		if errors.Is(err, member.ErrNotFound) {
			err = member.ErrCodeUnknown
		}
		return nil, err
	}
	var out entriesOutput
	list, next, err := a.entriesPage(ctx, in)
	out.Body.Entries, out.Body.NextCursor = make([]Entry, len(list)), next
	for i, e := range list {
		out.Body.Entries[i] = entryOf(e)
	}
	return &out, err
}

// entriesPage reads one entry more than fits, to know whether there are more.
func (a *API) entriesPage(ctx context.Context, in *entriesInput) (list []member.Entry, next string, err error) {
	list, err = a.Ledger.Entries(ctx, in.CardID, in.Code, in.before, in.Limit+1)
	if len(list) > in.Limit {
		list = list[:in.Limit]
		next = cursor(strconv.FormatInt(list[in.Limit-1].Seq, 10))
	}
	return list, next, err
}

type adminEntriesOutput struct {
	Body struct {
		Entries    []adminEntry `json:"entries" doc:"Newest first."`
		NextCursor string       `json:"next_cursor,omitempty" doc:"Of the older entries; absent when there are none."`
		Drift      *drift       `json:"drift,omitempty" doc:"WeChat has changed the figures by itself, by a bonus_rule say, and the holder sees these. Book an entry that makes both equal: nothing else does."`
	}
}

// adminEntry adds what the operator wants to know.
type adminEntry struct {
	Entry
	Reverses string `json:"reverses,omitempty" doc:"The id of the entry that this one undoes."`
	Reversed bool   `json:"reversed,omitempty" doc:"Another entry undoes this one."`
	Push     string `json:"push" enum:"held,waiting,sent,dead" doc:"How far WeChat was told: held until the card is active; waiting in the outbox; sent; dead, which is refused by WeChat and in the outbox under the entry's id."`
}

// drift is what the holder sees instead of what the ledger says.
type drift struct {
	Bonus   int64     `json:"bonus"`
	Balance int64     `json:"balance"`
	SeenAt  time.Time `json:"seen_at"`
}

func (a *API) entries(ctx context.Context, in *entriesInput) (*adminEntriesOutput, error) {
	var out adminEntriesOutput
	list, next, err := a.entriesPage(ctx, in)
	if err != nil {
		return nil, err
	}
	switch d, err := a.Ledger.DriftOf(ctx, in.CardID, in.Code); {
	case err == nil:
		out.Body.Drift = &drift{d.FaceBonus, d.FaceBalance, d.SeenAt}
	case !errors.Is(err, member.ErrNotFound):
		return nil, err
	}
	out.Body.Entries, out.Body.NextCursor = make([]adminEntry, len(list)), next
	for i, e := range list {
		out.Body.Entries[i] = adminEntry{entryOf(e), e.Reverses, e.Reversed, string(e.Push)}
	}
	return &out, nil
}

type fieldsInput struct {
	CodePath
	Body struct {
		Field1 *string `json:"custom_field1,omitempty" doc:"At most 12 bytes, 4 汉字; empty clears it."`
		Field2 *string `json:"custom_field2,omitempty" doc:"At most 12 bytes, 4 汉字; empty clears it."`
		Field3 *string `json:"custom_field3,omitempty" doc:"At most 12 bytes, 4 汉字; empty clears it."`
		Notify bool    `json:"notify,omitempty" doc:"Whether WeChat sends the holder a message about each that is given."`
	}
}

func (in *fieldsInput) values() [3]*string {
	return [3]*string{in.Body.Field1, in.Body.Field2, in.Body.Field3}
}

// Resolve finds what a schema cannot say.
func (in *fieldsInput) Resolve(huma.Context) []error {
	var errs []error
	given := false
	for i, v := range in.values() {
		if v == nil {
			continue
		}
		given = true
		if message := badText(*v, member.MaxField); message != "" {
			errs = append(errs, &huma.ErrorDetail{Location: fmt.Sprintf("body.custom_field%d", i+1), Message: message})
		}
	}
	if !given {
		errs = append(errs, &huma.ErrorDetail{Location: "body", Message: "one of custom_field1 to custom_field3 is required"})
	}
	return errs
}

type fieldsOutput struct {
	Body struct {
		Field1 string `json:"custom_field1,omitempty"`
		Field2 string `json:"custom_field2,omitempty"`
		Field3 string `json:"custom_field3,omitempty"`
	}
}

func (a *API) ledgerRoutes(api huma.API) {
	a.addEntryRoute(api)
	route(a, api, huma.Operation{
		OperationID: "entries", Method: http.MethodGet, Path: "/v1/cards/{card_id}/codes/{code}/entries", Tags: []string{"ledger"}, Security: bearerNeeded,
		Summary: "The ledger of a member's card", Errors: []int{401, 404, 422, 503},
	}, a.entries)
	route(a, api, huma.Operation{
		OperationID: "setFields", Method: http.MethodPut, Path: "/v1/cards/{card_id}/codes/{code}/fields", Tags: []string{"ledger"}, Security: bearerNeeded,
		Summary: "Change the custom fields on the face of a member's card", Errors: []int{400, 401, 404, 409, 413, 415, 422, 503},
		Description: "What is not given stays. The answer has all fields that are set.",
	}, func(ctx context.Context, in *fieldsInput) (*fieldsOutput, error) {
		now, err := a.Ledger.SetFields(ctx, in.CardID, in.Code, member.FieldChange{Values: in.values(), Notify: in.Body.Notify})
		var out fieldsOutput
		out.Body.Field1, out.Body.Field2, out.Body.Field3 = now[0], now[1], now[2]
		return &out, err
	})
}

func (a *API) myEntriesRoute(api huma.API) {
	route(a, api, a.signedIn(huma.Operation{
		OperationID: "myEntries", Method: http.MethodGet, Path: "/v1/me/cards/{card_id}/codes/{code}/entries", Tags: []string{"cards"},
		Summary: "What changed the bonus and the balance of a card of one's own", Errors: []int{401, 404, 422, 429, 503},
	}), a.myEntries)
}
