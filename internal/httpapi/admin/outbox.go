package admin

import (
	"context"
	"net/http"
	"regexp"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/addcard/addcard/internal/httpapi/internal/web"
	"github.com/addcard/addcard/internal/outbox"
)

type outboxInput struct {
	State         string `query:"state" enum:"waiting,dead" doc:"Without it both, the dead first."`
	Kind          string `query:"kind" maxLength:"32"`
	CardID        string `query:"card_id" maxLength:"64"`
	Code          string `query:"code" maxLength:"64" doc:"Only those about this code."`
	ErrorContains string `query:"error_contains" maxLength:"100" example:"45021" doc:"A part of last_error, such as WeChat's errcode."`
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
		Matching   counts   `json:"matching" doc:"Of the messages that all filters but state select, whatever the page."`
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
	Errcode   int64     `json:"errcode,omitzero" doc:"WeChat's, in last_error. Absent if WeChat did not answer."`
	CreatedAt time.Time `json:"created_at"`
	DueAt     time.Time `json:"due_at" doc:"It is not sent before, unless the older ones of its card are done with: then it goes at once."`
}

func queuedOf(m outbox.Stored) queued {
	return queued{m.ID, m.Kind, m.State, m.CardID, m.Code, m.Attempts, m.LastError, errcodeIn(m.LastError), m.CreatedAt, m.DueAt}
}

// errcode finds the errcode in the text of a wechat.Error, which is before WeChat's words.
var errcode = regexp.MustCompile(`wechat: /[^ :]*: (-?[0-9]{1,9}) `)

func errcodeIn(text string) int64 {
	found := errcode.FindStringSubmatch(text)
	if found == nil {
		return 0
	}
	n, _ := strconv.ParseInt(found[1], 10, 64) // of at most nine digits
	return n
}

type messageInput struct {
	ID string `path:"id" minLength:"1" maxLength:"64"`
}

type messageOutput struct {
	Body struct {
		Message queued `json:"message"`
		History []try  `json:"history" doc:"The attempts to send it, newest first, also those from before it was retried. Of many failures in a row it has the first eight, the 16th, the 32nd and so on. They are kept for 180 days."`
	}
}

type try struct {
	At       time.Time `json:"at"`
	Outcome  string    `json:"outcome" enum:"failed,dead,sent" doc:"failed: it was not sent, and is tried again. dead: it was refused for good."`
	Attempts int64     `json:"attempts" doc:"How often it had failed by then."`
	Text     string    `json:"text,omitempty" doc:"WeChat's words, or what failed."`
}

func (a *api) outboxRoutes() {
	web.Route(a.Listener, huma.Operation{
		OperationID: "outbox", Method: http.MethodGet, Path: "/v1/outbox", Tags: []string{"outbox"},
		Summary: "What waits for WeChat, and what it refused for good", Errors: []int{401, 422, 503},
	}, a.outbox)
	web.Route(a.Listener, huma.Operation{
		OperationID: "message", Method: http.MethodGet, Path: "/v1/outbox/{id}", Tags: []string{"outbox"},
		Summary: "A message to WeChat, and the attempts to send it", Errors: []int{401, 404, 422, 503},
		Description: "A message that was sent is no longer in the outbox.",
	}, a.message)
	web.Route(a.Listener, huma.Operation{
		OperationID: "retryMessage", Method: http.MethodPost, Path: "/v1/outbox/{id}/retry", Tags: []string{"outbox"},
		Summary: "Send a message again, with the totals of now", DefaultStatus: http.StatusAccepted, Errors: []int{401, 404, 422, 503},
		Description: "A dead one goes behind those that wait for its card; one that waits goes at once.",
	}, func(ctx context.Context, in *messageInput) (*web.Nothing, error) {
		return nil, a.Outbox.Retry(ctx, in.ID)
	})
	a.retryRoutes()
}

func (a *api) message(ctx context.Context, in *messageInput) (*messageOutput, error) {
	m, tries, err := a.Outbox.Message(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	var out messageOutput
	out.Body.Message = queuedOf(m)
	out.Body.History = web.List(tries, func(t outbox.Try) try { return try{t.At, t.Outcome, t.Attempts, t.Text} })
	return &out, nil
}

func (a *api) outbox(ctx context.Context, in *outboxInput) (*outboxOutput, error) {
	backlog, err := a.Outbox.Backlog(ctx)
	if err != nil {
		return nil, err
	}
	f := outbox.Filter{Kind: in.Kind, CardID: in.CardID, Code: in.Code, ErrorContains: in.ErrorContains}
	matching := backlog
	if in.Kind+in.CardID+in.Code+in.ErrorContains != "" {
		if matching, err = a.Outbox.Count(ctx, f); err != nil {
			return nil, err
		}
	}
	f.State = in.State
	list, err := a.Outbox.Messages(ctx, f, in.after, in.Limit+1)
	if err != nil {
		return nil, err
	}
	var out outboxOutput
	out.Body.Matching = counts{matching.Waiting, matching.Parked}
	out.Body.Counts = counts{backlog.Waiting, backlog.Parked}
	list, out.Body.NextCursor = web.Page(in.PageInput, list, func(q outbox.Stored) []string {
		return []string{q.State, web.FormatTime(q.CreatedAt), q.ID}
	})
	out.Body.Messages = web.List(list, queuedOf)
	return &out, nil
}
