package admin

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"golang.org/x/sync/errgroup"

	"github.com/addcard/addcard/internal/httpapi/internal/web"
	"github.com/addcard/addcard/internal/ledger"
)

const batchPath = "/v1/entries/batch"

const (
	// maxBatches bounds the batches at one time, and maxAtOnce the entries of one that
	// are written at once, so that batches leave the database to single requests.
	maxBatches = 4
	maxAtOnce  = 16
)

type batchInput struct {
	Body struct {
		Entries []BatchItem `json:"entries" minItems:"1" maxItems:"1000" doc:"Those of one card are booked in their order."`
	}
}

// BatchItem is one request of a batch.
type BatchItem struct {
	CardID string `json:"card_id,omitempty" doc:"Required."`
	Code   string `json:"code,omitempty" doc:"Required."`
	Key    string `json:"key,omitempty" doc:"Required: the Idempotency-Key. It is the same as that of the single request for this card and code."`
	Booking
}

// TransformSchema implements huma.SchemaTransformer. A bound of the schema would refuse
// the whole batch, so the handler checks them, which fails only that item.
func (*BatchItem) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	for _, p := range s.Properties {
		p.Minimum, p.Maximum, p.MaxLength = nil, nil, nil
	}
	return s
}

var (
	pathSegment = regexp.MustCompile(`^[0-9A-Za-z_-]{1,64}$`)
	printable   = regexp.MustCompile(`^[ -~]{1,255}$`)
)

// err returns what is wrong with an item. Fields are named after at.
func (i *BatchItem) err(at string) error {
	var wrong web.InputErrors
	for _, f := range []struct {
		wrong         bool
		name, message string
	}{
		{!pathSegment.MatchString(i.CardID), "card_id", "is required: 1 to 64 letters, digits, - and _"},
		{!pathSegment.MatchString(i.Code), "code", "is required: 1 to 64 letters, digits, - and _"},
		{i.Key != "" && !printable.MatchString(i.Key), "key", "is not 1 to 255 printable characters of ASCII"},
		{i.AddBonus < -ledger.MaxAdd || i.AddBonus > ledger.MaxAdd, "add_bonus", outOfRange},
		{i.AddBalance < -ledger.MaxAdd || i.AddBalance > ledger.MaxAdd, "add_balance", outOfRange},
		{len(i.Reverses) > 64, "reverses", "longer than 64 bytes"},
	} {
		if f.wrong {
			wrong = append(wrong, web.FieldError{Location: at + f.name, Message: f.message})
		}
	}
	if wrong = append(wrong, i.check(at)...); len(wrong) > 0 {
		return wrong
	}
	if i.Key == "" {
		return web.KeyMissing.Err()
	}
	return nil
}

var outOfRange = "is not between -" + strconv.Itoa(ledger.MaxAdd) + " and " + strconv.Itoa(ledger.MaxAdd)

type batchOutput struct {
	Body struct {
		Results []batchResult `json:"results" doc:"In the order of entries."`
	}
}

// batchResult is the answer to one item.
type batchResult struct {
	Status         int            `json:"status" doc:"Of the answer to this entry: 201, or that of its problem. After a 503, send the batch again."`
	Replayed       bool           `json:"replayed,omitzero" doc:"It was answered before; this is that answer."`
	Entry          *OperatorEntry `json:"entry,omitempty"`
	MissingBonus   int64          `json:"missing_bonus,omitzero" doc:"What a partial reversal could not take back."`
	MissingBalance int64          `json:"missing_balance,omitzero" doc:"What a partial reversal could not take back, in fen (分)."`
	Problem        *web.Problem   `json:"problem,omitempty"`
}

func (a *api) batchRoute() {
	a.Admit(http.MethodPost, batchPath, web.Admission{Slots: make(chan struct{}, maxBatches)})
	web.Route(a.Listener, huma.Operation{
		OperationID: "addEntries", Method: http.MethodPost, Path: batchPath, Tags: []string{"ledger"},
		Summary: "Book up to 1,000 entries", Errors: []int{400, 401, 413, 415, 422, 503},
		Description: "Each entry succeeds or fails by itself, exactly as a request for it alone would, and is durable when it is answered. " +
			"What there is no time for is answered with 503 in its place; send the same batch again to finish it.",
	}, a.bookBatch)
}

func (a *api) bookBatch(ctx context.Context, in *batchInput) (*batchOutput, error) {
	ctx = web.Apart(ctx)
	var out batchOutput
	out.Body.Results = make([]batchResult, len(in.Body.Entries))
	var cards errgroup.Group
	cards.SetLimit(maxAtOnce)
	for _, ofCard := range byCard(in.Body.Entries) {
		cards.Go(func() error {
			a.bookInOrder(ctx, in.Body.Entries, ofCard, out.Body.Results)
			return nil
		})
	}
	return &out, cards.Wait()
}

// byCard returns the indexes of the items of each card.
func byCard(items []BatchItem) (groups [][]int) {
	type card struct{ id, code string }
	group := map[card]int{}
	for i, item := range items {
		c := card{item.CardID, item.Code}
		n, known := group[c]
		if !known {
			n = len(groups)
			group[c], groups = n, append(groups, nil)
		}
		groups[n] = append(groups[n], i)
	}
	return groups
}

// bookInOrder books the items of one card. When the server cannot book one, those
// behind it are left: the next attempt must find the same order.
func (a *api) bookInOrder(ctx context.Context, items []BatchItem, ofCard []int, results []batchResult) {
	stopped := false
	for _, i := range ofCard {
		if stopped = stopped || ctx.Err() != nil; stopped {
			results[i] = a.failed(ctx, web.Unavailable.Err())
			continue
		}
		results[i] = a.bookItem(ctx, &items[i], "body.entries["+strconv.Itoa(i)+"].")
		stopped = results[i].Status >= http.StatusInternalServerError
	}
}

func (a *api) bookItem(ctx context.Context, item *BatchItem, at string) batchResult {
	yes := true
	item.NotifyBonus, item.NotifyBalance = cmp.Or(item.NotifyBonus, &yes), cmp.Or(item.NotifyBalance, &yes)
	item.Key = strings.Trim(item.Key, " ") // as in a header
	if err := item.err(at); err != nil {
		return a.failed(ctx, err)
	}
	body, replayed, err := a.book(ctx, item.CardID, item.Code, item.Key, &item.Booking, at)
	if err != nil {
		return a.failed(ctx, err)
	}
	var answer entryAnswer
	if err := json.Unmarshal(body, &answer); err != nil {
		return a.failed(ctx, fmt.Errorf("read the answer that was stored: %w", err))
	}
	return batchResult{Status: http.StatusCreated, Replayed: replayed, Entry: &answer.Entry,
		MissingBonus: answer.MissingBonus, MissingBalance: answer.MissingBalance}
}

func (a *api) failed(ctx context.Context, err error) batchResult {
	p := a.Problem(ctx, err)
	return batchResult{Status: p.Status, Problem: p}
}
