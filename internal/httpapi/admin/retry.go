package admin

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/addcard/addcard/internal/httpapi/internal/web"
	"github.com/addcard/addcard/internal/outbox"
)

const (
	retryPath = "/v1/outbox/retry"
	// maxRetries bounds the list of retries.
	maxRetries = 50
)

// retryFilter selects messages. It is what a client sends, and how it is shown.
type retryFilter struct {
	State         string     `json:"state,omitempty" enum:"waiting,dead" doc:"dead if it is missing."`
	Kind          string     `json:"kind,omitempty" maxLength:"32" example:"entry"`
	CardID        string     `json:"card_id,omitempty" maxLength:"64"`
	Code          string     `json:"code,omitempty" maxLength:"64"`
	ErrorContains string     `json:"error_contains,omitempty" maxLength:"100" example:"45021" doc:"A part of last_error, such as WeChat's errcode."`
	Before        *time.Time `json:"before,omitempty" doc:"Only messages that were stored before."`
	IDs           []string   `json:"ids,omitempty" maxItems:"1000" doc:"Only these messages, whatever their state. Not together with another field."`
}

type retryInput struct {
	Body retryFilter
}

// Resolve refuses IDs that are combined with conditions.
func (in *retryInput) Resolve(huma.Context) []error {
	f := in.Body
	if f.IDs != nil && (f.State != "" || f.Kind != "" || f.CardID != "" || f.Code != "" || f.ErrorContains != "" || f.Before != nil) {
		return []error{web.FieldError{Location: "body.ids", Message: "cannot be combined with another field"}}
	}
	if f.IDs != nil && len(f.IDs) == 0 {
		return []error{web.FieldError{Location: "body.ids", Message: "names no message"}}
	}
	return nil
}

// retryJob is a retry of many messages.
type retryJob struct {
	ID        string      `json:"id"`
	State     string      `json:"state" enum:"running,done,stopped"`
	Total     int64       `json:"total" doc:"How many messages were found at the beginning."`
	Done      int64       `json:"done" doc:"How many were given back to the sender. What became of each says the list of messages."`
	Failed    int64       `json:"failed" doc:"How many were no longer in the outbox, because they had been sent or retried meanwhile."`
	CreatedAt time.Time   `json:"created_at"`
	EndedAt   *time.Time  `json:"ended_at,omitempty"`
	Actor     string      `json:"actor" doc:"Who asked for it."`
	Filter    retryFilter `json:"filter" doc:"What it selects. ids are not repeated."`
}

func retryJobOf(j outbox.RetryJob) retryJob {
	f := j.Filter
	shown := retryJob{
		ID: j.ID, State: j.State, Total: j.Total, Done: j.Done, Failed: j.Failed, CreatedAt: j.CreatedAt, Actor: j.Actor,
		Filter: retryFilter{State: f.State, Kind: f.Kind, CardID: f.CardID, Code: f.Code, ErrorContains: f.ErrorContains},
	}
	if !j.EndedAt.IsZero() {
		shown.EndedAt = &j.EndedAt
	}
	if !f.Before.IsZero() {
		shown.Filter.Before = &f.Before
	}
	return shown
}

type retryOutput struct {
	Body struct {
		Job retryJob `json:"job"`
	}
}

type retriesOutput struct {
	Body struct {
		Jobs []retryJob `json:"jobs" doc:"The newest first."`
	}
}

type retryIDInput struct {
	ID string `path:"id" minLength:"1" maxLength:"64"`
}

func (a *api) retryRoutes() {
	web.Route(a.Listener, huma.Operation{
		OperationID: "retryMessages", Method: http.MethodPost, Path: retryPath, Tags: []string{"outbox"},
		Summary: "Send many messages again, with the totals of now", DefaultStatus: http.StatusAccepted, Errors: []int{401, 422, 503},
		Description: "The server works on it in the background, also after a restart. Each message is retried as " +
			"POST /v1/outbox/{id}/retry does. A message that is stored, or refused again, after the beginning is not among them.",
	}, a.retryMessages)
	web.Route(a.Listener, huma.Operation{
		OperationID: "retries", Method: http.MethodGet, Path: retryPath, Tags: []string{"outbox"},
		Summary: "The latest retries of many messages", Errors: []int{401, 503},
		Description: "A retry is kept for a month.",
	}, a.retries)
	web.Route(a.Listener, huma.Operation{
		OperationID: "retryOfMessages", Method: http.MethodGet, Path: retryPath + "/{id}", Tags: []string{"outbox"},
		Summary: "The progress of a retry of many messages", Errors: []int{401, 404, 503},
	}, func(ctx context.Context, in *retryIDInput) (*retryOutput, error) {
		return retryOutputOf(a.Outbox.RetryJob(ctx, in.ID))
	})
	web.Route(a.Listener, huma.Operation{
		OperationID: "stopRetry", Method: http.MethodDelete, Path: retryPath + "/{id}", Tags: []string{"outbox"},
		Summary: "Stop a retry of many messages", DefaultStatus: http.StatusNoContent, Errors: []int{401, 404, 503},
		Description: "What was retried so far stays so. A retry that has ended is left as it is.",
	}, func(ctx context.Context, in *retryIDInput) (*web.Nothing, error) {
		return nil, a.Outbox.StopRetry(ctx, in.ID)
	})
}

func (a *api) retryMessages(ctx context.Context, in *retryInput) (*retryOutput, error) {
	b := in.Body
	f := outbox.Filter{State: b.State, Kind: b.Kind, CardID: b.CardID, Code: b.Code, ErrorContains: b.ErrorContains, IDs: b.IDs}
	if b.Before != nil {
		f.Before = *b.Before
	}
	return retryOutputOf(a.Outbox.RetryAll(ctx, web.PrincipalOf(ctx).Name, f))
}

func retryOutputOf(j outbox.RetryJob, err error) (*retryOutput, error) {
	if err != nil {
		return nil, err
	}
	var out retryOutput
	out.Body.Job = retryJobOf(j)
	return &out, nil
}

func (a *api) retries(ctx context.Context, _ *struct{}) (*retriesOutput, error) {
	jobs, err := a.Outbox.RetryJobs(ctx, maxRetries)
	if err != nil {
		return nil, err
	}
	var out retriesOutput
	out.Body.Jobs = web.List(jobs, retryJobOf)
	return &out, nil
}
