package httpapi

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/addcard/addcard/internal/auth"
	"github.com/addcard/addcard/internal/card"
	"github.com/addcard/addcard/internal/cardlist"
	"github.com/addcard/addcard/internal/jssdk"
	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/opencard"
	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/ticket"
	"github.com/addcard/addcard/internal/wechat"
)

// kind is one thing that can go wrong, as a client sees it. Its code is stable:
// programs compare it, so it never changes its meaning.
type kind struct {
	status int
	code   string
	detail string
}

// The kinds of problem. docs/errors.md lists them; a test compares the two.
var (
	keyMissing         = kind{400, "idempotency_key_missing", "This request needs the header Idempotency-Key, so that it counts once however often it is sent."}
	malformedBody      = kind{400, "malformed_body", "The request body is not one well-formed JSON value in UTF-8."}
	sessionInvalid     = kind{401, "session_invalid", "There is no valid session; call wx.login and POST /v1/session."}
	loginCodeInvalid   = kind{401, "login_code_invalid", "WeChat does not accept this wx.login code, or it was used before; call wx.login again."}
	adminTokenInvalid  = kind{401, "admin_token_invalid", "The admin API needs the ADMIN_TOKEN as a bearer token (or for the shared tickets the TICKET_TOKEN)."}
	codeNotYours       = kind{403, "code_not_yours", "The card code is not one of this member's."}
	userBlocked        = kind{403, "user_blocked", "WeChat has blocked this user as a risk."}
	notFound           = kind{404, "not_found", "There is no such route."}
	cardNotFound       = kind{404, "card_not_found", "The Official Account has no such card."}
	memberNotFound     = kind{404, "member_not_found", "There is no such member."}
	codeNotFound       = kind{404, "code_not_found", "The card has no such code, or it is not one's own."}
	messageNotFound    = kind{404, "message_not_found", "There is no such message in the outbox: WeChat was told, or it never was there."}
	methodNotAllowed   = kind{405, "method_not_allowed", "This route does not know the method; see Allow."}
	requestTimeout     = kind{408, "request_timeout", "The request did not arrive in time."}
	openIDUnknown      = kind{409, "openid_unknown", "The card binds its holder's openid in the Official Account, and that is not known yet."}
	codeModeWrong      = kind{409, "code_mode_unsupported", "The codes of this card are given out in real time: take it with wx.addCard, not with the open-card component."}
	notOneClick        = kind{409, "not_one_click", "The card has no activation form (wx_activate): take it with wx.addCard, not with the open-card component."}
	cardNotClaimable   = kind{409, "card_not_claimable", "The card is out of stock, deleted, or refused in review."}
	cardNotHeld        = kind{409, "card_not_held", "Nobody holds the card: it was not taken yet, was given away, or was made unavailable."}
	insufficientBonus  = kind{409, "insufficient_bonus", "The bonus does not suffice; nothing was written."}
	insufficientFen    = kind{409, "insufficient_balance", "The balance does not suffice; nothing was written."}
	notReversible      = kind{409, "entry_not_reversible", "The entry is a reversal itself, or was reversed before."}
	bodyTooLarge       = kind{413, "body_too_large", "The request body is too large."}
	unsupportedMedia   = kind{415, "unsupported_media_type", "The request body must be application/json in UTF-8, not compressed."}
	invalidInput       = kind{422, "invalid_input", "The request is understood, but not valid; see errors."}
	keyReused          = kind{422, "idempotency_key_reused", "The Idempotency-Key came with another request before; nothing was written."}
	badActivateTicket  = kind{422, "activate_ticket_invalid", "The activate_ticket is wrong, has expired, or was used for another code."}
	wechatRefused      = kind{422, "wechat_refused", "WeChat refuses the request."}
	rateLimited        = kind{429, "rate_limited", "Too many requests; see Retry-After."}
	clientClosed       = kind{499, "client_closed", "The client did not wait for the answer."}
	internalError      = kind{500, "internal", "Something went wrong here; the request_id finds it in the log."}
	wechatUnavailable  = kind{503, "wechat_unavailable", "WeChat does not answer as it should; try again later."}
	ticketUnavailable  = kind{503, "ticket_unavailable", "There is no usable ticket; try again later."}
	serviceUnavailable = kind{503, "unavailable", "The service cannot answer now; try again later."}
)

