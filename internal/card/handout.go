package card

import (
	"context"
	"fmt"
	"slices"
)

// QRCode is a picture that leads to a card (投放二维码).
type QRCode struct {
	CardID, Code, OpenID string
	OuterStr             string
	ExpireSeconds        int64 // 60 to 1800; 0: WeChat's default, a year
}

// QRTicket is where the picture is and what it says.
type QRTicket struct {
	Ticket, URL, ShowURL string
	ExpireSeconds        int64
}

// QR makes a picture that leads to the card. One of a card whose codes are ours
// in real time needs a code and works once: for printing take a card with
// system codes or deposited ones.
func (o *Operator) QR(ctx context.Context, q QRCode) (QRTicket, error) {
	c, err := o.catalogue.Learn(ctx, q.CardID)
	if err != nil {
		return QRTicket{}, err
	}
	d := &draft{}
	switch {
	case c.TakesCode() && q.Code == "":
		d.bad("code", "is required: the codes of this card are given out in real time, so such a picture works once")
	case !c.TakesCode() && q.Code != "":
		d.bad("code", "WeChat picks the code of this card")
	case len(q.Code) > maxCode:
		d.bad("code", "is longer than %d characters", maxCode)
	case !plain(q.Code):
		d.bad("code", "has other characters than letters and digits")
	}
	if c.BindOpenID && q.OpenID == "" {
		d.bad("openid", "is required: the card binds its holder's openid in the Official Account")
	}
	if q.ExpireSeconds != 0 && (q.ExpireSeconds < 60 || q.ExpireSeconds > 1800) {
		d.bad("expire_seconds", "must be 60 to 1800")
	}
	if err := d.err(); err != nil {
		return QRTicket{}, err
	}
	return o.account.CreateQRCode(ctx, q)
}

// Unavailable ends a code for good at WeChat: its holder sees 失效. It may be
// repeated.
func (o *Operator) Unavailable(ctx context.Context, cardID, code, reason string) error {
	if err := o.account.MakeUnavailable(ctx, cardID, code, reason); err != nil {
		return err
	}
	return o.ended(context.WithoutCancel(ctx), cardID, code)
}

const (
	// maxCode is how many characters WeChat lets a code have.
	maxCode = 20
	// depositBatch is how many codes WeChat takes at once (40109).
	depositBatch = 100
)

// The results of one deposited code.
const (
	Deposited = "deposited"
	Duplicate = "duplicate" // WeChat had it before
	Refused   = "refused"   // by WeChat, or by us before: for what it is
	Failed    = "failed"    // not tried, or WeChat did not answer: try again
)

// CodeResult is what became of one code.
type CodeResult struct{ Code, Result, Reason string }

// Deposit hands WeChat the codes of a deposit card (导入code), in hundreds, and
// raises the stock to what was deposited. told, which may be nil, hears of each
// batch. Giving the whole list again finishes what was interrupted: what WeChat
// has is a duplicate then. Codes keep their order in the results.
//
// The error is about the card or the account; an unanswered batch is asked
// about (核查code) and is no error, nor is a code that was refused.
func (o *Operator) Deposit(ctx context.Context, cardID string, codes []string, told func([]CodeResult)) ([]CodeResult, error) {
	c, err := o.catalogue.Learn(ctx, cardID)
	if err != nil {
		return nil, err
	}
	if !c.Deposit {
		return nil, invalid("card_id", "the card's codes are not deposited (get_custom_code_mode)")
	}
	results, good := sortOut(codes)
	if told == nil {
		told = func([]CodeResult) {}
	}
	told(slices.DeleteFunc(slices.Clone(results), func(r CodeResult) bool { return r.Result == "" }))
	var failed error
	for len(good) > 0 && failed == nil {
		batch := good[:min(len(good), depositBatch)]
		good = good[len(batch):]
		failed = o.hand(ctx, cardID, batch, results)
		told(pick(results, batch))
	}
	if failed != nil {
		fail(results, good, "not tried: a batch before it failed")
		if !slices.ContainsFunc(results, func(r CodeResult) bool { return r.Result == Deposited }) {
			return results, failed
		}
	}
	if err := o.follow(ctx, cardID); err != nil {
		return results, fmt.Errorf("codes were deposited, but the stock was not raised; deposit the list again: %w", err)
	}
	return results, nil
}

