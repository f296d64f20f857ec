package admin

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/addcard/addcard/internal/httpapi/internal/web"
	"github.com/addcard/addcard/internal/ledger"
)

const exportEntriesPath = "/v1/entries/export"

// JournalInput selects entries of all cards.
type JournalInput struct {
	web.SpanInput
	Order  string `query:"order" maxLength:"64" doc:"Only of this order."`
	Actor  string `query:"actor" maxLength:"64" doc:"Only what this actor has booked."`
	Store  string `query:"store" maxLength:"64" doc:"Only of this store."`
	CardID string `query:"card_id" maxLength:"64" doc:"Only of this card."`
}

func (a *api) filter(in JournalInput) (f ledger.Filter, err error) {
	f = ledger.Filter{CardID: in.CardID, Order: in.Order, Actor: in.Actor, Store: in.Store}
	f.From, f.To, err = in.In(a.zone)
	return f, err
}

type journalPageInput struct {
	JournalInput
	web.PageInput

	before ledger.Mark
}

// Resolve reads the cursor.
func (in *journalPageInput) Resolve(huma.Context) []error {
	return in.ReadCursor(2, func(parts []string) (err error) {
		in.before.ID = parts[1]
		in.before.CreatedAt, err = web.ParseTime(parts[0])
		return err
	})
}

type journalOutput struct {
	Body struct {
		Entries    []cardEntry `json:"entries" doc:"Newest first."`
		NextCursor string      `json:"next_cursor,omitempty" doc:"Of the older entries; absent when there are none."`
	}
}

// cardEntry is an entry among those of all cards.
type cardEntry struct {
	CardID string `json:"card_id"`
	Code   string `json:"code" doc:"The one that the card has now: it gets another when it is given away."`
	AdminEntry
}

func (a *api) journalRoutes() {
	web.Route(a.Listener, huma.Operation{
		OperationID: "allEntries", Method: http.MethodGet, Path: "/v1/entries", Tags: []string{"ledger"},
		Summary: "The entries of all cards",
		Description: "What is given must all hold. A list by order, actor, store or card is quick; further conditions are looked for in it. " +
			"A cashier sees the entries of one order, or their own.",
		Errors: []int{401, 422, 503},
	}, a.journal)
	a.Admit(http.MethodGet, exportEntriesPath, web.Admission{Slots: make(chan struct{}, maxExports), Streams: true})
	web.Route(a.Listener, huma.Operation{
		OperationID: "exportEntries", Method: http.MethodGet, Path: exportEntriesPath, Tags: []string{"ledger"},
		Summary: "The entries of all cards as CSV or XLSX", Errors: []int{401, 422, 503},
		Description: "Streamed, newest first, with times of the shop's time zone; safe to open in a spreadsheet. " +
			"A transfer that breaks off is not complete.",
		Responses: fileResponse(),
	}, a.exportEntries)
}

func (a *api) journal(ctx context.Context, in *journalPageInput) (*journalOutput, error) {
	if who := web.PrincipalOf(ctx); who.Role == web.Cashier && in.Order == "" && in.Actor != who.Name {
		return nil, web.InputErrors{{Location: "query.order", Message: "is required, or your name as actor"}}
	}
	f, err := a.filter(in.JournalInput)
	if err != nil {
		return nil, err
	}
	list, err := a.Ledger.AllEntries(ctx, f, in.before, in.Limit+1)
	if err != nil {
		return nil, err
	}
	var out journalOutput
	list, out.Body.NextCursor = web.Page(in.PageInput, list, func(e ledger.CardEntry) []string {
		return []string{web.FormatTime(e.CreatedAt), e.ID}
	})
	out.Body.Entries = web.List(list, func(e ledger.CardEntry) cardEntry {
		return cardEntry{e.CardID, e.Code, adminEntryOf(e.Entry)}
	})
	return &out, nil
}

func (a *api) exportEntries(ctx context.Context, in *struct {
	JournalInput
	FileInput
}) (*huma.StreamResponse, error) {
	f, err := a.filter(in.JournalInput)
	if err != nil {
		return nil, err
	}
	file, err := a.file(ctx, in.FileInput, "entries")
	if err != nil {
		return nil, err
	}
	return a.stream(a.span(in.FileInput, "entries", f.From, f.To), in.Format, func(ctx context.Context, w *deadlineWriter) error {
		return a.Ledger.Export(ctx, w, file, f, a.zone)
	}), nil
}
