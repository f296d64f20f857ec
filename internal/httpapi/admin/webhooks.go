package admin

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/addcard/addcard/internal/httpapi/internal/web"
	"github.com/addcard/addcard/internal/webhook"
)

// Webhook is an endpoint of another system, and how its deliveries are.
type Webhook struct {
	ID              string    `json:"id" format:"uuid"`
	URL             string    `json:"url"`
	Events          []string  `json:"events" doc:"Types of events, or *: all, also those of later versions."`
	Enabled         bool      `json:"enabled" doc:"An endpoint that is switched off is told nothing of what happens meanwhile; what waits for it stays."`
	Description     string    `json:"description,omitempty"`
	CreatedAt       time.Time `json:"created_at"`
	Waiting         int64     `json:"waiting" doc:"Deliveries that wait, for the first or another attempt."`
	Dead            int64     `json:"dead" doc:"Deliveries that failed for two days and are not attempted any more; resend sends them."`
	OldestWaitingAt time.Time `json:"oldest_waiting_at,omitempty,omitzero" doc:"When the oldest event that waits happened."`
	LastSuccessAt   time.Time `json:"last_success_at,omitempty,omitzero" doc:"Up to ten seconds late."`
	LastError       string    `json:"last_error,omitempty" doc:"What failed last; absent after a success."`
	DisabledReason  string    `json:"disabled_reason,omitempty" doc:"Why addcard has switched it off."`
	// PreviousSecretUntil differs after each rotation.
	PreviousSecretUntil time.Time `json:"previous_secret_until,omitempty,omitzero" doc:"Until when the secret before also signs, or signed."`
}

func webhookOf(e webhook.Status) Webhook {
	return Webhook{
		e.ID, e.URL, e.Events, e.Enabled, e.Description, e.CreatedAt, e.Waiting, e.Dead, e.OldestWaiting, e.LastSuccessAt, e.LastError,
		e.DisabledReason, e.PreviousUntil,
	}
}

type webhooksOutput struct {
	Body struct {
		Webhooks []Webhook `json:"webhooks" doc:"The oldest first."`
	}
}

type webhookOutput struct{ Body Webhook }

type newWebhookOutput struct {
	Body struct {
		Webhook
		Secret string `json:"secret,omitempty" doc:"Signs the deliveries. It is shown only here."`
	}
}

type addWebhookInput struct {
	Body struct {
		URL         string   `json:"url" minLength:"1" maxLength:"2000" example:"https://crm.example.com/addcard" doc:"https, in a public network or one of WEBHOOK_ALLOW_PRIVATE."`
		Events      []string `json:"events" minItems:"1" maxItems:"32" example:"[\"entry.created\"]" doc:"Types of events, or *."`
		Enabled     *bool    `json:"enabled,omitempty" default:"true"`
		Description string   `json:"description,omitempty" maxLength:"200"`
	}
}

// WebhookPath names an endpoint.
type WebhookPath struct {
	ID string `path:"id" minLength:"1" maxLength:"64"`
}

type changeWebhookInput struct {
	WebhookPath
	Body struct {
		URL          *string   `json:"url,omitempty" minLength:"1" maxLength:"2000"`
		Events       *[]string `json:"events,omitempty" minItems:"1" maxItems:"32"`
		Enabled      *bool     `json:"enabled,omitempty"`
		Description  *string   `json:"description,omitempty" maxLength:"200"`
		RotateSecret bool      `json:"rotate_secret,omitempty" doc:"The answer has a new secret. The one before also signs for 24 hours."`
	}
}

type webhookTestOutput struct {
	Body struct {
		Delivered  bool   `json:"delivered"`
		Status     int    `json:"status,omitzero" doc:"Of the endpoint's answer; absent without one."`
		Error      string `json:"error,omitempty"`
		DurationMS int64  `json:"duration_ms"`
	}
}

type deliveriesInput struct {
	WebhookPath
	State string `query:"state" enum:"waiting,dead,done"`
	Type  string `query:"type" maxLength:"64" example:"entry.created"`
	web.PageInput

	after webhook.Mark
}

// Resolve reads the cursor.
func (in *deliveriesInput) Resolve(huma.Context) []error {
	return in.ReadCursor(2, func(parts []string) (err error) {
		if in.after.HappenedAt, err = web.ParseTime(parts[0]); err == nil {
			in.after.Seq, err = strconv.ParseInt(parts[1], 10, 64)
		}
		return err
	})
}

