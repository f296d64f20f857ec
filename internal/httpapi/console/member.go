package console

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// event is a line of GET /v1/members/{id}/timeline.
type event struct {
	At       time.Time  `json:"at"`
	Kind     string     `json:"kind"`
	Code     string     `json:"code"`
	Name     string     `json:"name"`
	Actor    string     `json:"actor"`
	Text     string     `json:"text"`
	Attempts int64      `json:"attempts"`
	NextAt   *time.Time `json:"next_at"`
	Outcome  string     `json:"outcome"`
	Entry    *struct {
		AddBonus   int64 `json:"add_bonus"`
		Bonus      int64 `json:"bonus"`
		AddBalance int64 `json:"add_balance"`
		Balance    int64 `json:"balance"`
	} `json:"entry"`
}

type timeline struct {
	Why   string `json:"why"`
	Cards []struct {
		CardID string `json:"card_id"`
		Code   string `json:"code"`
		Why    string `json:"why"`
	} `json:"cards"`
	Events     []event `json:"events"`
	NextCursor string  `json:"next_cursor"`
}

// booked is the entry that a form has just made.
type booked struct {
	entry

	MissingBonus, MissingBalance int64 // what a reversal could not take back
}

// member shows one member: the cards with their ledgers, and the timeline.
func (c *Console) member(r *request) error {
	var data struct {
		person

		Timeline timeline
		Booked   *booked
	}
	path := r.memberPath()
	if err := r.get(path, nil, &data.person); err != nil {
		return err
	}
	query := url.Values{"lang": {r.lang}, "limit": {"50"}}
	if err := r.get(path+"/timeline", with(query, "cursor", r.Query("cursor")), &data.Timeline); err != nil {
		return err
	}
	kinds, err := r.cards()
	if err != nil {
		return err
	}
	for i := range data.Cards {
		card := &data.Cards[i]
		for _, explained := range data.Timeline.Cards {
			if explained.CardID == card.CardID && explained.Code == card.Code {
				card.Why = explained.Why
			}
		}
		r.describe(card, kindOf(kinds, card.CardID))
		card.Key = uuid.NewString()
		if err := r.ledger(card); err != nil {
			return err
		}
		if b := bookedOf(card.Entries, r.Query("entry")); b != nil {
			data.Booked = b
		}
	}
	r.offerMember(path, data.person)
	return r.render(http.StatusOK, "member", data)
}

// ledger reads a page of the ledger of a card: the newest, or the one that the query asks
// for.
func (r *request) ledger(card *memberCard) error {
	var page struct {
		Entries    []entry `json:"entries"`
		NextCursor string  `json:"next_cursor"`
	}
	query := url.Values{"limit": {"20"}}
	if cursor := r.Query("entries"); cursor != "" && r.Query("ledger") == card.Form() {
		query.Set("cursor", cursor)
	}
	err := r.get(entriesPath(card.CardID, card.Code), query, &page)
	card.Entries, card.Older = page.Entries, page.NextCursor
	return err
}

// bookedOf returns the entry with the id, with what it could not take back, or nil.
func bookedOf(entries []entry, id string) *booked {
	i := slices.IndexFunc(entries, func(e entry) bool { return e.ID == id })
	if i < 0 {
		return nil
	}
	b := &booked{entry: entries[i]}
	for _, reversed := range entries {
		if reversed.ID == b.Reverses {
			b.MissingBonus, b.MissingBalance = reversed.AddBonus+b.AddBonus, reversed.AddBalance+b.AddBalance
		}
	}
	return b
}

// offerMember shows the calls of the page's forms.
func (r *request) offerMember(path string, p person) {
	for _, card := range p.Cards {
		if card.Held() {
			r.offer(http.MethodPost, entriesPath(card.CardID, card.Code), card.Key, map[string]any{"add_bonus": 30})
			r.offer(http.MethodPut, codePath(card.CardID, card.Code)+"/fields", "", map[string]any{"custom_field1": "VIP"})
			r.offer(http.MethodPost, codePath(card.CardID, card.Code)+"/unavailable", "", map[string]any{"reason": "lost"})
			break
		}
	}
	r.offer(http.MethodDelete, path+"?unavailable=true", "", nil)
}

func codePath(cardID, code string) string {
	return "/v1/cards/" + url.PathEscape(cardID) + "/codes/" + url.PathEscape(code)
}

func entriesPath(cardID, code string) string { return codePath(cardID, code) + "/entries" }

// Subject returns what the event is about in the words of the page, or as the API names
// it: an action of an operator, an event of WeChat's, or the kind of a push.
func (e event) Subject(v View) string {
	return v.Word("action."+e.Name, v.Word("event."+e.Name, v.Word("message."+e.Name, e.Name)))
}

// NextTry returns when a waiting message is tried next.
func (e event) NextTry(v View) string {
	if e.NextAt == nil {
		return ""
	}
	return v.Time(*e.NextAt)
}

// memberPage returns the path of the member's page.
func (r *request) memberPage() string { return "/members/" + url.PathEscape(r.Param("id")) }

// memberPath returns the API's path of the member.
func (r *request) memberPath() string { return "/v1" + r.memberPage() }

// formCode returns the API's path of the code that a form is about.
func (r *request) formCode() string { return codePath(r.PostForm("card_id"), r.PostForm("code")) }

// setFields changes the custom fields that the person has edited.
func (c *Console) setFields(r *request) error {
	body := map[string]any{"notify": r.PostForm("notify") != ""}
	for _, name := range []string{"custom_field1", "custom_field2", "custom_field3"} {
		value, given := r.GetPostForm(name)
		if value = strings.TrimSpace(value); given && value != r.PostForm("was_"+name) {
			body[name] = value
		}
	}
	if len(body) > 1 {
		if err := r.call(http.MethodPut, r.formCode()+"/fields", nil, body, nil); err != nil {
			return r.again(err, c.member)
		}
	}
	return r.back(r.memberPage() + "?done=fields")
}

// unsure refuses what cannot be undone without the tick that says so: the question of
// the script is not there without script.
const unsure = "unsure"

// makeUnavailable ends a member's card at WeChat.
func (c *Console) makeUnavailable(r *request) error {
	err := invalid(unsure)
	if r.PostForm("sure") != "" {
		err = r.call(http.MethodPost, r.formCode()+"/unavailable", nil, map[string]any{"reason": r.text("reason")}, nil)
	}
	if err != nil {
		return r.again(err, c.member)
	}
	return r.back(r.memberPage() + "?done=unavailable")
}

// eraseAccount deletes the data of an imported account.
func (c *Console) eraseAccount(r *request) error {
	if err := r.call(http.MethodDelete, "/v1/imports/accounts/"+url.PathEscape(r.Param("id")), nil, nil, nil); err != nil {
		return r.again(err, c.members)
	}
	return r.back("/members?done=account_erased")
}

// eraseMember deletes a person's data.
func (c *Console) eraseMember(r *request) error {
	path := r.memberPath()
	if r.PostForm("unavailable") != "" {
		path += "?unavailable=true"
	}
	err := invalid(unsure)
	if r.PostForm("sure") != "" {
		err = r.call(http.MethodDelete, path, nil, nil, nil)
	}
	if err != nil {
		return r.again(err, c.member)
	}
	return r.back("/members?done=erased")
}
