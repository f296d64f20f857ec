package admin

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/addcard/addcard/internal/httpapi/internal/web"
	"github.com/addcard/addcard/internal/timeline"
)

type timelineInput struct {
	ID   string `path:"id" maxLength:"64"`
	Lang string `query:"lang" enum:"zh,en" default:"zh" doc:"The language of the sentences."`
	web.PageInput

	after timeline.Mark
}

// Resolve reads the cursor.
func (in *timelineInput) Resolve(huma.Context) []error {
	return in.ReadCursor(3, func(parts []string) (err error) {
		in.after.Source, in.after.ID = parts[1], parts[2]
		in.after.At, err = web.ParseTime(parts[0])
		return err
	})
}

type timelineOutput struct {
	Body struct {
		Why        string          `json:"why" doc:"Why the latest card is as it is, in one sentence."`
		Cards      []explainedCard `json:"cards" doc:"The member's cards, oldest first."`
		Events     []happening     `json:"events" doc:"What happened, newest first."`
		NextCursor string          `json:"next_cursor,omitempty" doc:"Absent on the last page."`
	}
}

// explainedCard is a card and why it is as it is.
type explainedCard struct {
	CardID string `json:"card_id"`
	Code   string `json:"code"`
	Status string `json:"status" enum:"issued,claimed,active,deleted,gifted,unavailable,lost" doc:"lost: another person has taken the code."`
	Why    string `json:"why"`
}

// happening is one line of a timeline. Each kind has its own fields.
type happening struct {
	At       time.Time  `json:"at"`
	Kind     string     `json:"kind" doc:"login. phone: WeChat has verified a phone number. card_ext: a cardExt was signed. issue, claim, activation, gift, form: of a card. event: WeChat's. entry: of the ledger. push_waiting, push_parked: a message that is in the outbox now. push_failed, push_sent, push_refused: what became of an attempt to send one. reconcile: a difference that the comparison with WeChat has found. operator: an action of the audit log; its outcome is the result."`
	CardID   string     `json:"card_id,omitempty"`
	Code     string     `json:"code,omitempty"`
	Name     string     `json:"name,omitempty" example:"user_get_card" doc:"WeChat's name of an event, the kind of a message, or what an operator did."`
	Actor    string     `json:"actor,omitempty" doc:"Who booked an entry, or acted."`
	Text     string     `json:"text,omitempty" doc:"WeChat's words about a message, or the record of an entry."`
	Attempts int64      `json:"attempts,omitempty,omitzero" doc:"How often a message failed."`
	NextAt   *time.Time `json:"next_at,omitempty" doc:"When a waiting message is tried next."`
	Outcome  string     `json:"outcome,omitempty" doc:"repaired: the face was set right. drift: WeChat has changed the figures by itself. looked: the card's state was read anew. found: a claim whose event was lost."`
	Entry    *totals    `json:"entry,omitempty" doc:"What an entry added, and the totals after it; balances in fen."`
	Face     *totals    `json:"face,omitempty" doc:"The totals that WeChat showed."`
}

type totals struct {
	AddBonus   int64 `json:"add_bonus,omitempty,omitzero"`
	Bonus      int64 `json:"bonus"`
	AddBalance int64 `json:"add_balance,omitempty,omitzero"`
	Balance    int64 `json:"balance"`
}

func happeningOf(e timeline.Event) happening {
	h := happening{
		At: e.At, Kind: e.Kind, CardID: e.CardID, Code: e.Code, Name: e.Name, Actor: e.Actor, Text: e.Text, Attempts: e.Attempts,
		Outcome: e.Outcome,
		Entry:   (*totals)(e.Entry), Face: (*totals)(e.Face),
	}
	if !e.NextAt.IsZero() {
		h.NextAt = &e.NextAt
	}
	return h
}

func (a *api) timelineRoute() {
	web.Route(a.Listener, huma.Operation{
		OperationID: "timeline", Method: http.MethodGet, Path: "/v1/members/{id}/timeline", Tags: []string{"members"},
		Summary: "Why a member's card is as it is", Errors: []int{401, 404, 422, 503},
		Description: "Logins, cardExts, outcomes of messages and comparisons are kept for 180 days. Of one member, repeated logins, and " +
			"repeated cardExts of one code, are one line an hour; they appear a second or so later.",
	}, a.timeline)
}

func (a *api) timeline(ctx context.Context, in *timelineInput) (*timelineOutput, error) {
	cards, why, err := a.Timelines.Cards(ctx, in.ID, timeline.Lang(in.Lang))
	if err != nil {
		return nil, err
	}
	events, err := a.Timelines.Events(ctx, in.ID, in.after, in.Limit+1)
	if err != nil {
		return nil, err
	}
	var out timelineOutput
	out.Body.Why = why
	out.Body.Cards = web.List(cards, func(c timeline.Card) explainedCard { return explainedCard(c) })
	events, out.Body.NextCursor = web.Page(in.PageInput, events, func(e timeline.Event) []string {
		return []string{web.FormatTime(e.At), e.Source, e.ID}
	})
	out.Body.Events = web.List(events, happeningOf)
	return &out, nil
}
