package console

import (
	"encoding/json"
	"net/http"
	"net/url"
	"path"
	"slices"
)

// lowStock is the stock below which a card has a warning.
const lowStock = 100

// stock is what is left of a card; it is negative if WeChat did not say.
type stock int64

// Level returns "out", "low", "unknown", or "" for enough.
func (s stock) Level() string {
	switch {
	case s < 0:
		return "unknown"
	case s == 0:
		return "out"
	case s < lowStock:
		return "low"
	}
	return ""
}

// review is the state of a card in WeChat's review, in WeChat's words.
type review string

// Deleted reports whether the card takes no more changes.
func (r review) Deleted() bool { return r == "CARD_STATUS_DELETE" }

// rank orders the cards of a list.
func (r review) rank() int {
	if r.Deleted() {
		return 1
	}
	return 0
}

// Class returns how the state is shown: as that of a member's card.
func (r review) Class() string {
	switch r {
	case "CARD_STATUS_VERIFY_OK", "CARD_STATUS_DISPATCH":
		return "active"
	case "CARD_STATUS_VERIFY_FAIL", "CARD_STATUS_DELETE":
		return "unavailable"
	}
	return ""
}

// listedCard is a card as GET /v1/cards has it.
type listedCard struct {
	ID            string `json:"card_id"`
	Status        review `json:"status"`
	RefuseReason  string `json:"refuse_reason"`
	Title         string `json:"title"`
	BrandName     string `json:"brand_name"`
	CodeMode      string `json:"code_mode"`
	Quantity      stock  `json:"quantity"`
	Color         string `json:"color"`
	SupplyBonus   bool   `json:"supply_bonus"`
	SupplyBalance bool   `json:"supply_balance"`
	CustomFields  []struct {
		Field    string `json:"field"`
		Name     string `json:"name"`
		NameType string `json:"name_type"`
	} `json:"custom_fields"`
}

// cards lists the cards of the catalogue, the deleted ones last.
func (c *Console) cards(r *request) error {
	list, err := r.cards()
	if err != nil {
		return err
	}
	slices.SortStableFunc(list, func(a, b listedCard) int { return a.Status.rank() - b.Status.rank() })
	return r.render(http.StatusOK, "cards", struct{ Cards []listedCard }{list})
}

// cardPath returns the path of the card's page; below /v1 the API has the card.
func (r *request) cardPath() string { return "/cards/" + url.PathEscape(r.Param("card_id")) }

// shownCard is a card as GET /v1/cards/{card_id} shows it.
type shownCard struct {
	ID           string          `json:"card_id"`
	Status       review          `json:"status"`
	RefuseReason string          `json:"refuse_reason"`
	WeChat       json.RawMessage `json:"wechat"`
	Settings     struct {
		ActivateOnClaim     bool   `json:"activate_on_claim"`
		FixedBeginTimestamp bool   `json:"fixed_begintimestamp"`
		InitBonus           int64  `json:"init_bonus"`
		InitBalance         int64  `json:"init_balance"`
		InitBonusRecord     string `json:"init_bonus_record"`
	} `json:"settings"`

	definition `json:"-"`
}

// definition is a card as WeChat gives it.
type definition struct {
	BaseInfo struct {
		LogoURL      string `json:"logo_url"`
		BrandName    string `json:"brand_name"`
		Title        string `json:"title"`
		Color        string `json:"color"`
		Notice       string `json:"notice"`
		Description  string `json:"description"`
		ServicePhone string `json:"service_phone"`
		SKU          struct {
			Quantity stock `json:"quantity"`
			Total    int64 `json:"total_quantity"`
		} `json:"sku"`
		DateInfo struct {
			Type  string `json:"type"`
			Begin int64  `json:"begin_timestamp"`
			End   int64  `json:"end_timestamp"`
			Days  int64  `json:"fixed_term"`
		} `json:"date_info"`
		CustomCode bool   `json:"use_custom_code"`
		CodeMode   string `json:"get_custom_code_mode"`
	} `json:"base_info"`
	Prerogative   string `json:"prerogative"`
	SupplyBonus   bool   `json:"supply_bonus"`
	SupplyBalance bool   `json:"supply_balance"`
	AutoActivate  bool   `json:"auto_activate"`
	WxActivate    bool   `json:"wx_activate"`
	AfterSubmit   bool   `json:"wx_activate_after_submit"`
	Field1        place  `json:"custom_field1"`
	Field2        place  `json:"custom_field2"`
	Field3        place  `json:"custom_field3"`
	Cell1         place  `json:"custom_cell1"`
	Cell2         place  `json:"custom_cell2"`
	Cell3         place  `json:"custom_cell3"`
}