// sortOut refuses codes that WeChat would stumble over, and returns the places
// of the others.
func sortOut(codes []string) (results []CodeResult, good []int) {
	results = make([]CodeResult, len(codes))
	seen := make(map[string]bool, len(codes))
	for i, code := range codes {
		results[i].Code = code
		switch {
		case code == "":
			results[i].Result, results[i].Reason = Refused, "empty"
		case len(code) > maxCode:
			results[i].Result, results[i].Reason = Refused, "longer than 20 characters"
		case !plain(code):
			results[i].Result, results[i].Reason = Refused, "not only letters and digits"
		case seen[code]:
			results[i].Result, results[i].Reason = Duplicate, "twice in this list"
		default:
			good = append(good, i)
		}
		seen[code] = true
	}
	return results, good
}

// plain tells that a code has letters and digits only: WeChat's pages warn of
// special characters.
func plain(code string) bool {
	for _, r := range code {
		if (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') {
			return false
		}
	}
	return true
}

func pick(results []CodeResult, places []int) []CodeResult {
	out := make([]CodeResult, len(places))
	for i, place := range places {
		out[i] = results[place]
	}
	return out
}

// hand deposits one batch and writes what became of it. When WeChat's answer is
// lost it is asked which codes it has, and the others are handed over once more.
// An error is one that the next batch would meet too.
func (o *Operator) hand(ctx context.Context, cardID string, batch []int, results []CodeResult) error {
	for again := false; len(batch) > 0; again = true {
		codes := codesAt(results, batch)
		taken, duplicate, refused, err := o.account.DepositCodes(ctx, cardID, codes)
		lost := ambiguous(err)
		if lost {
			there, asked := o.account.CheckCodes(ctx, cardID, codes)
			if asked == nil {
				taken, err = there, nil
			}
		}
		if err != nil {
			fail(results, batch, err.Error())
			return err
		}
		note(batch, results, duplicate, refused, taken)
		batch = slices.DeleteFunc(slices.Clone(batch), func(i int) bool { return results[i].Result != "" })
		if !lost || again {
			fail(results, batch, "WeChat did not say that it has it")
			return nil
		}
	}
	return nil
}

func codesAt(results []CodeResult, places []int) []string {
	codes := make([]string, len(places))
	for i, place := range places {
		codes[i] = results[place].Code
	}
	return codes
}

func fail(results []CodeResult, places []int, why string) {
	for _, place := range places {
		results[place].Result, results[place].Reason = Failed, why
	}
}

func note(batch []int, results []CodeResult, duplicate, refused, taken []string) {
	became := map[string][2]string{}
	for _, c := range duplicate {
		became[c] = [2]string{Duplicate, "WeChat has it already"}
	}
	for _, c := range refused {
		became[c] = [2]string{Refused, "WeChat did not take it"}
	}
	for _, c := range taken {
		became[c] = [2]string{Deposited}
	}
	for _, place := range batch {
		if r, known := became[results[place].Code]; known {
			results[place].Result, results[place].Reason = r[0], r[1]
		}
	}
}

// follow raises the stock to the number of deposited codes: more is refused
// (40136), less would leave codes lying. What was handed out is in the total.
// A raise that fails may have been done all the same, or by another deposit of
// this moment, so after one it looks and tries once more.
func (o *Operator) follow(ctx context.Context, cardID string) error {
	for again := false; ; again = true {
		count, err := o.account.DepositCount(ctx, cardID)
		if err != nil {
			return err
		}
		c, _, err := o.account.RawCard(ctx, cardID)
		if err != nil {
			return err
		}
		if more := count - c.TotalQuantity; more > 0 {
			err = o.account.ModifyStock(ctx, cardID, more)
		}
		switch {
		case err == nil:
			o.reread(ctx, cardID)
			return nil
		case again:
			return err
		}
	}
}
