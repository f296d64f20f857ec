package web

// ProblemType is one thing that can go wrong, as a client sees it. Its code is
// stable: programs compare it, so it never changes its meaning.
type ProblemType struct {
	status int
	code   string
	detail string
}

// Err returns an error that is answered with the problem and not logged.
func (t ProblemType) Err() error { return problemError{t} }

type problemError struct{ ProblemType }

func (e problemError) Error() string { return e.code }

// WithDetail returns the type with another text, which may be empty.
func (t ProblemType) WithDetail(text string) ProblemType {
	t.detail = text
	return t
}

// The types of problem. docs/errors.md lists them; a test compares the two.
var (
	KeyMissing       = ProblemType{400, "idempotency_key_missing", "The header Idempotency-Key is required, so that a repeat counts once."}
	MalformedBody    = ProblemType{400, "malformed_body", "The request body is not one well-formed JSON value in UTF-8."}
	SessionInvalid   = ProblemType{401, "session_invalid", "There is no valid session; call wx.login and POST /v1/session."}
	LoginCodeInvalid = ProblemType{401, "login_code_invalid",
		"WeChat does not accept this wx.login code, or it was used before; call wx.login again."}
	AdminTokenInvalid = ProblemType{401, "admin_token_invalid",
		"The bearer token opens nothing: it is no ADMIN_TOKEN, no TICKET_TOKEN and no token of the staff."}
	CodeNotYours        = ProblemType{403, "code_not_yours", "The card code is not one of this member's."}
	CrossOrigin         = ProblemType{403, "cross_origin", "The browser sends this from a page of another site."}
	RoleForbidden       = ProblemType{403, "role_forbidden", "The role of the sender does not allow it."}
	UserBlocked         = ProblemType{403, "user_blocked", "WeChat has blocked this user as a risk."}
	EntryNotYours       = ProblemType{403, "entry_not_yours", "You may reverse only your own entries, and not for long; nothing was written."}
	NotFound            = ProblemType{404, "not_found", "There is no such route."}
	CardNotFound        = ProblemType{404, "card_not_found", "The Official Account has no such card."}
	MemberNotFound      = ProblemType{404, "member_not_found", "There is no such member."}
	AccountNotFound     = ProblemType{404, "account_not_found", "No such imported account waits for its person."}
	CodeNotFound        = ProblemType{404, "code_not_found", "The card has no such code, or the code is not this member's."}
	ImportNotFound      = ProblemType{404, "import_not_found", "There is no such import; a dry run is kept for a week."}
	MessageNotFound     = ProblemType{404, "message_not_found", "The outbox has no such message: it was sent, or it never existed."}
	StaffNotFound       = ProblemType{404, "staff_not_found", "There is no such person or key of the staff."}
	WebhookNotFound     = ProblemType{404, "webhook_not_found", "There is no such endpoint or delivery of webhooks."}
	MethodNotAllowed    = ProblemType{405, "method_not_allowed", "The route does not support this method; see the header Allow."}
	RequestTimeout      = ProblemType{408, "request_timeout", "The request did not arrive in time."}
	OpenIDUnknown       = ProblemType{409, "openid_unknown", "The card needs its holder's openid in the Official Account, which is unknown."}
	CodeModeUnsupported = ProblemType{409, "code_mode_unsupported", "Codes of this card are issued in real time: use wx.addCard instead."}
	NotOneClick         = ProblemType{409, "not_one_click", "The card has no activation form (wx_activate): use wx.addCard instead."}
	CardNotClaimable    = ProblemType{409, "card_not_claimable", "The card is out of stock, deleted, or refused in review."}
	PhoneTaken          = ProblemType{409, "phone_taken", "The phone number is another member's; nothing was stored."}
	CardNotHeld         = ProblemType{409, "card_not_held", "The code is in no wallet: unclaimed, given away, or made unavailable."}
	InsufficientBonus   = ProblemType{409, "insufficient_bonus", "The bonus does not suffice; nothing was written."}
	InsufficientBalance = ProblemType{409, "insufficient_balance", "The balance does not suffice; nothing was written."}
	EntryNotReversible  = ProblemType{409, "entry_not_reversible", "The entry is a reversal itself, or was reversed before."}
	OrderBooked         = ProblemType{409, "order_booked", "The card has an entry of this order that was not reversed; nothing was written."}
	NameTaken           = ProblemType{409, "name_taken", "Another person of the staff has this name, or it is reserved."}
	TooManyStaff        = ProblemType{409, "too_many_staff", "There are as many people, or tokens of the person, as there can be."}
	TooManyWebhooks     = ProblemType{409, "too_many_webhooks", "There are as many endpoints of webhooks as there can be."}
	DataKeysMissing     = ProblemType{409, "data_keys_missing", "DATA_KEYS has no key with which the secret can be sealed or opened."}
	LimitPerEntry       = ProblemType{409, "limit_per_entry", "It is more than you may book at once; nothing was written."}
	LimitPerDay         = ProblemType{409, "limit_per_day", "It would be more than you may book in a day; nothing was written."}
	BodyTooLarge        = ProblemType{413, "body_too_large", "The request body is too large."}
	UnsupportedMedia    = ProblemType{415, "unsupported_media_type", "The request body must be application/json in UTF-8, not compressed."}
	InvalidInput        = ProblemType{422, "invalid_input", "The request is understood, but not valid; see errors."}
	KeyReused           = ProblemType{422, "idempotency_key_reused", "The Idempotency-Key was used for another request; nothing was written."}
	ActivateTicketWrong = ProblemType{422, "activate_ticket_invalid", "The activate_ticket is wrong, expired, or was used for another code."}
	PhoneCodeInvalid    = ProblemType{422, "phone_code_invalid", "WeChat refuses the code of the phone button; tap the button again."}
	WeChatRefused       = ProblemType{422, "wechat_refused", "WeChat refuses the request."}
	RateLimited         = ProblemType{429, "rate_limited", "Too many requests; see Retry-After."}
	ClientClosed        = ProblemType{499, "client_closed", "The client did not wait for the answer."}
	Internal            = ProblemType{500, "internal", "An internal error occurred; the server's log has it under the request_id."}
	WeChatUnavailable   = ProblemType{503, "wechat_unavailable", "WeChat does not answer as it should; try again later."}
	TicketUnavailable   = ProblemType{503, "ticket_unavailable", "There is no usable ticket; try again later."}
	Unavailable         = ProblemType{503, "unavailable", "The service cannot answer now; try again later."}
)

// problemTypes has the order of the codes in the description of the API.
var problemTypes = []ProblemType{
	MalformedBody, SessionInvalid, LoginCodeInvalid, AdminTokenInvalid, CodeNotYours, UserBlocked, NotFound, CardNotFound, MemberNotFound,
	MethodNotAllowed, RequestTimeout, OpenIDUnknown, CardNotClaimable, BodyTooLarge, UnsupportedMedia, InvalidInput, RateLimited,
	ClientClosed, Internal, WeChatUnavailable, TicketUnavailable, Unavailable,
	MessageNotFound, WeChatRefused, CodeModeUnsupported, NotOneClick, ActivateTicketWrong, KeyMissing, KeyReused, CodeNotFound, CardNotHeld,
	InsufficientBonus, InsufficientBalance, EntryNotReversible, EntryNotYours, LimitPerEntry, LimitPerDay, RoleForbidden, CrossOrigin,
	StaffNotFound, NameTaken, TooManyStaff, OrderBooked, PhoneTaken, PhoneCodeInvalid, WebhookNotFound, TooManyWebhooks,
	DataKeysMissing, ImportNotFound, AccountNotFound,
}