var kinds = []kind{
	malformedBody, sessionInvalid, loginCodeInvalid, adminTokenInvalid, codeNotYours, userBlocked, notFound, cardNotFound, memberNotFound, methodNotAllowed,
	requestTimeout, openIDUnknown, cardNotClaimable, bodyTooLarge, unsupportedMedia, invalidInput, rateLimited,
	clientClosed, internalError, wechatUnavailable, ticketUnavailable, serviceUnavailable,
	messageNotFound, wechatRefused, codeModeWrong, notOneClick, badActivateTicket, keyMissing, keyReused, codeNotFound, cardNotHeld, insufficientBonus, insufficientFen, notReversible,
}

// table says what a client is told for each error of the packages below. What
// is not in it is internal: the client gets a request_id, the log the cause.
var table = []struct {
	err  error
	kind kind
}{
	{auth.ErrSession, sessionInvalid},
	{auth.ErrCodeRefused, loginCodeInvalid},
	{auth.ErrUserBlocked, userBlocked},
	{auth.ErrTooFast, rateLimited},
	{auth.ErrCodeFormat, invalidInput},
	{member.ErrMemberUnknown, sessionInvalid},
	{member.ErrNobody, memberNotFound},
	{member.ErrOpenIDUnknown, openIDUnknown},
	{member.ErrCodeUnknown, codeNotFound},
	{member.ErrNotHeld, cardNotHeld},
	{member.ErrInsufficientBonus, insufficientBonus},
	{member.ErrInsufficientBalance, insufficientFen},
	{member.ErrNotReversible, notReversible},
	{member.ErrKeyReused, keyReused},
	{member.ErrNoMessage, messageNotFound},
	{member.ErrRaced, serviceUnavailable},
	{cardlist.ErrNotYours, codeNotYours},
	{cardlist.ErrCodeInvalid, invalidInput},
	{opencard.ErrTicket, badActivateTicket},
	{opencard.ErrCodeMode, codeModeWrong},
	{opencard.ErrNotOneClick, notOneClick},
	{opencard.ErrTooMany, rateLimited},
	{jssdk.ErrURL, invalidInput},
	{card.ErrNotFound, cardNotFound},
	{card.ErrNotClaimable, cardNotClaimable},
	{card.ErrTooMany, rateLimited},
	{cardlist.ErrNoTicket, ticketUnavailable}, // wraps ticket.ErrUnavailable
	{errNoTicket, ticketUnavailable},          // the same
	{ticket.ErrUnavailable, wechatUnavailable},
	{sqldb.ErrBusy, serviceUnavailable},
	{sqldb.ErrUnknown, serviceUnavailable},
	{sqldb.ErrClosed, serviceUnavailable},
}

func kindOf(err error) kind {
	for _, row := range table {
		if errors.Is(err, row.err) {
			return row.kind
		}
	}
	var upstream *wechat.Error
	var field *fieldProblem
	var wrong *card.InvalidError
	if told := (*operated)(nil); errors.As(err, &told) {
		if k, ok := told.kind(); ok {
			return k
		}
	}
	switch {
	case errors.As(err, &wrong):
		return invalidInput
	case errors.As(err, &field):
		return invalidInput
	case errors.Is(err, context.Canceled):
		return clientClosed
	case errors.As(err, &upstream):
		return wechatUnavailable
	case errors.Is(err, context.DeadlineExceeded), sqldb.Down(err):
		return serviceUnavailable
	}
	return internalError
}

// Problem is the body of every error answer (RFC 9457).
type Problem struct {
	Type      string       `json:"type" example:"urn:addcard:problem:card_not_found" doc:"The kind of problem as a URI; it names, it does not lead anywhere."`
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
	for _, k := range kinds {
		s.Properties["code"].Enum = append(s.Properties["code"].Enum, k.code)
	}
	return s
}

// FieldError names one wrong part of a request and never quotes its value.
type FieldError struct {
	Location string `json:"location" example:"body.cards[0].card_id"`
	Message  string `json:"message" example:"expected length >= 1"`
}

// fieldProblem is the error about a part of a request that is wrong in a way
// that only a service can tell.
type fieldProblem FieldError

func (f *fieldProblem) Error() string { return f.Location + ": " + f.Message }

