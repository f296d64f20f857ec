package httpapi

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/addcard/addcard/internal/member"
)

// Outbox is what the API needs of the messages to WeChat.
type Outbox interface {
	Messages(ctx context.Context, state string, after member.MessageMark, n int) ([]member.Queued, error)
	Retry(ctx context.Context, id string) error
}

type outboxInput struct {
	State  string `query:"state" enum:"waiting,dead" doc:"Without it both, the dead first."`
	Cursor string `query:"cursor" maxLength:"256" doc:"The next_cursor of the page before."`
	Limit  int    `query:"limit" minimum:"1" maximum:"200" default:"50"`

	after member.MessageMark
}

// Resolve reads the cursor.
func (in *outboxInput) Resolve(huma.Context) []error {
	if in.Cursor == "" {
		return nil
	}
	parts, ok := place(in.Cursor, 3)
	if !ok {
		return badCursor()
	}
	ms, err := strconv.ParseInt(parts[1], 10, 64)
	if err != nil || ms < 0 {
		return badCursor()
	}
	in.after = member.MessageMark{State: parts[0], CreatedAt: time.UnixMilli(ms).UTC(), ID: parts[2]}
	return nil
}

type outboxOutput struct {
	Body struct {
		Messages   []queued `json:"messages" doc:"The oldest first."`
		NextCursor string   `json:"next_cursor,omitempty" doc:"Absent on the last page."`
	}
}

// queued is a message that WeChat has not taken yet.
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

func (a *API) outboxRoutes(api huma.API) {
	route(a, api, huma.Operation{
		OperationID: "outbox", Method: http.MethodGet, Path: "/v1/outbox", Tags: []string{"outbox"}, Security: bearerNeeded,
		Summary: "What waits for WeChat, and what it refused for good", Errors: []int{401, 422, 503},
	}, a.outbox)
	route(a, api, huma.Operation{
		OperationID: "retryMessage", Method: http.MethodPost, Path: "/v1/outbox/{id}/retry", Tags: []string{"outbox"}, Security: bearerNeeded,
		Summary: "Send a message again, with the totals of now", DefaultStatus: http.StatusAccepted, Errors: []int{401, 404, 422, 503},
		Description: "A dead one goes behind those that wait for its card; one that waits goes at once.",
	}, func(ctx context.Context, in *struct {
		ID string `path:"id" minLength:"1" maxLength:"64"`
	}) (*nothing, error) {
		return nil, a.Outbox.Retry(ctx, in.ID)
	})
}

func (a *API) outbox(ctx context.Context, in *outboxInput) (*outboxOutput, error) {
	list, err := a.Outbox.Messages(ctx, in.State, in.after, in.Limit+1)
	if err != nil {
		return nil, err
	}
	var out outboxOutput
	if len(list) > in.Limit {
		list = list[:in.Limit]
		last := list[in.Limit-1].Mark()
		out.Body.NextCursor = cursor(last.State, strconv.FormatInt(last.CreatedAt.UnixMilli(), 10), last.ID)
	}
	out.Body.Messages = make([]queued, len(list))
	for i, q := range list {
		out.Body.Messages[i] = queued{q.ID, q.Kind, q.State, q.CardID, q.Code, q.Attempts, q.LastError, q.CreatedAt, q.DueAt}
	}
	return &out, nil
}
