package web

import (
	"cmp"
	"context"
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/validation"
	"github.com/gin-gonic/gin"

	"github.com/addcard/addcard/internal/auth"
	"github.com/addcard/addcard/internal/card"
	"github.com/addcard/addcard/internal/cardlist"
	"github.com/addcard/addcard/internal/jssdk"
	"github.com/addcard/addcard/internal/opencard"
	"github.com/addcard/addcard/internal/phonecode"
	"github.com/addcard/addcard/internal/ration"
	"github.com/addcard/addcard/internal/webhook"
	"github.com/addcard/addcard/internal/weblogin"
)

// Problem is the body of every error answer (RFC 9457).
type Problem struct { //nolint:errname // the name of its schema in the API
	Type      string       `json:"type" example:"urn:addcard:problem:card_not_found" doc:"The type of the problem as a URI, which only identifies it: there is no page behind it."`
	Title     string       `json:"title" example:"Not Found"`
	Status    int          `json:"status" example:"404"`
	Detail    string       `json:"detail,omitempty" doc:"What it means, for a person."`
	Code      string       `json:"code" example:"card_not_found" doc:"Stable: compare this."`
	RequestID string       `json:"request_id,omitempty" doc:"Finds the request in the server's log."`
	Errors    []FieldError `json:"errors,omitempty" doc:"Which parts of the request are wrong."`

	retryAfter time.Duration
}

// TransformSchema implements huma.SchemaTransformer: the description of the API
// lists the codes.
func (*Problem) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	for _, t := range problemTypes {
		s.Properties["code"].Enum = append(s.Properties["code"].Enum, t.code)
	}
	return s
}

// FieldError names one wrong part of a request and never quotes its value. A
// Resolve method returns it for what breaks a rule that the schema does not have.
type FieldError struct {
	Location string `json:"location" example:"body.cards[0].card_id"`
	Message  string `json:"message" example:"expected length >= 1"`
}

// Error implements error.
func (e FieldError) Error() string { return e.Location + ": " + e.Message }

func newProblem(ctx context.Context, t ProblemType) *Problem {
	return &Problem{
		Type: "urn:addcard:problem:" + t.code, Title: cmp.Or(http.StatusText(t.status), "Client Closed Request"), Status: t.status,
		Detail: t.detail, Code: t.code, RequestID: RequestID(ctx),
	}
}

// Error implements error.
func (p *Problem) Error() string { return p.Code }

// GetStatus implements huma.StatusError.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType implements huma.ContentTypeFilter.
func (p *Problem) ContentType(string) string { return "application/problem+json" }

// GetHeaders implements huma.HeadersError.
func (p *Problem) GetHeaders() http.Header {
	h := http.Header{}
	switch p.Status {
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", "Bearer")
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		h.Set("Retry-After", strconv.Itoa(max(1, int(math.Ceil(p.retryAfter.Seconds())))))
	}
	return h
}

// Fail ends the request with the problem that err is. It does not wait for the
// rest of a body that was not read.
func (l *Listener) Fail(c *gin.Context, err error) {
	RefuseBody(c)
	p := l.Problem(c.Request.Context(), err)
	h := c.Writer.Header()
	for name, values := range p.GetHeaders() {
		h[name] = values
	}
	if refuse := l.admission(c).Refuse; refuse != nil {
		refuse(c, p)
	} else {
		p.Write(c)
	}
	c.Abort()
}

// Write writes the body, and the status before it.
func (p *Problem) Write(c *gin.Context) {
	c.Header("Content-Type", p.ContentType(""))
	c.Status(p.Status)
	_ = strictJSON.Marshal(c.Writer, p) // fails only if the client has gone
}

// Problem turns an error into the answer of the client. What the client must not see
// goes to the log.
func (l *Listener) Problem(ctx context.Context, err error) *Problem {
	if p := (*Problem)(nil); errors.As(err, &p) {
		return p
	}
	if known := (problemError{}); errors.As(err, &known) {
		return newProblem(ctx, known.ProblemType)
	}
	p := newProblem(ctx, typeOf(l.audience, err))
	p.retryAfter = retryAfter(err)
	p.Errors = p.fieldErrors(err)
	if q := (*quotedError)(nil); errors.As(err, &q) {
		p.Detail = cmp.Or(q.detail(), p.Detail)
	}
	switch p.Status {
	case http.StatusInternalServerError:
		l.options.Log.ErrorContext(ctx, "request failed", "error", err, "request_id", p.RequestID)
	case http.StatusServiceUnavailable:
		if errors.Is(err, auth.ErrSuspended) || errors.Is(err, ration.ErrBusy) {
			break // there are as many as requests
		}
		l.options.Log.WarnContext(ctx, "request not served", "code", p.Code, "error", err, "request_id", p.RequestID)
	}
	return p
}

