package admin

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/addcard/addcard/internal/httpapi/internal/web"
	"github.com/addcard/addcard/internal/outbox"
)

type outboxInput struct {
	State  string `query:"state" enum:"waiting,dead" doc:"Without it both, the dead first."`
	Kind   string `query:"kind" maxLength:"32"`
	CardID string `query:"card_id" maxLength:"64"`
	web.PageInput

	after outbox.Mark
}

// Resolve reads the cursor.
func (in *outboxInput) Resolve(huma.Context) []error {
	return in.ReadCursor(3, func(parts []string) (err error) {
		in.after.State, in.after.ID = parts[0], parts[2]
		in.after.CreatedAt, err = web.ParseTime(parts[1])
		return err
	})
}

type outboxOutput struct {
	Body struct {
		Messages   []queued `json:"messages" doc:"The oldest first."`
		Counts     counts   `json:"counts" doc:"Of all messages, whatever the page and the filters."`
		NextCursor string   `json:"next_cursor,omitempty" doc:"Absent on the last page."`
	}
}

type counts struct {
	Waiting int64 `json:"waiting"`
	Dead    int64 `json:"dead"`
}

// queued is a message that was not delivered to WeChat yet.
type queued struct {
	ID        string    `json:"id" doc:"That of the ledger entry, if it is about one."`
	Kind      string    `json:"kind" example:"entry" doc:"activate, look: the card's activation. entry, entry_again, fields, totals: what the holder sees. apply_event: an event of a card that was unknown."`
	State     string    `json:"state" enum:"waiting,dead"`
	CardID    string    `json:"card_id"`
	Code      string    `json:"code"`
	Attempts  int64     `json:"attempts" doc:"How often it failed."`
	LastError string    `json:"last_error,omitempty"`
	CreatedAt time.Time `json:"created_at"`
	DueAt     time.Time `json:"due_at" doc:"It is not sent before, unless the older ones of its card are done with: then it goes at once."`
}

func (a *api) outboxRoutes() {
	web.Route(a.Listener, huma.Operation{
		OperationID: "outbox", Method: http.MethodGet, Path: "/v1/outbox", Tags: []string{"outbox"},
		Summary: "What waits for WeChat, and what it refused for good", Errors: []int{401, 422, 503},
	}, a.outbox)
	web.Route(a.Listener, huma.Operation{
		OperationID: "retryMessage", Method: http.MethodPost, Path: "/v1/outbox/{id}/retry", Tags: []string{"outbox"},
		Summary: "Send a message again, with the totals of now", DefaultStatus: http.StatusAccepted, Errors: []int{401, 404, 422, 503},
		Description: "A dead one goes behind those that wait for its card; one that waits goes at once.",
	}, func(ctx context.Context, in *struct {
		ID string `path:"id" minLength:"1" maxLength:"64"`
	}) (*web.Nothing, error) {
		return nil, a.Outbox.Retry(ctx, in.ID)
	})
	a.retryRoutes()
}

func (a *api) outbox(ctx context.Context, in *outboxInput) (*outboxOutput, error) {
	backlog, err := a.Outbox.Backlog(ctx)
	if err != nil {
		return nil, err
	}
	list, err := a.Outbox.Messages(ctx, outbox.Filter{State: in.State, Kind: in.Kind, CardID: in.CardID}, in.after, in.Limit+1)
	if err != nil {
		return nil, err
	}
	var out outboxOutput
	out.Body.Counts = counts{backlog.Waiting, backlog.Parked}
	list, out.Body.NextCursor = web.Page(in.PageInput, list, func(q outbox.Stored) []string {
		return []string{q.State, web.FormatTime(q.CreatedAt), q.ID}
	})
	out.Body.Messages = web.List(list, func(q outbox.Stored) queued {
		return queued{q.ID, q.Kind, q.State, q.CardID, q.Code, q.Attempts, q.LastError, q.CreatedAt, q.DueAt}
	})
	return &out, nil
}
