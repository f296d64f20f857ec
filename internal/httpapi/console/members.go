package console

import (
	"net/http"
	"net/url"
	"slices"
	"time"
)

// person is a member as GET /v1/members/{id} shows it.
type person struct {
	ID         string    `json:"id"`
	CreatedAt  time.Time `json:"created_at"`
	Phone      string    `json:"phone"`
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
	Accounts []account `json:"accounts"`
}

// account is an account of another system that was imported.
type account struct {
	ID               string    `json:"id"`
	ImportID         string    `json:"import_id"`
	Import           string    `json:"import"`
	MembershipNumber string    `json:"membership_number"`
	Bonus            int64     `json:"bonus"`
	Balance          int64     `json:"balance"`
	Phone            string    `json:"phone"`
	Name             string    `json:"name"`
	Note             string    `json:"note"`
	BoundAt          time.Time `json:"bound_at"`
	JoinedAt         time.Time `json:"joined_at"`
	Code             string    `json:"code"`
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

	Why          string        `json:"-"`
	Face         face          `json:"-"`
	CustomFields []customField `json:"-"`
	Title        string        `json:"-"`
	HasBalance   bool          `json:"-"` // false only if it is known that the card keeps none
	Entries      []entry       `json:"-"`
	Older        string        `json:"-"` // the cursor of the older entries
	Key          string        `json:"-"` // the Idempotency-Key of the next entry
}

// describe adds what the kind of the card says. It is the zero value if it is not in the
// catalogue yet.
func (m *memberCard) describe(kind listedCard) {
	m.Title, m.HasBalance = kind.Title, kind.SupplyBalance || kind.ID == "" || m.Balance != 0
}

// kindOf returns the kind with a card_id, or the zero value.
func kindOf(kinds []listedCard, cardID string) (kind listedCard) {
	if at := slices.IndexFunc(kinds, func(k listedCard) bool { return k.ID == cardID }); at >= 0 {
		kind = kinds[at]
	}
	return kind
}

// Form returns the name of the forms of the card, of which a page may have several.
func (m memberCard) Form() string { return m.CardID + "-" + m.Code }

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

	ReversesOrder   string    `json:"reverses_order"`
	ReversesAt      time.Time `json:"reverses_at"`
	ReversedBonus   int64     `json:"reversed_bonus"`
	ReversedBalance int64     `json:"reversed_balance"`
}

// Struck reports whether nothing is left of the entry: another has undone all of it.
func (e entry) Struck() bool {
	return e.Reversed && e.ReversedBonus == -e.AddBonus && e.ReversedBalance == -e.AddBalance
}

// Undone says how far the entry is undone, or which entry it undoes itself.
func (e entry) Undone(v View) string {
	switch {
	case e.Struck():
		return v.T("entry.reversed")
	case e.Reversed:
		return v.T("entry.reversed_part", v.sum(entry{AddBonus: -e.ReversedBonus, AddBalance: -e.ReversedBalance}))
	case e.Reverses != "" && e.ReversesOrder != "":
		return v.T("entry.reverses_order", e.ReversesOrder)
	case e.Reverses != "":
		return v.T("entry.reverses", v.Time(e.ReversesAt))
	}
	return ""
}

// Left returns what a reversal of the entry can take back, and whether that is less than
// the entry gave, because the rest was spent.
func (m memberCard) Left(e entry) (left struct {
	Bonus, Balance int64
	Partial        bool
},
) {
	left.Bonus, left.Balance = min(e.AddBonus, m.Bonus), min(e.AddBalance, m.Balance)
	left.Partial = left.Bonus < e.AddBonus || left.Balance < e.AddBalance
	return left
}

// Undoable reports whether another entry may reverse this one.
func (e entry) Undoable() bool { return !e.Reversed && e.Reverses == "" }

// members finds members by what one box takes, or lists all. The page of the only one
// that is found opens at once.
func (c *Console) members(r *request) error {
	var data struct {
		Query      string
		Members    []person  `json:"members"`
		Accounts   []account `json:"accounts"`
		NextCursor string    `json:"next_cursor"`
	}
	query := r.filter("query", "cursor")
	data.Query = query.Get("query")
	if err := r.get("/v1/members", query, &data); err != nil {
		return err
	}
	if data.Query != "" && len(data.Members) == 1 && len(data.Accounts) == 0 {
		return r.back("/members/" + url.PathEscape(data.Members[0].ID))
	}
	kinds, err := r.cards()
	if err != nil {
		return err
	}
	for _, p := range data.Members {
		for i := range p.Cards {
			p.Cards[i].describe(kindOf(kinds, p.Cards[i].CardID))
		}
	}
	return r.render(http.StatusOK, "members", data)
}