// place is one of the shop's own places on the face.
type place struct {
	Type string `json:"name_type"`
	Name string `json:"name"`
	Tips string `json:"tips"`
}

// Fields returns the custom fields that the face has.
func (d definition) Fields() []place { return present(d.Field1, d.Field2, d.Field3) }

// Rows returns the entries below the face.
func (d definition) Rows() []place { return present(d.Cell1, d.Cell2, d.Cell3) }

func present(places ...place) []place {
	return slices.DeleteFunc(places, func(p place) bool { return p.Name == "" && p.Type == "" })
}

// Codes returns the origin of the codes, as code_mode of GET /v1/cards.
func (d definition) Codes() string {
	switch {
	case d.BaseInfo.CustomCode && d.BaseInfo.CodeMode != "":
		return "deposit"
	case d.BaseInfo.CustomCode:
		return "custom"
	}
	return "system"
}

// Activation returns how a card becomes active.
func (d definition) Activation() string {
	switch {
	case d.AutoActivate:
		return "auto"
	case d.WxActivate && d.AfterSubmit:
		return "component"
	case d.WxActivate:
		return "form"
	}
	return "on_claim"
}

// readCard reads the card of the path, as WeChat has it now.
func (r *request) readCard() (shownCard, error) {
	var card shownCard
	if err := r.get("/v1"+r.cardPath(), nil, &card); err != nil {
		return card, err
	}
	var wechat struct {
		MemberCard definition `json:"member_card"`
	}
	wechat.MemberCard.BaseInfo.SKU.Quantity = -1
	_ = json.Unmarshal(card.WeChat, &wechat) // a value of another type than WeChat documents is left out
	card.definition = wechat.MemberCard
	return card, nil
}

// outcome is what the page of a card shows of a form that made something.
type outcome struct {
	Shelf   string // its URL
	Deposit *deposit
}

// card shows a card with the forms that change it.
func (c *Console) card(r *request) error { return c.showCard(r, outcome{}) }

func (c *Console) showCard(r *request, made outcome) error {
	card, err := r.readCard()
	if err != nil {
		return err
	}
	if !card.Status.Deleted() {
		r.offerChanges(card)
	}
	open := path.Base(r.FullPath())
	if card.WxActivate && r.Query("done") == "card_created" {
		open = "form" // without it the card cannot be activated
	}
	return r.render(http.StatusOK, "card", struct {
		shownCard
		outcome

		Face    face
		Actions []action
		Open    string // the action that is open: the one that the page answers
		Print   printing
	}{card, made, r.sampleFace(card), card.actions(), open, printing{CardID: card.ID}})
}

// offerChanges has the page of a card show the calls of its forms.
func (r *request) offerChanges(card shownCard) {
	type object = map[string]any
	v1 := "/v1/cards/" + url.PathEscape(card.ID)
	r.offer(http.MethodPost, v1+"/qrcode", "", object{"outer_str": "door"})
	r.offer(http.MethodPost, v1+"/stock", "", object{"delta": 100})
	r.offer(http.MethodPatch, v1, "", object{"member_card": object{"base_info": object{"notice": card.BaseInfo.Notice}}})
	r.offer(http.MethodPut, v1+"/settings", "", object{"init_bonus": card.Settings.InitBonus})
	if card.WxActivate {
		r.offer(http.MethodPut, v1+"/activation-form", "", activationForm([]string{formFields[0].Name}, nil))
	}
	if card.Codes() == "deposit" {
		r.offer(http.MethodPost, v1+"/codes", "", object{"codes": []string{"10001", "10002"}})
	}
	r.offer(http.MethodPost, "/v1/shelves", "", newShelf(card, card.BaseInfo.LogoURL, "会员卡", shelfScenes[0]))
	r.offer(http.MethodPut, "/v1/test-whitelist", "", testers("", "ming"))
	r.offer(http.MethodDelete, v1, "", nil)
}
