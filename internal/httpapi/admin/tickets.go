package admin

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/addcard/addcard/internal/httpapi/internal/web"
	"github.com/addcard/addcard/internal/ticket"
)

// ticketsPath begins the paths of the shared tickets.
const ticketsPath = "/v1/tickets/"

type ticketInput struct {
	Kind string `path:"kind" enum:"access_token,wx_card,jsapi,mini_access_token"`
}

type ticketOutput struct {
	Body struct {
		Value     string `json:"value"`
		ExpiresIn int64  `json:"expires_in" doc:"Seconds. Ask again instead of keeping it longer: an answer from memory costs nothing."`
	}
}

type rejectInput struct {
	Kind string `path:"kind" enum:"access_token,wx_card,jsapi,mini_access_token"`
	Body struct {
		Rejected string `json:"rejected" minLength:"1" maxLength:"1024" doc:"The value that WeChat refused (40001, 40014, 42001, or 签名错误 on a phone)."`
		ByHand   bool   `json:"by_hand,omitempty" doc:"A person wants another value, and WeChat need not have refused this one: rejected and superseded do not count it."`
	}
}

// ticketKinds are the kinds of shared credentials, in the order in which they depend on
// each other.
var ticketKinds = []string{"access_token", "wx_card", "jsapi", "mini_access_token"}

// ticketState says how a credential is. It has no field for the value.
type ticketState struct {
	Kind       string     `json:"kind" enum:"access_token,wx_card,jsapi,mini_access_token"`
	State      string     `json:"state" enum:"ready,missing,unused" doc:"missing: it was asked for, and there is none. unused: this replica has not needed it yet."`
	Since      *time.Time `json:"since,omitempty" doc:"When its lifetime began."`
	Age        int64      `json:"age" doc:"Seconds since then."`
	ExpiresAt  *time.Time `json:"expires_at,omitempty" doc:"Absent without a usable value. It is renewed some minutes before."`
	ExpiresIn  int64      `json:"expires_in" doc:"Seconds."`
	FetchedBy  string     `json:"fetched_by,omitempty" enum:"this,another" doc:"The replica that fetched it: this one, or another."`
	Refreshes  int64      `json:"refreshes" doc:"Fetches of this replica since its start that brought a value."`
	Failures   int64      `json:"failures" doc:"Fetches of this replica since its start that failed."`
	Rejected   int64      `json:"rejected" doc:"Values that WeChat refused before they expired, since the start of this replica."`
	Superseded int64      `json:"superseded" doc:"Those of them that another program had replaced."`
	LastError  string     `json:"last_error,omitempty" doc:"Why the last failed fetch failed."`
	ErrorAt    *time.Time `json:"error_at,omitempty"`
	RetryAt    *time.Time `json:"retry_at,omitempty" doc:"Until then it is not fetched again, after a failure."`
}

// apiCalls counts calls to WeChat.
type apiCalls struct {
	API   string `json:"api" example:"/cgi-bin/stable_token"`
	Calls int64  `json:"calls"`
}

type ticketsOutput struct {
	Body struct {
		Tickets []ticketState `json:"tickets"`
		Calls   []apiCalls    `json:"calls_today" doc:"This replica's calls to WeChat since midnight in Beijing, when the quotas begin anew."`
	}
}

func ticketStateOf(kind string, s ticket.Status, now time.Time) ticketState {
	after := func(d time.Duration) *time.Time {
		at := now.Add(d).UTC().Truncate(time.Second)
		return &at
	}
	t := ticketState{
		Kind: kind, State: "missing", Refreshes: int64(s.Counts.Fetches.Issued + s.Counts.Fetches.Unchanged),
		Failures: int64(s.Counts.Fetches.Failed()), Rejected: int64(s.Counts.Rejections), Superseded: int64(s.Counts.Superseded),
	}
	switch {
	case s.Ready:
		t.State, t.FetchedBy = "ready", "another"
		if s.Fetched {
			t.FetchedBy = "this"
		}
		t.Age, t.Since = int64(s.Age/time.Second), after(-s.Age)
		t.ExpiresIn, t.ExpiresAt = int64(s.Left/time.Second), after(s.Left)
	case s.Counts.Polls == 0 && s.Counts.StoreFailures == 0:
		t.State = "unused"
	}
	if s.LastError != nil {
		t.LastError, t.ErrorAt = s.LastError.Error(), after(-s.ErrorAge)
	}
	if s.BackOff > 0 {
		t.RetryAt = after(s.BackOff)
	}
	return t
}

// ticketStates says how the shared credentials are.
func (a *api) ticketStates(context.Context, *web.Nothing) (*ticketsOutput, error) {
	var out ticketsOutput
	now := time.Now()
	out.Body.Tickets = web.List(ticketKinds, func(kind string) ticketState { return ticketStateOf(kind, a.Tickets.Status(kind), now) })
	calls := a.Tickets.CallsToday()
	out.Body.Calls = web.List(slices.Sorted(maps.Keys(calls)), func(api string) apiCalls { return apiCalls{api, int64(calls[api])} })
	return &out, nil
}

func (a *api) ticketRoutes() {
	web.Route(a.Listener, huma.Operation{
		OperationID: "tickets", Method: http.MethodGet, Path: "/v1/tickets", Tags: []string{"tickets"},
		Summary: "How the shared credentials are, without their values", Errors: []int{401},
	}, a.ticketStates)
	web.Route(a.Listener, huma.Operation{
		OperationID: "ticket", Method: http.MethodGet, Path: ticketsPath + "{kind}", Tags: []string{"tickets"},
		Summary: "The shared access_token, api_ticket (wx_card), jsapi_ticket or the mini-program's access_token, for the shop's other services",
		Errors:  []int{401, 503},
	}, func(ctx context.Context, in *ticketInput) (*ticketOutput, error) {
		value, left, err := a.Tickets.Shared(ctx, in.Kind)
		if err != nil {
			return nil, web.TicketError(err)
		}
		var out ticketOutput
		out.Body.Value, out.Body.ExpiresIn = value, max(1, int64(left/time.Second))
		return &out, nil
	})
	web.Route(a.Listener, huma.Operation{
		OperationID: "rejectTicket", Method: http.MethodPost, Path: ticketsPath + "{kind}/invalidate", Tags: []string{"tickets"},
		Summary: "Report a value that WeChat refused", DefaultStatus: http.StatusNoContent, Errors: []int{400, 401, 413, 415, 503},
		Description: "If it still is the current value, the fleet fetches another, once a minute at most; otherwise nothing happens. " +
			"Ask for the value again afterwards.",
	}, func(ctx context.Context, in *rejectInput) (*web.Nothing, error) {
		return nil, web.TicketError(a.Tickets.Reject(ctx, in.Kind, in.Body.Rejected, in.Body.ByHand))
	})
}