type deliveriesOutput struct {
	Body struct {
		Deliveries []webhookDelivery `json:"deliveries" doc:"The newest first."`
		NextCursor string            `json:"next_cursor,omitempty" doc:"Absent on the last page."`
	}
}

type webhookDelivery struct {
	ID        string    `json:"id" doc:"The header webhook-id of each attempt."`
	Type      string    `json:"type"`
	State     string    `json:"state" enum:"waiting,dead,done"`
	Attempts  int64     `json:"attempts" doc:"How often it failed."`
	LastError string    `json:"last_error,omitempty"`
	CreatedAt time.Time `json:"created_at"`
	DueAt     time.Time `json:"due_at,omitempty,omitzero" doc:"The next attempt, if it is the first of its member that waits."`
	MemberID  string    `json:"member_id,omitempty"`
	CardID    string    `json:"card_id,omitempty"`
	Code      string    `json:"code,omitempty"`
}

func webhookDeliveryOf(d webhook.Delivery) webhookDelivery {
	return webhookDelivery{d.ID, d.Type, d.State, d.Attempts, d.LastError, d.HappenedAt, d.DueAt, d.MemberID, d.CardID, d.Code}
}

type resendInput struct {
	WebhookPath
	Body struct {
		ID     string    `json:"id,omitempty" maxLength:"64" doc:"One delivery, in any state. Or from and to."`
		From   time.Time `json:"from,omitempty" doc:"Deliveries of events that happened from then on, and were delivered or are dead."`
		To     time.Time `json:"to,omitempty" doc:"And before then."`
		Events []string  `json:"events,omitempty" maxItems:"32" doc:"Only of these types."`
	}
}

// Resolve checks what a schema cannot describe.
func (in *resendInput) Resolve(huma.Context) []error {
	b := in.Body
	span := !b.From.IsZero() || !b.To.IsZero()
	switch {
	case (b.ID != "") == span, b.ID != "" && len(b.Events) > 0:
		return []error{web.FieldError{Location: "body", Message: "must have either id or from and to"}}
	case span && !b.From.Before(b.To):
		return []error{web.FieldError{Location: "body.to", Message: "must be after from"}}
	}
	return nil
}

type resendOutput struct {
	Body struct {
		Count    int64     `json:"count" doc:"How many are sent again; one call selects at most about 10000, the oldest first."`
		NextFrom time.Time `json:"next_from,omitempty,omitzero" doc:"If there are more: the from with which to go on."`
	}
}

func (a *api) webhookRoutes() {
	tags := []string{"webhooks"}
	web.Route(a.Listener, huma.Operation{
		OperationID: "webhooks", Method: http.MethodGet, Path: "/v1/webhooks", Tags: tags, Errors: []int{503},
		Summary: "The endpoints that are told what happens, and what waits for them",
	}, func(ctx context.Context, _ *web.Nothing) (*webhooksOutput, error) {
		list, err := a.Webhooks.Endpoints(ctx)
		var out webhooksOutput
		out.Body.Webhooks = web.List(list, webhookOf)
		return &out, err
	})
	web.Route(a.Listener, huma.Operation{
		OperationID: "addWebhook", Method: http.MethodPost, Path: "/v1/webhooks", Tags: tags, DefaultStatus: http.StatusCreated,
		Summary: "Add an endpoint", Errors: []int{400, 409, 413, 415, 422, 503},
		Description: "It needs DATA_KEYS, which seal the secret.",
	}, a.addWebhook)
	web.Route(a.Listener, huma.Operation{
		OperationID: "webhook", Method: http.MethodGet, Path: "/v1/webhooks/{id}", Tags: tags, Errors: []int{404, 422, 503},
		Summary: "One endpoint",
	}, func(ctx context.Context, in *WebhookPath) (*webhookOutput, error) {
		e, err := a.Webhooks.Endpoint(ctx, in.ID)
		return &webhookOutput{webhookOf(e)}, err
	})
	web.Route(a.Listener, huma.Operation{
		OperationID: "changeWebhook", Method: http.MethodPatch, Path: "/v1/webhooks/{id}", Tags: tags,
		Summary: "Change an endpoint, or its secret", Errors: []int{400, 404, 409, 413, 415, 422, 503},
		Description: "What is absent stays as it is. A change also ends the pause of an endpoint that does not answer.",
	}, a.changeWebhook)
	web.Route(a.Listener, huma.Operation{
		OperationID: "removeWebhook", Method: http.MethodDelete, Path: "/v1/webhooks/{id}", Tags: tags,
		DefaultStatus: http.StatusNoContent, Summary: "Remove an endpoint, with what waits for it", Errors: []int{404, 422, 503},
	}, func(ctx context.Context, in *WebhookPath) (*web.Nothing, error) {
		return nil, a.Webhooks.Remove(ctx, in.ID)
	})
	a.deliveryRoutes()
}

