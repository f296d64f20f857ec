package web

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/addcard/addcard/internal/auth"
	"github.com/addcard/addcard/internal/card"
	"github.com/addcard/addcard/internal/cardlist"
	"github.com/addcard/addcard/internal/importer"
	"github.com/addcard/addcard/internal/jssdk"
	"github.com/addcard/addcard/internal/ledger"
	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/opencard"
	"github.com/addcard/addcard/internal/outbox"
	"github.com/addcard/addcard/internal/phonecode"
	"github.com/addcard/addcard/internal/ration"
	"github.com/addcard/addcard/internal/recovery"
	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/staff"
	"github.com/addcard/addcard/internal/ticket"
	"github.com/addcard/addcard/internal/webhook"
	"github.com/addcard/addcard/internal/weblogin"
	"github.com/addcard/addcard/internal/wechat"
)

// errorTable maps the errors of the services to problems. The first row that
// matches counts. An error that is in no row and that typeOf has no rule for is
// Internal: the client gets a request_id, the log gets the error.
var errorTable = []struct {
	err     error
	problem ProblemType
	admin   ProblemType // on the operator's listener, if it is another one there
}{
	{err: auth.ErrSession, problem: SessionInvalid},
	{err: auth.ErrCodeMock, problem: LoginCodeInvalid.WithDetail(
		"This is what DevTools gives without an AppID, not a wx.login code; enter the mini-program's own AppID in DevTools.")},
	{err: auth.ErrCodeRefused, problem: LoginCodeInvalid},
	{err: auth.ErrUserBlocked, problem: UserBlocked},
	{err: auth.ErrTooFast, problem: RateLimited},
	{err: auth.ErrTooMany, problem: RateLimited},
	{err: auth.ErrSuspended, problem: WeChatUnavailable},
	{err: ration.ErrBusy, problem: WeChatUnavailable},
	{err: auth.ErrCodeFormat, problem: InvalidInput},
	{err: weblogin.ErrPage, problem: InvalidInput},
	{err: weblogin.ErrState, problem: InvalidInput},
	{err: weblogin.ErrDenied, problem: LoginCodeInvalid},
	// A session outlives its member; an operator names one by ID.
	{err: member.ErrMemberUnknown, problem: SessionInvalid, admin: MemberNotFound},
	{err: member.ErrAccountUnknown, problem: AccountNotFound},
	{err: member.ErrOpenIDUnknown, problem: OpenIDUnknown},
	{err: ledger.ErrCodeUnknown, problem: CodeNotFound},
	{err: ledger.ErrNotHeld, problem: CardNotHeld},
	{err: ledger.ErrInsufficientBonus, problem: InsufficientBonus},
	{err: ledger.ErrInsufficientBalance, problem: InsufficientBalance},
	{err: ledger.ErrNotReversible, problem: EntryNotReversible},
	{err: ledger.ErrOrderBooked, problem: OrderBooked},
	{err: ledger.ErrNotYours, problem: EntryNotYours},
	{err: ledger.ErrOverEntryLimit, problem: LimitPerEntry},
	{err: ledger.ErrOverDayLimit, problem: LimitPerDay},
	{err: ledger.ErrKeyReused, problem: KeyReused},
	{err: importer.ErrNotFound, problem: ImportNotFound},
	{err: outbox.ErrNotFound, problem: MessageNotFound},
	{err: outbox.ErrJobNotFound, problem: MessageNotFound.WithDetail("There is no such retry of messages; one is kept for a month.")},
	{err: ledger.ErrConflict, problem: Unavailable},
	{err: recovery.ErrHeld, problem: Unavailable.WithDetail(
		"The database was restored, and the card shows other figures than its ledger; an operator runs server recover adopt.")},
	{err: staff.ErrNotFound, problem: StaffNotFound},
	{err: staff.ErrNameTaken, problem: NameTaken},
	{err: staff.ErrTooMany, problem: TooManyStaff},
	{err: webhook.ErrNotFound, problem: WebhookNotFound},
	{err: webhook.ErrTooMany, problem: TooManyWebhooks},
	{err: webhook.ErrNoKeys, problem: DataKeysMissing},
	{err: cardlist.ErrNotYours, problem: CodeNotYours},
	{err: cardlist.ErrCodeInvalid, problem: InvalidInput},
	{err: cardlist.ErrTooMany, problem: RateLimited},
	{err: opencard.ErrTicket, problem: ActivateTicketWrong},
	{err: opencard.ErrCodeMode, problem: CodeModeUnsupported},
	{err: opencard.ErrNotOneClick, problem: NotOneClick},
	{err: opencard.ErrTooMany, problem: RateLimited},
	{err: member.ErrPhoneTaken, problem: PhoneTaken},
	{err: phonecode.ErrCode, problem: PhoneCodeInvalid},
	{err: phonecode.ErrTooMany, problem: RateLimited},
	{err: phonecode.ErrOtherApp, problem: WeChatUnavailable},
	{err: phonecode.ErrNoNumber, problem: WeChatUnavailable},
	{err: jssdk.ErrURL, problem: InvalidInput},
	{err: card.ErrNotFound, problem: CardNotFound},
	{err: card.ErrNotClaimable, problem: CardNotClaimable},
	{err: card.ErrTooMany, problem: RateLimited},
	{err: card.ErrConcurrent, problem: Unavailable.WithDetail("Another request is doing the same; repeat this one later.")},
	{err: cardlist.ErrNoTicket, problem: TicketUnavailable}, // wraps ticket.ErrUnavailable
	{err: errNoTicket, problem: TicketUnavailable},          // wraps it, too
	{err: ticket.ErrUnavailable, problem: WeChatUnavailable},
	{err: sqldb.ErrUnavailable, problem: Unavailable},
	{err: sqldb.ErrBusy, problem: Unavailable},
	{err: sqldb.ErrUnknown, problem: Unavailable},
	{err: sqldb.ErrClosed, problem: Unavailable},
}

