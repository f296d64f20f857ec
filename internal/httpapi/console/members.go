package console

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// person is a member as GET /v1/members/{id} shows it.
type person struct {
	ID         string    `json:"id"`
	CreatedAt  time.Time `json:"created_at"`
	Identities []struct {
		AppID   string `json:"app_id"`
		OpenID  string `json:"openid"`
		UnionID string `json:"unionid"`
	} `json:"identities"`
	Cards []memberCard `json:"cards"`
	Forms []struct {
		CardID string            `json:"card_id"`
		Code   string            `json:"code"`
		Fields map[string]string `json:"fields"`
	} `json:"forms"`
}

type memberCard struct {
	CardID           string            `json:"card_id"`
	Code             string            `json:"code"`
	Status           string            `json:"status"`
	MembershipNumber string            `json:"membership_number"`
	Bonus            int64             `json:"bonus"`
	Balance          int64             `json:"balance"`
	Fields           map[string]string `json:"fields"`
	OuterStr         string            `json:"outer_str"`
	ClaimedAt        time.Time         `json:"claimed_at"`

	Why     string  `json:"-"`
	Entries []entry `json:"-"`
	Key     string  `json:"-"` // the Idempotency-Key of the next entry
}

// Held reports whether the card takes entries.
func (m memberCard) Held() bool {
	return m.Status == "claimed" || m.Status == "active" || m.Status == "deleted"
}

// entry is an entry as GET …/entries shows it.
type entry struct {
	ID            string    `json:"id"`
	AddBonus      int64     `json:"add_bonus"`
	Bonus         int64     `json:"bonus"`
	AddBalance    int64     `json:"add_balance"`
	Balance       int64     `json:"balance"`
	RecordBonus   string    `json:"record_bonus"`
	RecordBalance string    `json:"record_balance"`
	CreatedAt     time.Time `json:"created_at"`
	Actor         string    `json:"actor"`
	Store         string    `json:"store"`
	Order         string    `json:"order"`
	Reverses      string    `json:"reverses"`
	Reversed      bool      `json:"reversed"`
	Push          string    `json:"push"`
}

// Undoable reports whether another entry may reverse this one.
func (e entry) Undoable() bool { return !e.Reversed && e.Reverses == "" }

// members finds members by what one box takes, or lists all.
func (c *Console) members(r *request) error {
	var data struct {
		Query      string
		Members    []person `json:"members"`
		NextCursor string   `json:"next_cursor"`
	}
	data.Query = strings.TrimSpace(r.Query("query"))
	query := url.Values{}
	for name, value := range map[string]string{"query": data.Query, "cursor": r.Query("cursor")} {
		if value != "" {
			query.Set(name, value)
		}
	}
	if err := r.get("/v1/members", query, &data); err != nil {
		return err
	}
	return r.render(http.StatusOK, "members", data)
}

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

// member shows one member: the cards with their ledgers, and the timeline.
func (c *Console) member(r *request) error {
	var data struct {
		person

		Timeline timeline
	}
	path := "/v1/members/" + url.PathEscape(r.Param("id"))
	if err := r.get(path, nil, &data.person); err != nil {
		return err
	}
	query := url.Values{"lang": {r.lang}, "limit": {"50"}}
	if cursor := r.Query("cursor"); cursor != "" {
		query.Set("cursor", cursor)
	}
	if err := r.get(path+"/timeline", query, &data.Timeline); err != nil {
		return err
	}
	for i := range data.Cards {
		card := &data.Cards[i]
		for _, explained := range data.Timeline.Cards {
			if explained.CardID == card.CardID && explained.Code == card.Code {
				card.Why = explained.Why
			}
		}
		var ledger struct {
			Entries []entry `json:"entries"`
		}
		if err := r.get(entriesPath(card.CardID, card.Code), url.Values{"limit": {"20"}}, &ledger); err != nil {
			return err
		}
		card.Entries, card.Key = ledger.Entries, uuid.NewString()
	}
	return r.render(http.StatusOK, "member", data)
}

func entriesPath(cardID, code string) string {
	return "/v1/cards/" + url.PathEscape(cardID) + "/codes/" + url.PathEscape(code) + "/entries"
}

// addEntry gives or takes points or balance, or reverses an entry. The key comes from
// the form, so a form that is sent twice counts once.
func (c *Console) addEntry(r *request) error {
	body := map[string]any{}
	for _, name := range []string{"add_bonus", "add_balance"} {
		text := strings.TrimSpace(r.PostForm(name))
		if text == "" {
			continue
		}
		n, ok := amount(text, name == "add_balance")
		if !ok {
			return &problem{Status: http.StatusUnprocessableEntity, Code: "invalid_amount"}
		}
		if r.PostForm("direction") == "take" {
			n = -n
		}
		body[name] = n
	}
	for _, name := range []string{"record_bonus", "order", "store", "reverses"} {
		if text := strings.TrimSpace(r.PostForm(name)); text != "" {
			body[name] = text
		}
	}
	if r.PostForm("partial") != "" {
		body["partial"] = true
	}
	path := entriesPath(r.PostForm("card_id"), r.PostForm("code"))
	if err := r.call(http.MethodPost, path, map[string]string{"Idempotency-Key": r.PostForm("key")}, body, nil); err != nil {
		return err
	}
	return r.back("/members/" + url.PathEscape(r.Param("id")) + "?done=entry")
}

// amount returns a whole number above 0, or of an amount in yuan its fen.
func amount(text string, yuan bool) (n int64, ok bool) {
	if !yuan {
		n, err := strconv.ParseInt(text, 10, 64)
		return n, err == nil && n > 0
	}
	whole, part, _ := strings.Cut(text, ".")
	if len(part) > 2 || len(whole) > 12 || strings.ContainsAny(part, "+-") {
		return 0, false
	}
	n, err := strconv.ParseInt(whole+(part + "00")[:2], 10, 64)
	return n, err == nil && n > 0 && whole != ""
}

// NextTry returns when a waiting message is tried next.
func (e event) NextTry(v View) string {
	if e.NextAt == nil {
		return ""
	}
	return v.Time(*e.NextAt)
}
