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
	// ErrMalformed is returned by [Verify] for a cardExt that is not one JSON
	// object with the members and types that WeChat wants.
	ErrMalformed = errors.New("cardext: malformed cardExt")
	// ErrSignature is returned by [Verify] when the signature is not the one
	// of these values with this ticket, and always for an empty ticket.
	ErrSignature = errors.New("cardext: signature does not match")
)

// Verify says whether cardExt, as it is passed to wx.addCard beside cardID, was
// signed with apiTicket. It compares in constant time and judges nothing else:
// not whether the values fit the card, nor whether they were used before.
func Verify(apiTicket, cardID, cardExt string) error {
	m, cause := read(cardExt)
	if cause == "" {
		cause = m.fault()
	}
	if cause != "" {
		return fmt.Errorf("%w: %s", ErrMalformed, advice[cause])
	}
	want := hexSum(hashed(apiTicket, cardID, m), "")
	if subtle.ConstantTimeCompare([]byte(want), []byte(m["signature"].text)) != 1 || apiTicket == "" {
		return ErrSignature
	}
	return nil
}

// Facts is what [Explain] may use besides the cardExt itself. Everything is
// optional; the more is known, the more it can prove.
type Facts struct {
	OldTickets  []string  // earlier api_tickets
	JSAPITicket string    // today's ticket of type jsapi
	Card        *Card     // nil: unknown
	Signed      Signed    // what the developer believes was signed
	Now         time.Time // zero: the timestamp is not compared with a clock
	NotString   bool      // cardExt came as a JSON object where a string belongs
}

// Card holds the attributes of a card that decide what its cardExt may hold.
type Card struct {
	TakesCode   bool // custom codes, delivered in real time
	NeedsOpenID bool // bind_openid
	FixTerm     bool // DATE_TYPE_FIX_TERM
}

// Signed are values as the signer saw them. An empty one is unknown.
type Signed struct{ CardID, Code, OpenID, NonceStr, Timestamp string }

// Report is what [Explain] found. No ticket is in it.
type Report struct {
	// Verifies is true when the signature is right for these values and
	// today's ticket. There can be a Cause nevertheless: WeChat refuses a
	// code that the card does not take however well it was signed.
	Verifies bool
	Cause    string    // empty: nothing wrong was found
	Detail   string    // one sentence about Cause for a person
	Also     []Finding // what else is wrong
	// Values are those that should have been hashed, in the order in which
	// they should have been joined; the ticket is shown as ***.
	Values    []string
	Timestamp time.Time // of the cardExt; zero when it has none that can be read
}

// Finding is one thing that is wrong with a cardExt.
type Finding struct{ Cause, Detail string }

// Explain says what is wrong with a cardExt that WeChat refuses. Causes of a
// wrong signature are proved by making the same mistake and getting the same
// signature; when none does, it says [CauseUnknown] and does not guess. It
// takes up to a tenth of a second of CPU, never fails, and puts no ticket into its
// report. It is safe for concurrent use.
func Explain(apiTicket, cardID, cardExt string, f Facts) Report {
	x := newExam(apiTicket, f)
	if f.NotString {
		x.add(CauseNotString, "")
	}
	m, cause := read(cardExt)
	if inner, ok := unwrap(cardExt); ok && cause == CauseNotString {
		x.add(cause, "")
		m, cause = read(inner)
	}
	if cause != "" {
		x.add(cause, "")
	}
	if m != nil {
		x.examine(apiTicket, cardID, m, f)
		x.report.Verifies = !f.NotString && Verify(apiTicket, cardID, cardExt) == nil
	}
	return x.report
}

// exam is one run of Explain.
type exam struct {
	report Report
	mask   *strings.Replacer
}

func newExam(apiTicket string, f Facts) *exam {
	tickets := append([]string{apiTicket, strings.TrimSpace(apiTicket), f.JSAPITicket}, f.OldTickets...)
	slices.SortFunc(tickets, func(a, b string) int { return len(b) - len(a) }) // a ticket may contain a shorter one
	var pairs []string
	for _, ticket := range tickets {
		if ticket != "" {
			pairs = append(pairs, ticket, "***")
		}
	}
	return &exam{mask: strings.NewReplacer(pairs...)}
}

// show makes a foreign value fit to be printed.
func (x *exam) show(text string) string {
	text = x.mask.Replace(text)
	if len(text) > 64 {
		text = text[:64] + "…"
	}
	return fmt.Sprintf("%q", text)
}

// add notes a cause once; the first becomes the report's own.
func (x *exam) add(cause, evidence string) {
	detail := advice[cause]
	if evidence != "" {
		detail = evidence + ": " + detail
	}
	noted := func(f Finding) bool { return f.Cause == cause }
	switch r := &x.report; {
	case r.Cause == "":
		r.Cause, r.Detail = cause, detail
	case r.Cause != cause && !slices.ContainsFunc(r.Also, noted):
		r.Also = append(r.Also, Finding{cause, detail})
	}
}

// examine goes from what is certain to what is only suspicious.
func (x *exam) examine(apiTicket, cardID string, m members, f Facts) {
	x.report.Values = x.masked(hashed(apiTicket, cardID, m))
	x.form(m)
	explained := apiTicket == "" || x.matches(apiTicket, cardID, m) || x.search(apiTicket, cardID, m, f)
	x.attributes(m, f.Card)
	if apiTicket == "" {
		x.add(CauseNoTicket, "")
	}
	if !explained {
		x.add(CauseUnknown, "")
	}
	x.time(m, f.Now)
}

func (x *exam) masked(values []string) []string {
	for i, v := range values {
		values[i] = x.mask.Replace(v)
	}
	return values
}

// hashed returns the values that belong in the hash, in their order.
func hashed(apiTicket, cardID string, m members) []string {
	return sorted(apiTicket, cardID, m["timestamp"].text, m["code"].text, m["openid"].text, m["nonce_str"].text)
}

// sorted sorts values byte by byte and drops the empty ones.
func sorted(values ...string) []string {
	slices.Sort(values)
	return slices.DeleteFunc(values, func(v string) bool { return v == "" })
}

func hexSum(values []string, separator string) string {
	sum := sha1.Sum([]byte(strings.Join(values, separator)))
	return hex.EncodeToString(sum[:])
}
