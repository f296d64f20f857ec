package cardext

import (
	"crypto/sha1"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

var (
	// ErrMalformed is returned by [Verify] for a cardExt that is not a single
	// JSON object with the fields and types that WeChat requires.
	ErrMalformed = errors.New("cardext: malformed cardExt")
	// ErrSignature is returned by [Verify] when the signature does not match
	// the values and the ticket, and always for an empty ticket.
	ErrSignature = errors.New("cardext: signature does not match")
)

// Verify returns nil if cardExt, which is passed to wx.addCard next to cardID,
// was signed with apiTicket. It compares in constant time. It does not check
// that the values fit the card or were not used before. Errors: ErrMalformed,
// ErrSignature.
func Verify(apiTicket, cardID, cardExt string) error {
	m, cause := parse(cardExt)
	if cause == "" {
		cause = m.fault()
	}
	if cause != "" {
		return fmt.Errorf("%w: %s", ErrMalformed, advice[cause])
	}
	want := hexSum(signedValues(apiTicket, cardID, m), "")
	if subtle.ConstantTimeCompare([]byte(want), []byte(m["signature"].text)) != 1 || apiTicket == "" {
		return ErrSignature
	}
	return nil
}

// Facts are what [Explain] may use besides the cardExt itself. All are
// optional; more facts allow it to prove more causes.
type Facts struct {
	OldTickets  []string  // earlier api_tickets
	JSAPITicket string    // the current ticket of type jsapi
	Card        *Card     // nil: unknown
	Signed      Signed    // what the developer believes to have signed
	Now         time.Time // zero: the timestamp is not compared with a clock
	NotString   bool      // cardExt was a JSON object instead of a string
}

// Card has the attributes of a card that decide what its cardExt may contain.
type Card struct {
	TakesCode   bool // custom codes with real-time delivery
	NeedsOpenID bool // bind_openid
	FixTerm     bool // DATE_TYPE_FIX_TERM
}

// Signed are the values that the signer used. An empty one is unknown.
type Signed struct{ CardID, Code, OpenID, NonceStr, Timestamp string }

// Report is the result of [Explain]. It contains no ticket.
type Report struct {
	// Verifies is true when the signature matches these values and the current
	// ticket. There may still be a Cause: WeChat refuses a code that the card
	// does not take even with the right signature.
	Verifies bool
	Cause    string    // "" when nothing wrong was found
	Detail   string    // one sentence about Cause
	Also     []Finding // further causes
	// Values are the values that should be hashed, in the order in which they
	// should be joined. The ticket is shown as ***.
	Values []string
	// Signature is the one that cardExt should have: the hash of Values joined.
	// It is empty without a ticket.
	Signature string
	Timestamp time.Time // of the cardExt; zero without a valid one
}

// Finding is one thing that is wrong with a cardExt.
type Finding struct{ Cause, Detail string }

// Explain returns what is wrong with a cardExt that WeChat refuses. A cause of
// a wrong signature is proved: the same mistake gives the same signature. If no
// known mistake does, the cause is [CauseUnknown]. Explain takes up to 0.1 s of
// CPU time, never fails, and puts no ticket into the report. It is safe for
// concurrent use.
func Explain(apiTicket, cardID, cardExt string, f Facts) Report {
	x := newExplainer(apiTicket, f)
	if f.NotString {
		x.add(CauseNotString, "")
	}
	m, cause := parse(cardExt)
	if inner, ok := unwrap(cardExt); ok && cause == CauseNotString {
		x.add(cause, "")
		m, cause = parse(inner)
	}
	if cause == CauseMalformed && quotesEnd(cardExt) {
		x.add(CauseOuterStrJSON, "")
	}
	if cause != "" {
		x.add(cause, "")
	}
	if m != nil {
		x.explain(apiTicket, cardID, m, f)
		x.report.Verifies = !f.NotString && Verify(apiTicket, cardID, cardExt) == nil
	}
	return x.report
}

// explainer is one run of Explain.
type explainer struct {
	report Report
	mask   *strings.Replacer
}

func newExplainer(apiTicket string, f Facts) *explainer {
	tickets := append([]string{apiTicket, strings.TrimSpace(apiTicket), f.JSAPITicket}, f.OldTickets...)
	slices.SortFunc(tickets, func(a, b string) int { return len(b) - len(a) }) // a ticket may contain another, shorter one
	var pairs []string
	for _, ticket := range tickets {
		if ticket != "" {
			pairs = append(pairs, ticket, "***")
		}
	}
	return &explainer{mask: strings.NewReplacer(pairs...)}
}

// quote returns an untrusted value in a form that can be printed.
func (x *explainer) quote(text string) string {
	text = x.mask.Replace(text)
	if len(text) > 64 {
		text = text[:64] + "…"
	}
	return fmt.Sprintf("%q", text)
}

// add adds a cause unless it was added before. The first one becomes the Cause
// of the report.
func (x *explainer) add(cause, evidence string) {
	detail := advice[cause]
	if evidence != "" {
		detail = evidence + ": " + detail
	}
	same := func(f Finding) bool { return f.Cause == cause }
	switch r := &x.report; {
	case r.Cause == "":
		r.Cause, r.Detail = cause, detail
	case r.Cause != cause && !slices.ContainsFunc(r.Also, same):
		r.Also = append(r.Also, Finding{cause, detail})
	}
}

// explain adds the causes, from the certain to the merely suspicious.
func (x *explainer) explain(apiTicket, cardID string, m fields, f Facts) {
	values := signedValues(apiTicket, cardID, m)
	if apiTicket != "" {
		x.report.Signature = hexSum(values, "")
	}
	x.report.Values = x.masked(values)
	x.checkForm(m)
	explained := apiTicket == "" || x.matches(apiTicket, cardID, m) || x.search(apiTicket, cardID, m, f)
	x.checkAttributes(m, f.Card)
	if apiTicket == "" {
		x.add(CauseNoTicket, "")
	}
	if !explained {
		x.add(CauseUnknown, "")
	}
	x.checkTime(m, f.Now)
}

func (x *explainer) masked(values []string) []string {
	for i, v := range values {
		values[i] = x.mask.Replace(v)
	}
	return values
}

// signedValues returns the values that must be hashed, in order.
func signedValues(apiTicket, cardID string, m fields) []string {
	return sorted(apiTicket, cardID, m["timestamp"].text, m["code"].text, m["openid"].text, m["nonce_str"].text)
}

// sorted sorts values byte by byte and removes the empty ones.
func sorted(values ...string) []string {
	slices.Sort(values)
	return slices.DeleteFunc(values, func(v string) bool { return v == "" })
}

func hexSum(values []string, separator string) string {
	sum := sha1.Sum([]byte(strings.Join(values, separator)))
	return hex.EncodeToString(sum[:])
}
