package cardext_test

import (
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/cardext"
)

const (
	oldTicket   = "sM4AOVdWfPE4DxkXGEs8VMCPGGVi4C3VM0P37wVUCFvkVAy_90u5h9nbSlYy3"
	jsapiTicket = "kgt8ON7yVITDhtdwci0qeZ7tZMh9ZqDXkq4cXZb"
	code        = "4929123456781234"
	openID      = "oLxxxxxxxxxxxxxxxxxxxxxxxxxx"
	seconds     = "1700000000"
)

// object is a cardExt made by another program.
type object map[string]any

func (o object) with(name string, value any) object {
	o[name] = value
	return o
}

// signed adds the signature of the values, joined in this order.
func (o object) signed(values ...string) string {
	sum := sha1.Sum([]byte(strings.Join(values, "")))
	return o.with("signature", hex.EncodeToString(sum[:])).String()
}

// signedRight adds the signature of the values as WeChat requires it.
func (o object) signedRight(values ...string) string {
	slices.Sort(values)
	return o.signed(values...)
}

func (o object) String() string {
	text, err := json.Marshal(o)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// plain returns the unsigned cardExt of a card without a code.
func plain() object { return object{"timestamp": when, "nonce_str": nonce} }

type explainTest struct {
	cause    string
	cardExt  string
	facts    cardext.Facts
	verifies bool
	also     string // another cause that must be reported
	detail   string // a word that Detail must contain
}

// known returns the facts with those that all tests have.
func (tt explainTest) known() cardext.Facts {
	f := tt.facts
	f.JSAPITicket = jsapiTicket
	if tt.cause != cardext.CauseUnknown {
		f.OldTickets = append(f.OldTickets, "one before", oldTicket)
	}
	return f
}

var explainTests = []explainTest{
	// The string itself.
	{cause: cardext.CauseNotString, cardExt: fmt.Sprintf("%q", plain().signedRight(ticket, cardID, seconds, nonce))},
	{cause: cardext.CauseNotString, cardExt: "[object Object]"},
	{cause: cardext.CauseNotString, cardExt: plain().signedRight(ticket, cardID, seconds, nonce), facts: cardext.Facts{NotString: true}},
	{cause: cardext.CauseNotString, cardExt: fmt.Sprintf("%q", plain().signedRight(oldTicket, cardID, seconds, nonce)),
		facts: cardext.Facts{OldTickets: []string{oldTicket}}, also: cardext.CauseOldTicket},
	{cause: cardext.CauseMalformed, cardExt: ""},
	{cause: cardext.CauseMalformed, cardExt: "null"},
	{cause: cardext.CauseMalformed, cardExt: "[]"},
	{cause: cardext.CauseMalformed, cardExt: `{"timestamp":1}{}`},
	{cause: cardext.CauseMalformed, cardExt: `{"timestamp":1`},
	{cause: cardext.CauseMalformed, cardExt: `{"timestamp":01}`},
	{cause: cardext.CauseMalformed, cardExt: "{\"outer_str\":\"\xff\"}"},
	{cause: cardext.CauseMalformed, cardExt: `{"outer_str":"` + strings.Repeat("a", 5000) + `"}`},
	{cause: cardext.CauseDuplicateKey, cardExt: `{"timestamp":1,` + plain().signedRight(ticket, cardID, seconds, nonce)[1:]},
	{cause: cardext.CauseMisspeltKey, detail: "nonceStr",
		cardExt: object{"timestamp": when, "nonceStr": nonce}.signedRight(ticket, cardID, seconds, nonce)},
	{cause: cardext.CauseWrongType, cardExt: plain().with("code", 4929123456781234).signedRight(ticket, cardID, seconds, nonce, code)},
	{cause: cardext.CauseWrongType, cardExt: plain().with("timestamp", 1700000000.5).signedRight(ticket, cardID, "1700000000.5", nonce)},
	{cause: cardext.CauseWrongType, cardExt: plain().with("code", nil).signedRight(ticket, cardID, seconds, nonce)},
	{cause: cardext.CauseSignatureMissing, cardExt: plain().String(), also: cardext.CauseUnknown},
	{cause: cardext.CauseSignatureFormat, cardExt: plain().with("signature", "f137").String(), also: cardext.CauseUnknown},
	{cause: cardext.CauseTimestampMissing, cardExt: object{"nonce_str": nonce}.signedRight(ticket, cardID, nonce)},

	// The ticket.
	{cause: cardext.CauseJSAPITicket, cardExt: plain().signedRight(jsapiTicket, cardID, seconds, nonce)},
	{cause: cardext.CauseOldTicket, cardExt: plain().signedRight(oldTicket, cardID, seconds, nonce)},
	{cause: cardext.CauseTicketWhitespace, cardExt: plain().signedRight(ticket+" ", cardID, seconds, nonce)},
	{cause: cardext.CauseTicketWhitespace, cardExt: plain().signedRight(ticket+"\n", cardID, seconds, nonce)},
	{cause: cardext.CauseTicketWhitespace, cardExt: plain().signedRight(`"`+ticket+`"`, cardID, seconds, nonce)},
	{cause: cardext.CauseTicketMissing, cardExt: plain().signedRight(cardID, seconds, nonce)},
	{cause: cardext.CauseTicketMissing, cardExt: plain().signedRight("undefined", cardID, seconds, nonce)},

	// The values.
	{cause: cardext.CauseMilliseconds, detail: "1700000000123", cardExt: plain().signedRight(ticket, cardID, "1700000000123", nonce)},
	{cause: cardext.CauseMilliseconds, cardExt: plain().with("timestamp", when*1000).signedRight(ticket, cardID, seconds, nonce)},
	{cause: cardext.CauseMilliseconds, cardExt: plain().with("timestamp", when*1000).signedRight(ticket, cardID, "1700000000000", nonce),
		verifies: true},
	{cause: cardext.CauseMilliseconds, cardExt: plain().signedRight(jsapiTicket, cardID, "1700000000123", nonce),
		also: cardext.CauseJSAPITicket},
	{cause: cardext.CauseTimestampDiffers, cardExt: plain().signedRight(ticket, cardID, "1700000060"), also: cardext.CauseNonceNotSigned},
	{cause: cardext.CauseTimestampDiffers, detail: "1699999999", cardExt: plain().signedRight(ticket, cardID, "1699999999", nonce)},
	{cause: cardext.CauseTimestampDiffers, cardExt: plain().signedRight(ticket, cardID, "1500000000", nonce),
		facts: cardext.Facts{Signed: cardext.Signed{Timestamp: "1500000000"}}},
	{cause: cardext.CauseUnknown, cardExt: plain().signedRight(ticket, cardID, "1500000000", nonce)},
	{cause: cardext.CauseTimestampNotSigned, cardExt: plain().signedRight(ticket, cardID, nonce)},
	{cause: cardext.CauseNonceDiffers, cardExt: plain().signedRight(ticket, cardID, seconds, "another"),
		facts: cardext.Facts{Signed: cardext.Signed{NonceStr: "another"}}},
	{cause: cardext.CauseNonceDiffers,
		detail: "***", cardExt: object{"timestamp": when, "nonce_str": ticket}.signedRight(ticket, cardID, seconds, oldTicket),
		facts: cardext.Facts{Signed: cardext.Signed{NonceStr: oldTicket}}},
	{cause: cardext.CauseNonceNotSigned, cardExt: plain().signedRight(ticket, cardID, seconds)},
	{cause: cardext.CauseNonceNotSent, cardExt: object{"timestamp": when}.signedRight(ticket, cardID, seconds, nonce),
		facts: cardext.Facts{Signed: cardext.Signed{NonceStr: nonce}}},
	{cause: cardext.CauseCodeNotSigned, cardExt: plain().with("code", code).signedRight(ticket, cardID, seconds, nonce)},
	{cause: cardext.CauseCodeNotSent, cardExt: plain().signedRight(ticket, cardID, seconds, nonce, code),
		facts: cardext.Facts{Signed: cardext.Signed{Code: code}}},
	{cause: cardext.CauseCodeDiffers, cardExt: plain().with("code", code).signedRight(ticket, cardID, seconds, nonce, "1"),
		facts: cardext.Facts{Signed: cardext.Signed{Code: "1"}}},
	{cause: cardext.CauseOpenIDNotSigned, cardExt: plain().with("openid", openID).signedRight(ticket, cardID, seconds, nonce)},
	{cause: cardext.CauseOpenIDNotSent, cardExt: plain().signedRight(ticket, cardID, seconds, nonce, openID),
		facts: cardext.Facts{Signed: cardext.Signed{OpenID: openID}}},
	{cause: cardext.CauseOpenIDDiffers, cardExt: plain().with("openid", openID).signedRight(ticket, cardID, seconds, nonce, "oM"),
		facts: cardext.Facts{Signed: cardext.Signed{OpenID: "oM"}}},
	{cause: cardext.CauseCardIDDiffers, cardExt: plain().signedRight(ticket, "pOther", seconds, nonce),
		facts: cardext.Facts{Signed: cardext.Signed{CardID: "pOther"}}},
	{cause: cardext.CauseCardIDNotSigned, cardExt: plain().signedRight(ticket, seconds, nonce)},
	{cause: cardext.CauseOuterStrSigned, cardExt: plain().with("outer_str", "home").signedRight(ticket, cardID, seconds, nonce, "home")},
	{
		cause:   cardext.CauseFixedBeginSigned,
		cardExt: plain().with("fixed_begintimestamp", 1700000009).signedRight(ticket, cardID, seconds, nonce, "1700000009"),
	},
	{cause: cardext.CauseCodeNotSigned, cardExt: plain().with("code", code).signedRight(oldTicket, cardID, seconds, nonce),
		also: cardext.CauseOldTicket},

	// The arrangement.
	{cause: cardext.CauseKeysSorted, cardExt: plain().with("code", code).signed(ticket, cardID, code, nonce, seconds)},
	{cause: cardext.CauseNotSorted, detail: "timestamp, card_id, api_ticket", cardExt: plain().signed(nonce, seconds, cardID, ticket)},
	{cause: cardext.CauseJSAPITicket, cardExt: plain().signed(jsapiTicket, cardID, nonce, seconds), also: cardext.CauseKeysSorted},
	{cause: cardext.CauseCodeNotSigned, cardExt: plain().with("code", code).signed(ticket, cardID, nonce, seconds),
		also: cardext.CauseKeysSorted},
	{cause: cardext.CauseMilliseconds, cardExt: plain().with("timestamp", when*1000+123).signed(ticket, cardID, nonce, seconds),
		also: cardext.CauseKeysSorted},
	{cause: cardext.CauseOuterStrSigned, cardExt: plain().with("outer_str", "home").signed(ticket, seconds, nonce, "home", cardID),
		also: cardext.CauseNotSorted},
	{cause: cardext.CauseSeparator, cardExt: plain().signed("1700000000&", nonce, "&", ticket, "&", cardID)},
	{
		cause:   cardext.CauseKeyValue,
		cardExt: plain().signed("api_ticket=", ticket, "&card_id=", cardID, "&nonce_str=", nonce, "&timestamp=", seconds),
	},
	{
		cause:   cardext.CauseKeyValue,
		cardExt: plain().signed("card_id=", cardID, "&jsapi_ticket=", ticket, "&noncestr=", nonce, "&timestamp=", seconds),
	},
	{
		cause:   cardext.CauseKeyValue,
		cardExt: plain().signed("api_ticket=", ticket, "card_id=", cardID, "nonce_str=", nonce, "timestamp=", seconds),
	},
	{cause: cardext.CauseSignatureUpperCase, cardExt: upper(plain().signedRight(ticket, cardID, seconds, nonce))},

	// The card.
	{cause: cardext.CauseCodeNotAllowed, cardExt: plain().with("code", code).signedRight(ticket, cardID, seconds, nonce, code),
		facts: cardext.Facts{Card: &cardext.Card{}}, verifies: true},
	{cause: cardext.CauseCodeMissing, cardExt: plain().signedRight(ticket, cardID, seconds, nonce),
		facts: cardext.Facts{Card: &cardext.Card{TakesCode: true}}, verifies: true},
	{cause: cardext.CauseOpenIDNotAllowed, cardExt: plain().with("openid", openID).signedRight(ticket, cardID, seconds, nonce, openID),
		facts: cardext.Facts{Card: &cardext.Card{}}, verifies: true},
	{cause: cardext.CauseOpenIDMissing, cardExt: plain().signedRight(ticket, cardID, seconds, nonce),
		facts: cardext.Facts{Card: &cardext.Card{NeedsOpenID: true}}, verifies: true},
	{cause: cardext.CauseFixedBeginNotAllowed, cardExt: plain().with("fixed_begintimestamp", 1).signedRight(ticket, cardID, seconds, nonce),
		facts: cardext.Facts{Card: &cardext.Card{}}, verifies: true},
	{cause: "", cardExt: plain().with("fixed_begintimestamp", 1).signedRight(ticket, cardID, seconds, nonce),
		facts: cardext.Facts{Card: &cardext.Card{FixTerm: true}}, verifies: true},
	{cause: "", cardExt: plain().signedRight(ticket, cardID, seconds, nonce),
		facts: cardext.Facts{Card: &cardext.Card{}}, verifies: true},
	{cause: "", cardExt: plain().with("code", code).with("openid", openID).signedRight(ticket, cardID, seconds, nonce, code, openID),
		facts: cardext.Facts{Card: &cardext.Card{TakesCode: true, NeedsOpenID: true}}, verifies: true},

	// The values by themselves.
	{
		cause:    cardext.CauseCodeTooLong,
		cardExt:  plain().with("code", strings.Repeat("1", 21)).signedRight(ticket, cardID, seconds, nonce, strings.Repeat("1", 21)),
		verifies: true,
	},
	{cause: cardext.CauseCodeCharacters, cardExt: plain().with("code", "a-b").signedRight(ticket, cardID, seconds, nonce, "a-b"),
		verifies: true},
	{cause: cardext.CauseEmptyValue, cardExt: plain().with("code", "").signedRight(ticket, cardID, seconds, nonce), verifies: true},
	{cause: cardext.CauseTicketSent, cardExt: plain().with("api_ticket", ticket).signedRight(ticket, cardID, seconds, nonce), verifies: true},
	{cause: cardext.CauseTicketSent, cardExt: plain().with("ticket", "").signedRight(ticket, cardID, seconds, nonce), verifies: true},
	{cause: cardext.CauseTicketSent, verifies: true,
		cardExt: plain().with("outer_str", "home?t="+oldTicket).signedRight(ticket, cardID, seconds, nonce)},
	{cause: cardext.CauseTicketSent, also: cardext.CauseUnknown,
		cardExt: plain().with("apiTicket", "another").signedRight("another", cardID, seconds, nonce)},
	{cause: cardext.CauseOuterStrJSON, cardExt: plain().with("outer_str", `{"shop":1}`).signedRight(ticket, cardID, seconds, nonce),
		verifies: true},
	{cause: cardext.CauseOuterStrJSON, cardExt: plain().with("outer_str", ` ["a"] `).signedRight(ticket, cardID, seconds, nonce),
		verifies: true},
	{cause: cardext.CauseOuterStrJSON, also: cardext.CauseWrongType,
		cardExt: plain().with("outer_str", map[string]int{"shop": 1}).signedRight(ticket, cardID, seconds, nonce)},
	{cause: cardext.CauseOuterStrJSON, also: cardext.CauseMalformed, cardExt: `{"timestamp":1700000000,"outer_str" : "{"shop":1}"}`},
	{cause: cardext.CauseOuterStrJSON, also: cardext.CauseOuterStrTooLong, verifies: true,
		cardExt: plain().with("outer_str", `{"a":"`+strings.Repeat("1", 128)+`"}`).signedRight(ticket, cardID, seconds, nonce)},
	{cause: "", cardExt: plain().with("outer_str", "[VIP]").signedRight(ticket, cardID, seconds, nonce), verifies: true},
	{cause: "", cardExt: plain().with("outer_str", strings.Repeat("店", 42)+"12").signedRight(ticket, cardID, seconds, nonce), verifies: true},
	{cause: cardext.CauseOuterStrTooLong, verifies: true,
		cardExt: plain().with("outer_str", strings.Repeat("店", 43)).signedRight(ticket, cardID, seconds, nonce)},
	{cause: cardext.CauseNonceTooLong, cardExt: plain().with("nonce_str", nonce+"1").signedRight(ticket, cardID, seconds, nonce+"1"),
		verifies: true},
	{cause: cardext.CauseNonceMissing, cardExt: object{"timestamp": when}.signedRight(ticket, cardID, seconds), verifies: true},
	{cause: cardext.CauseTimestampFar, cardExt: plain().signedRight(ticket, cardID, seconds, nonce),
		facts: cardext.Facts{Now: time.Unix(when+601, 0)}, verifies: true},
	{cause: cardext.CauseTimestampFar, cardExt: plain().signedRight(ticket, cardID, seconds, nonce),
		facts: cardext.Facts{Now: time.Unix(when-601, 0)}, verifies: true},
	{cause: "", cardExt: plain().signedRight(ticket, cardID, seconds, nonce),
		facts: cardext.Facts{Now: time.Unix(when-599, 0)}, verifies: true},
	{cause: "", cardExt: plain().with("timestamp", seconds).signedRight(ticket, cardID, seconds, nonce), verifies: true},
}

func upper(cardExt string) string {
	at := strings.Index(cardExt, `signature":"`) + len(`signature":"`)
	return cardExt[:at] + strings.ToUpper(cardExt[at:at+40]) + cardExt[at+40:]
}

func TestExplain_NamesTheCause(t *testing.T) {
	t.Parallel()
	for i, tt := range explainTests {
		t.Run(fmt.Sprint(i, tt.cause), func(t *testing.T) {
			f := tt.known()
			got := cardext.Explain(ticket, cardID, tt.cardExt, f)
			if got.Cause != tt.cause || got.Verifies != tt.verifies {
				t.Errorf("cause %q verifies %v, want %q %v\n%+v", got.Cause, got.Verifies, tt.cause, tt.verifies, got)
			}
			if (got.Cause == "") != (got.Detail == "") || !strings.Contains(got.Detail, tt.detail) {
				t.Errorf("detail %q, want %q in it", got.Detail, tt.detail)
			}
			if tt.also != "" && !slices.ContainsFunc(got.Also, func(f cardext.Finding) bool { return f.Cause == tt.also }) {
				t.Errorf("also %v, want %q in it", got.Also, tt.also)
			}
			unknown := func(f cardext.Finding) bool { return f.Cause == cardext.CauseUnknown }
			if slices.ContainsFunc(got.Also, unknown) && tt.also != cardext.CauseUnknown {
				t.Errorf("also %v, although the signature is explained", got.Also)
			}
			if err := cardext.Verify(ticket, cardID, tt.cardExt); (err == nil) != tt.verifies && !f.NotString {
				t.Errorf("Verify: %v, Explain verifies: %v", err, got.Verifies)
			}
			for _, secret := range []string{ticket, oldTicket, jsapiTicket} {
				if text := fmt.Sprintf("%+v", got); strings.Contains(text, secret) {
					t.Errorf("a ticket is in the report: %s", text)
				}
			}
		})
	}
}

// The table above must test each cause: a new one without a test fails.
func TestExplain_TableHasEveryCause(t *testing.T) {
	t.Parallel()
	tested := map[string]bool{cardext.CauseNoTicket: true} // has its own test
	for _, tt := range explainTests {
		tested[tt.cause] = true
	}
	for _, cause := range cardext.Causes() {
		if !tested[cause] {
			t.Errorf("no test for %s", cause)
		}
	}
}

func TestExplain_ShowsTheValuesInOrderAndTheTime(t *testing.T) {
	t.Parallel()
	got := cardext.Explain(ticket, cardID, plain().with("code", code).signedRight(ticket, cardID, seconds, nonce, code), cardext.Facts{})
	if want := []string{seconds, code, nonce, "***", cardID}; !slices.Equal(got.Values, want) {
		t.Errorf("values %q, want %q", got.Values, want)
	}
	if want := cardext.SortedSHA1(ticket, cardID, seconds, code, nonce); got.Signature != want {
		t.Errorf("signature %s, want %s", got.Signature, want)
	}
	want := time.Unix(when, 0).UTC()
	if got.Timestamp != want {
		t.Errorf("timestamp %v, want %v", got.Timestamp, want)
	}
	inMilliseconds := plain().with("timestamp", when*1000).signedRight(ticket, cardID, seconds, nonce)
	if got := cardext.Explain(ticket, cardID, inMilliseconds, cardext.Facts{Now: want}); got.Timestamp != want || len(got.Also) > 0 {
		t.Errorf("in milliseconds: timestamp %v, want %v; also %v", got.Timestamp, want, got.Also)
	}
}

// A server that has no ticket yet must not accept a cardExt that was signed
// without one.
func TestVerify_AndExplainWithoutATicketVerifyNothing(t *testing.T) {
	t.Parallel()
	cardExt := plain().signedRight(cardID, seconds, nonce)
	if err := cardext.Verify("", cardID, cardExt); !errors.Is(err, cardext.ErrSignature) {
		t.Errorf("Verify: %v, want ErrSignature", err)
	}
	if got := cardext.Explain("", cardID, cardExt, cardext.Facts{}); got.Verifies || got.Cause != cardext.CauseNoTicket || got.Signature != "" {
		t.Errorf("%+v, want %s", got, cardext.CauseNoTicket)
	}
}

func TestVerify_TellsMalformedFromWronglySigned(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		cardExt string
		want    error
	}{
		{plain().signedRight(ticket, cardID, seconds, nonce), nil},
		{plain().with("unheard_of", 1).signedRight(ticket, cardID, seconds, nonce), nil},
		{plain().signedRight(ticket, cardID, seconds, "x"), cardext.ErrSignature},
		{upper(plain().signedRight(ticket, cardID, seconds, nonce)), cardext.ErrSignature},
		{plain().String(), cardext.ErrMalformed},
		{"{", cardext.ErrMalformed},
	} {
		if err := cardext.Verify(ticket, cardID, tt.cardExt); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.cardExt, err, tt.want)
		}
	}
}