func newProblem(ctx context.Context, k kind) *Problem {
	title := http.StatusText(k.status)
	if title == "" {
		title = "Client Closed Request"
	}
	return &Problem{
		Type: "urn:addcard:problem:" + k.code, Title: title, Status: k.status,
		Detail: k.detail, Code: k.code, RequestID: requestID(ctx),
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

// located says which part of the request an error is about.
type located struct {
	error
	location string
}

func (l *located) Unwrap() error { return l.error }

// locate points an error about one element of a list at list[i].member.
func locate(err error, list, member string) error {
	if item := (*cardlist.ItemError)(nil); errors.As(err, &item) {
		return &located{err, "body." + list + "[" + strconv.Itoa(item.Index) + "]." + member}
	}
	return err
}

// problemOf turns an error of a service into what the client is told, and
// tells the log what the client is not.
func problemOf(ctx context.Context, log *slog.Logger, err error) *Problem {
	p := newProblem(ctx, kindOf(err))
	p.retryAfter = retryAfter(err)
	if at := (*located)(nil); errors.As(err, &at) {
		why := strings.TrimSuffix(p.Detail, ".")
		if p.Code == invalidInput.code {
			why = "not valid" // its detail only points here
		}
		p.Errors = []FieldError{{at.location, why}}
	}
	if wrong := (*card.InvalidError)(nil); errors.As(err, &wrong) {
		for _, f := range wrong.Fields {
			p.Errors = append(p.Errors, FieldError{locationOf(f.Path), shorten(f.Message)})
		}
	}
	if told := (*operated)(nil); errors.As(err, &told) {
		p.Detail = cmp.Or(told.detail(), p.Detail)
	}
	if errors.Is(err, jssdk.ErrURL) {
		p.Errors = []FieldError{{"query.url", "is not a page of a host in JSSDK_HOSTS"}}
	}
	if field := (*fieldProblem)(nil); errors.As(err, &field) {
		p.Errors = []FieldError{FieldError(*field)}
	}
	switch p.Status {
	case http.StatusInternalServerError:
		log.ErrorContext(ctx, "request failed", "error", err, "request_id", p.RequestID)
	case http.StatusServiceUnavailable:
		log.WarnContext(ctx, "request not served", "code", p.Code, "error", err, "request_id", p.RequestID)
	}
	return p
}

// locationOf says where in a request a path of package card is.
func locationOf(path string) string {
	switch path {
	case "":
		return "body"
	case "card_id":
		return "path.card_id"
	}
	return "body." + shorten(path)
}

// defaultRetry is for errors that do not know themselves when to come back.
const defaultRetry = 5 * time.Second

func retryAfter(err error) time.Duration {
	if errors.Is(err, card.ErrTooMany) || errors.Is(err, opencard.ErrTooMany) {
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

// humaProblem makes huma's own findings, mostly about the request's form, into
// a Problem. It drops what huma would quote of the input: a wx.login code must
// not come back in an answer.
func humaProblem(ctx context.Context, status int, errs []error) *Problem {
	k := internalError
	for _, known := range []kind{malformedBody, invalidInput, bodyTooLarge, unsupportedMedia, requestTimeout} {
		if known.status == status {
			k = known
		}
	}
	p := newProblem(ctx, k)
	for _, err := range errs {
		if k != invalidInput {
			break
		}
		field := FieldError{"body", "not valid"}
		if d, ok := err.(huma.ErrorDetailer); ok { //nolint:errorlint // huma hands its own type
			field = fieldError(d.ErrorDetail())
		}
		p.Errors = append(p.Errors, field)
	}
	return p
}

// fieldError keeps huma's finding, but points at a missing member instead of
// the object that lacks it, and drops the message of a decoder: those quote.
func fieldError(d *huma.ErrorDetail) FieldError {
	if name, ok := strings.CutPrefix(d.Message, "expected required property "); ok {
		name, _ = strings.CutSuffix(name, " to be present")
		return FieldError{d.Location + "." + name, "is required"}
	}
	if strings.Contains(d.Message, "json: ") || strings.Contains(d.Message, "jsontext: ") {
		return FieldError{d.Location, "not of the right type"}
	}
	return FieldError{shorten(d.Location), shorten(d.Message)}
}

// shorten bounds what a client's own member names can make of an answer.
func shorten(s string) string {
	const most = 200
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