// fieldErrors returns the parts of the request that err is about.
func (p *Problem) fieldErrors(err error) (list []FieldError) {
	var input InputErrors
	if errors.As(err, &input) {
		return firstErrors(input)
	}
	if errors.Is(err, auth.ErrCodeFormat) {
		return []FieldError{{"body.code", "is not what wx.login gave"}}
	}
	if errors.Is(err, jssdk.ErrURL) {
		return []FieldError{{"query.url", "is not the address of a page on a host in JSSDK_HOSTS, as location.href has it"}}
	}
	if errors.Is(err, weblogin.ErrPage) {
		return []FieldError{{"query.redirect", "is not the address of a page on a host in JSSDK_HOSTS, as location.href has it"}}
	}
	if errors.Is(err, weblogin.ErrState) {
		return []FieldError{{"query.state", "is not that of a login that began in this browser within the last ten minutes"}}
	}
	if at := (*locatedError)(nil); errors.As(err, &at) {
		why := strings.TrimSuffix(p.Detail, ".")
		if p.Code == InvalidInput.code {
			why = "not valid" // its detail only refers to errors
		}
		list = append(list, FieldError{at.location, why})
	}
	if invalid := (*webhook.InvalidError)(nil); errors.As(err, &invalid) {
		return []FieldError{{"body." + invalid.Field, invalid.Message}}
	}
	if invalid := (*card.InvalidError)(nil); errors.As(err, &invalid) {
		for _, f := range firstErrors(invalid.Fields) {
			list = append(list, FieldError{locationOf(f.Path), shorten(f.Message)})
		}
	}
	return list
}

// maxErrors bounds the wrong parts that an answer names. Otherwise one could be
// many times as long as the request.
const maxErrors = 20

func firstErrors[T any](list []T) []T { return list[:min(len(list), maxErrors)] }

// locationOf returns where in a request a path of package card is.
func locationOf(path string) string {
	switch path {
	case "":
		return "body"
	case "card_id":
		return "path.card_id"
	}
	return "body." + shorten(path)
}

// defaultRetry is for errors that do not say when to come back.
const defaultRetry = 5 * time.Second

func retryAfter(err error) time.Duration {
	if errors.Is(err, card.ErrTooMany) || errors.Is(err, cardlist.ErrTooMany) || errors.Is(err, opencard.ErrTooMany) ||
		errors.Is(err, phonecode.ErrTooMany) {
		now := time.Now()
		return now.Truncate(time.Minute).Add(time.Minute).Sub(now) // the allowance is per minute
	}
	var hint interface{ RetryAfter() (time.Duration, bool) }
	if errors.As(err, &hint) {
		if d, ok := hint.RetryAfter(); ok {
			return min(d, time.Hour)
		}
	}
	return defaultRetry
}

// humaProblem turns the errors that huma finds, mostly in the form of the
// request, into a Problem. It drops what huma would quote of the input: a
// wx.login code must not come back in an answer.
//
// Resolve methods also run if a value could not be decoded, and then see a zero
// in its place. So what they found counts only if the form is right.
func humaProblem(ctx context.Context, status int, errs []error) *Problem {
	t := Internal
	for _, known := range []ProblemType{MalformedBody, InvalidInput, BodyTooLarge, UnsupportedMedia, RequestTimeout} {
		if known.status == status {
			t = known
		}
	}
	var form, rules []FieldError
	for _, err := range errs {
		if len(form) >= maxErrors {
			break
		}
		switch err := err.(type) { //nolint:errorlint // huma hands these types
		case FieldError:
			rules = append(rules, err)
		case huma.ErrorDetailer:
			d := err.ErrorDetail()
			if strings.HasPrefix(d.Message, wrongValue) {
				t = InvalidInput // the body is well-formed
			} else if location, ok := strings.CutPrefix(d.Message, doubledField); ok {
				t = MalformedBody.WithDetail("The request body is not well-formed: it has " + shorten(location) + " twice.")
			}
			form = append(form, fieldErrorOf(d))
		default:
			form = append(form, FieldError{"body", "not valid"})
		}
	}
	p := newProblem(ctx, t)
	if t != InvalidInput {
		return p
	}
	if p.Errors = form; len(form) == 0 {
		p.Errors = rules
	}
	p.Errors = firstErrors(p.Errors)
	return p
}

// fieldErrorOf converts what huma found. It points at a missing field instead of
// the object that lacks it, and drops the messages of decoders, which quote.
func fieldErrorOf(d *huma.ErrorDetail) FieldError {
	if name, ok := strings.CutPrefix(d.Message, "expected required property "); ok {
		name, _ = strings.CutSuffix(name, " to be present")
		return FieldError{d.Location + "." + name, "is required"}
	}
	if text, ok := strings.CutPrefix(d.Message, wrongValue); ok {
		why, location, _ := strings.Cut(text, " at ")
		return FieldError{shorten(location), why}
	}
	switch {
	case strings.Contains(d.Message, "json: "), strings.Contains(d.Message, "jsontext: "):
		return FieldError{d.Location, "not of the right type"}
	case d.Message == validation.MsgExpectedInteger, d.Message == "invalid integer":
		return FieldError{shorten(d.Location), wholeNumber}
	}
	return FieldError{shorten(d.Location), shorten(d.Message)}
}

// shorten bounds how much of a client's own field names is in an answer.
func shorten(s string) string {
	const most = 200
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