func (a *api) deliveryRoutes() {
	tags := []string{"webhooks"}
	web.Route(a.Listener, huma.Operation{
		OperationID: "testWebhook", Method: http.MethodPost, Path: "/v1/webhooks/{id}/test", Tags: tags,
		Summary: "Send an event of the type webhook.test at once", Errors: []int{404, 422, 503},
		Description: "Also to an endpoint that is switched off. The answer of the endpoint may take ten seconds.",
	}, func(ctx context.Context, in *WebhookPath) (*webhookTestOutput, error) {
		attempt, err := a.Webhooks.Test(ctx, in.ID)
		var out webhookTestOutput
		out.Body.Delivered, out.Body.Status, out.Body.DurationMS = attempt.Err == nil, attempt.Status, attempt.Duration.Milliseconds()
		if attempt.Err != nil {
			out.Body.Error = attempt.Err.Error()
		}
		return &out, err
	})
	web.Route(a.Listener, huma.Operation{
		OperationID: "deliveries", Method: http.MethodGet, Path: "/v1/webhooks/{id}/deliveries", Tags: tags, Errors: []int{404, 422, 503},
		Summary: "What is sent to an endpoint", Description: "What was delivered is kept for 30 days.",
	}, a.deliveries)
	web.Route(a.Listener, huma.Operation{
		OperationID: "resendWebhook", Method: http.MethodPost, Path: "/v1/webhooks/{id}/resend", Tags: tags,
		Summary: "Send deliveries again, with the same ids", Errors: []int{400, 404, 413, 415, 422, 503},
	}, a.resend)
}

func (a *api) addWebhook(ctx context.Context, in *addWebhookInput) (*newWebhookOutput, error) {
	e, secret, err := a.Webhooks.Add(ctx, webhook.Endpoint{
		URL: in.Body.URL, Events: in.Body.Events, Enabled: *in.Body.Enabled, Description: in.Body.Description,
	})
	var out newWebhookOutput
	out.Body.Webhook, out.Body.Secret = webhookOf(webhook.Status{Endpoint: e}), secret
	return &out, err
}

func (a *api) changeWebhook(ctx context.Context, in *changeWebhookInput) (*newWebhookOutput, error) {
	b := in.Body
	_, secret, err := a.Webhooks.Change(ctx, in.ID, webhook.Change{
		URL: b.URL, Description: b.Description, Events: b.Events, Enabled: b.Enabled, RotateSecret: b.RotateSecret,
	})
	if err != nil {
		return nil, err
	}
	e, err := a.Webhooks.Endpoint(ctx, in.ID)
	var out newWebhookOutput
	out.Body.Webhook, out.Body.Secret = webhookOf(e), secret
	return &out, err
}

func (a *api) deliveries(ctx context.Context, in *deliveriesInput) (*deliveriesOutput, error) {
	list, err := a.Webhooks.Deliveries(ctx, in.ID, webhook.Filter{State: in.State, Type: in.Type}, in.after, in.Limit+1)
	var out deliveriesOutput
	list, out.Body.NextCursor = web.Page(in.PageInput, list, func(d webhook.Delivery) []string {
		return []string{web.FormatTime(d.HappenedAt), strconv.FormatInt(d.Seq, 10)}
	})
	out.Body.Deliveries = web.List(list, webhookDeliveryOf)
	return &out, err
}

func (a *api) resend(ctx context.Context, in *resendInput) (*resendOutput, error) {
	b := in.Body
	var out resendOutput
	if b.ID != "" {
		out.Body.Count = 1
		return &out, a.Webhooks.Resend(ctx, in.ID, b.ID)
	}
	var err error
	out.Body.Count, out.Body.NextFrom, err = a.Webhooks.ResendSpan(ctx, in.ID, webhook.Span{From: b.From, To: b.To, Types: b.Events})
	return &out, err
}