// typeOf returns the problem that an error is to an audience.
func typeOf(a Audience, err error) ProblemType {
	for _, row := range errorTable {
		switch {
		case !errors.Is(err, row.err):
		case a == Admin && row.admin.code != "":
			return row.admin
		default:
			return row.problem
		}
	}
	if q := (*quotedError)(nil); errors.As(err, &q) && q.answer != nil {
		return q.problem()
	}
	var input InputErrors
	var invalid *card.InvalidError
	var answer *wechat.Error
	var endpoint *webhook.InvalidError
	switch {
	case errors.As(err, &input), errors.As(err, &invalid), errors.As(err, &endpoint):
		return InvalidInput
	case errors.Is(err, context.Canceled):
		return ClientClosed
	case errors.As(err, &answer):
		return WeChatUnavailable
	case errors.Is(err, context.DeadlineExceeded):
		return Unavailable
	}
	return Internal
}

// errNoTicket marks the lack of the ticket that a route hands out or signs
// with. The lack of an access_token for a call of WeChat is another problem.
var errNoTicket = errors.New("no usable ticket")

// TicketError marks a ticket.ErrUnavailable in err as ticket_unavailable, which
// would be wechat_unavailable otherwise.
func TicketError(err error) error {
	if errors.Is(err, ticket.ErrUnavailable) {
		return fmt.Errorf("%w: %w", errNoTicket, err)
	}
	return err
}

// quotedError is an error for which the operator sees WeChat's own answer.
type quotedError struct {
	error
	answer *wechat.Error // nil if WeChat did not cause it
}

func (q *quotedError) Unwrap() error { return q.error }

// QuoteWeChat has the problem of err quote what WeChat answered, and distinguish
// what WeChat refuses from what it cannot do now. err must not be nil.
func QuoteWeChat(err error) error {
	q := &quotedError{error: err}
	errors.As(err, &q.answer)
	return q
}

func (q *quotedError) problem() ProblemType {
	_, quota := q.answer.RetryAfter()
	switch {
	case q.answer.UnknownCode():
		return CodeNotFound
	case quota, q.answer.Temporary(), q.answer.Permanent():
		return WeChatUnavailable
	}
	return WeChatRefused
}

// detail is WeChat's answer without the hint, which only WeChat's support can
// read. It is empty if WeChat did not cause the error.
func (q *quotedError) detail() string {
	if q.answer == nil {
		return ""
	}
	text := "WeChat did not answer: " + q.answer.Msg + "."
	if q.answer.Code != 0 {
		text = fmt.Sprintf("WeChat answers %d to %s: %s.", q.answer.Code, q.answer.API, strings.TrimSuffix(q.answer.Msg, "."))
	}
	if errors.Is(q.error, card.ErrUncertain) {
		text += " It may have changed the card all the same: look at the card before you repeat this."
	}
	return text
}

// InputErrors is the error of a request with parts that are wrong in a way that
// its schema does not describe.
type InputErrors []FieldError

func (e InputErrors) Error() string { return fmt.Sprint([]FieldError(e)) }

// locatedError is an error about one part of a request.
type locatedError struct {
	error
	location string
}

func (l *locatedError) Error() string { return l.location + ": " + l.error.Error() }
func (l *locatedError) Unwrap() error { return l.error }

// AtField marks err as being about a field of element index of the list in the
// body.
func AtField(err error, list string, index int, field string) error {
	return &locatedError{err, "body." + list + "[" + strconv.Itoa(index) + "]." + field}
}
