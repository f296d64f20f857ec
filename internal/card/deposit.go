package card

import (
	"context"
	"fmt"
	"slices"

	"github.com/addcard/addcard/internal/audit"
)

const (
	// maxCode is the largest number of characters of a code at WeChat.
	maxCode = 20
	// maxBatch is the largest number of codes in one call (40109).
	maxBatch = 100
)

// The results of one deposited code.
const (
	Deposited = "deposited"
	Duplicate = "duplicate" // WeChat already had it
	Refused   = "refused"   // by WeChat, or by addcard because of its form
	Failed    = "failed"    // not sent, or not answered: try again
)

// CodeResult is the result of one code.
type CodeResult struct{ Code, Result, Reason string }

// Deposit deposits codes for a deposit card (导入code) at WeChat, 100 in each
// call, and raises the stock to the number of deposited codes. It calls report,
// which may be nil, with the results of each batch. The results have the order of
// codes. Depositing the whole list again completes an interrupted deposit: the
// codes that WeChat already has are duplicates then.
//
// The error is about the card or the account. A refused code is no error. Neither
// is a batch without an answer: Deposit then asks which of its codes WeChat has
// (核查code).
func (o *Operator) Deposit(
	ctx context.Context, cardID string, codes []string, report func([]CodeResult),
) ([]CodeResult, error) {
	c, err := o.catalogue.GetUnlimited(ctx, cardID)
	if err != nil {
		return nil, err
	}
	if !c.Deposit {
		return nil, invalid("card_id", "the card's codes are not deposited (get_custom_code_mode)")
	}
	if report == nil {
		report = func([]CodeResult) {}
	}
	results, valid := checkCodes(codes)
	report(slices.DeleteFunc(slices.Clone(results), func(r CodeResult) bool { return r.Result == "" }))
	var failed error
	defer func() {
		count := map[string]int{}
		for _, r := range results {
			count[r.Result]++
		}
		audit.Note(ctx, "codes", nil, count)
	}()
	for len(valid) > 0 && failed == nil {
		batch := valid[:min(len(valid), maxBatch)]
		valid = valid[len(batch):]
		failed = o.depositBatch(ctx, cardID, batch, results)
		report(at(results, batch))
	}
	if failed != nil {
		setFailed(results, valid, "not sent: an earlier batch failed")
		if !slices.ContainsFunc(results, func(r CodeResult) bool { return r.Result == Deposited }) {
			return results, failed
		}
	}
	if err := o.raiseStock(ctx, cardID); err != nil {
		return results, fmt.Errorf("codes were deposited, but the stock was not raised; deposit the list again: %w", err)
	}
	return results, nil
}

// checkCodes sets the results of codes that are not sent to WeChat, and returns
// the indexes of the others.
func checkCodes(codes []string) (results []CodeResult, valid []int) {
	results = make([]CodeResult, len(codes))
	seen := make(map[string]bool, len(codes))
	for i, code := range codes {
		results[i].Code = code
		switch {
		case code == "":
			results[i].Result, results[i].Reason = Refused, "empty"
		case len(code) > maxCode:
			results[i].Result, results[i].Reason = Refused, "longer than 20 characters"
		case !alphanumeric(code):
			results[i].Result, results[i].Reason = Refused, "not only letters and digits"
		case seen[code]:
			results[i].Result, results[i].Reason = Duplicate, "twice in this list"
		default:
			valid = append(valid, i)
		}
		seen[code] = true
	}
	return results, valid
}

// alphanumeric reports whether a code has only letters and digits; WeChat's pages
// warn against other characters.
func alphanumeric(code string) bool {
	for _, r := range code {
		if (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') {
			return false
		}
	}
	return true
}

// depositBatch deposits the codes at the indexes in batch and sets their results.
// When WeChat's answer is lost, it asks which of the codes WeChat has and deposits
// the others once more. An error would occur for the next batch, too.
func (o *Operator) depositBatch(ctx context.Context, cardID string, batch []int, results []CodeResult) error {
	for retry := false; len(batch) > 0; retry = true {
		var codes []string
		for _, r := range at(results, batch) {
			codes = append(codes, r.Code)
		}
		accepted, duplicate, refused, err := o.account.DepositCodes(ctx, cardID, codes)
		lost := ambiguous(err)
		if lost {
			if deposited, checkErr := o.account.CheckCodes(ctx, cardID, codes); checkErr == nil {
				accepted, err = deposited, nil
			}
		}
		if err != nil {
			setFailed(results, batch, err.Error())
			return err
		}
		setResults(results, batch, accepted, duplicate, refused)
		batch = slices.DeleteFunc(slices.Clone(batch), func(i int) bool { return results[i].Result != "" })
		if !lost || retry {
			setFailed(results, batch, "WeChat did not confirm it")
			return nil
		}
	}
	return nil
}

// at returns the results at indexes.
func at(results []CodeResult, indexes []int) []CodeResult {
	out := make([]CodeResult, len(indexes))
	for i, index := range indexes {
		out[i] = results[index]
	}
	return out
}

func setFailed(results []CodeResult, indexes []int, reason string) {
	for _, i := range indexes {
		results[i].Result, results[i].Reason = Failed, reason
	}
}

func setResults(results []CodeResult, batch []int, accepted, duplicate, refused []string) {
	byCode := map[string]CodeResult{}
	for _, c := range duplicate {
		byCode[c] = CodeResult{c, Duplicate, "WeChat already has it"}
	}
	for _, c := range refused {
		byCode[c] = CodeResult{c, Refused, "WeChat refused it"}
	}
	for _, c := range accepted {
		byCode[c] = CodeResult{Code: c, Result: Deposited}
	}
	for _, i := range batch {
		if r, found := byCode[results[i].Code]; found {
			results[i] = r
		}
	}
}

// raiseStock raises the stock to the number of deposited codes. WeChat refuses a
// larger stock (40136), and with a smaller one codes would remain unused. The
// total that it compares includes codes that were claimed. A call that fails may
// have raised the stock, so raiseStock then compares again and tries once more.
// Calls of all processes change the stock one after the other.
func (o *Operator) raiseStock(ctx context.Context, cardID string) error {
	lock, err := o.lock(ctx, stockLock(cardID), nil)
	if err != nil {
		return err
	}
	defer lock.release()
	for retry := false; ; retry = true {
		count, err := o.account.DepositCount(ctx, cardID)
		if err != nil {
			return err
		}
		c, _, err := o.account.RawCard(ctx, cardID)
		if err == nil {
			err = lock.confirm(ctx)
		}
		if err != nil {
			return err
		}
		if missing := count - c.TotalQuantity; missing > 0 {
			err = o.account.ModifyStock(ctx, cardID, missing)
		}
		switch {
		case err == nil:
			o.refreshChanged(ctx, cardID)
			return nil
		case retry:
			return err
		}
	}
}

// stockLock is the lock of a card's stock.
func stockLock(cardID string) string { return "stock " + cardID }
