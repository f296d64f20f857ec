package wechatsim

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/addcard/addcard/internal/wechatsim/push"
)

// Assumptions has one switch for each point on which the facts about WeChat are
// uncertain or contradictory. An empty field means its default, the first of its
// choices. [Assumptions.List] describes the switches.
type Assumptions struct {
	Ticket           string `json:"ticket"`
	TicketQuota      string `json:"ticket_quota"`
	TokenOverlap     string `json:"token_overlap"`
	WrongSecret      string `json:"wrong_secret"`
	UnicodeEscape    string `json:"unicode_escape"`
	FractionalNumber string `json:"fractional_number"`
	CardPermission   string `json:"card_permission"`
	StatusNames      string `json:"status_names"`
	DeletedCard      string `json:"deleted_card"`
	ImageURL         string `json:"image_url"`
	UnknownField     string `json:"unknown_field"`
	WhitelistLimit   string `json:"whitelist_limit"`
	CardExtOpenID    string `json:"card_ext_openid"`
	CardExtTimestamp string `json:"card_ext_timestamp"`
	TimestampWindow  string `json:"timestamp_window"`
	NonceStr         string `json:"nonce_str"`
	MaxCards         string `json:"max_cards"`
	ReusedCode       string `json:"reused_code"`
	HeldCard         string `json:"held_card"`
	Restore          string `json:"restore"`
	WalletActivation string `json:"wallet_activation"`
	RepeatActivate   string `json:"repeat_activate"`
	OwnPoints        string `json:"own_points"`
	GiftedCard       string `json:"gifted_card"`
	GiftedForm       string `json:"gifted_form"`
	MemberUpdate     string `json:"member_update"`
	ActivateTicket   string `json:"activate_ticket"`
	PushRetry        string `json:"push_retry"`
	PushXML          string `json:"push_xml"`
	UnionID          string `json:"unionid"`
	PageUnionID      string `json:"page_unionid"`
	CountryCode      string `json:"country_code"`
	PhoneOpenID      string `json:"phone_openid"`
}

// Assumption is one switch of [Assumptions] with its present value.
type Assumption struct {
	Name    string   `json:"name"`
	Value   string   `json:"value"`
	Choices []string `json:"choices"` // the first is the default
	About   string   `json:"about"`
	field   *string
}

// List returns every switch with its present value, its choices and its subject, in
// a fixed order. An empty value is shown as the default.
func (g Assumptions) List() []Assumption { return g.switches() }

// Assumptions returns every uncertain point with its present switch position.
func (s *Sim) Assumptions() []Assumption {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.assumptions.List()
}

func (g *Assumptions) switches() []Assumption {
	list := []Assumption{
		{Name: "ticket", field: &g.Ticket, Choices: []string{"rotate-300", "rotate-0", "rotate-full", "sticky-constant", "sticky-remaining"},
			About: "getticket again: a new ticket while the old one lives 300 s, 0 s or its full life; " +
				"or the same ticket until it dies, expires_in always 7200 or what remains"},
		{Name: "ticket_quota", field: &g.TicketQuota, Choices: []string{"10000", "2000", "100"},
			About: "getticket calls a day before 45009 (WeChat only says: very few)"},
		{Name: "token_overlap", field: &g.TokenOverlap, Choices: []string{"300", "0", "600", "1200"},
			About: "seconds for which an access_token works beside its successor"},
		{Name: "wrong_secret", field: &g.WrongSecret, Choices: []string{"40125", "40001"},
			About: "errcode for a wrong AppSecret when a token is fetched"},
		{Name: "unicode_escape", field: &g.UnicodeEscape, Choices: []string{"47002", "40033"},
			About: "errcode for a \\u escape in a request body"},
		{Name: "fractional_number", field: &g.FractionalNumber, Choices: []string{"busy", "accept"},
			About: "a whole number written with a fraction (100.0): -1 as one developer saw, or accepted"},
		{Name: "card_permission", field: &g.CardPermission, Choices: []string{"granted", "denied"},
			About: "whether the Official Account got the card permission; denied: 48001 from all of /card/"},
		{Name: "status_names", field: &g.StatusNames, Choices: []string{"plain", "user"},
			About: "names of the last two card statuses: CARD_STATUS_DELETE, _DISPATCH or CARD_STATUS_USER_DELETE, _USER_DISPATCH"},
		{Name: "deleted_card", field: &g.DeletedCard, Choices: []string{"keeps", "ends"},
			About: "copies already in wallets when the card is deleted: they go on, or they end (40127)"},
		{Name: "image_url", field: &g.ImageURL, Choices: []string{"http://mmbiz.qpic.cn", "https://mmbiz.qpic.cn", "http://mmbiz.qlogo.cn",
			"https://mmecoa.qpic.cn", "https://pic.wechat.example"},
			About: "where uploadimg keeps pictures"},
		{Name: "unknown_field", field: &g.UnknownField, Choices: []string{"dropped", "kept"},
			About: "what becomes of a field of a card that WeChat's pages do not have"},
		{Name: "whitelist_limit", field: &g.WhitelistLimit, Choices: []string{"10", "1000"},
			About: "how many testers testwhitelist/set takes"},
		{Name: "card_ext_openid", field: &g.CardExtOpenID, Choices: []string{"official", "miniprogram"},
			About: "whose openid a bind_openid card wants in cardExt"},
		{Name: "card_ext_timestamp", field: &g.CardExtTimestamp, Choices: []string{"both", "number", "string"},
			About: "the JSON type of cardExt.timestamp that a phone takes"},
		{Name: "timestamp_window", field: &g.TimestampWindow, Choices: []string{"any", "3600", "300"},
			About: "how many seconds cardExt.timestamp may be away from WeChat's clock"},
		{Name: "nonce_str", field: &g.NonceStr, Choices: []string{"optional", "required"},
			About: "whether a cardExt without nonce_str is taken"},
		{Name: "max_cards", field: &g.MaxCards, Choices: []string{"10", "5", "1"},
			About: "how many cards one wx.addCard takes"},
		{Name: "reused_code", field: &g.ReusedCode, Choices: []string{"已领完", "参数错误"},
			About: "what the phone says to a custom code that was delivered before"},
		{Name: "held_card", field: &g.HeldCard, Choices: []string{"已领完", "用户已领取", "已领取", "超过领取限制"},
			About: "what the phone says to a person who holds the card as often as get_limit allows"},
		{Name: "restore", field: &g.Restore, Choices: []string{"restored", "已领取"},
			About: "a person takes a card again that they deleted: it is restored, or the phone says 已领取"},
		{Name: "wallet_activation", field: &g.WalletActivation, Choices: []string{"encrypt_code", "card_id"},
			About: "what the activation page gets from 激活 in the wallet: the encrypted code too, or the card_id only"},
		{Name: "repeat_activate", field: &g.RepeatActivate, Choices: []string{"number", "all"},
			About: "a second activate overwrites the membership_number only, or the initial figures and fields again too"},
		{Name: "own_points", field: &g.OwnPoints, Choices: []string{"none", "bonus_rule"},
			About: "a card that becomes active without an init_bonus has no points, or bonus_rule.init_increase_bonus"},
		{Name: "gifted_card", field: &g.GiftedCard, Choices: []string{"carries", "fresh"},
			About: "a card given to a friend keeps its activation and figures, or starts inactive with none"},
		{Name: "gifted_form", field: &g.GiftedForm, Choices: []string{"carries", "empty"},
			About: "what userinfo/get says was filled in for a card given to a friend, until the friend fills in the form: the giver's, or nothing"},
		{Name: "member_update", field: &g.MemberUpdate, Choices: []string{"sent", "silent"},
			About: "whether update_member_card is pushed for changes that the merchant made by updateuser"},
		{Name: "activate_ticket", field: &g.ActivateTicket, Choices: []string{"600", "60", "7200"},
			About: "seconds for which an activate_ticket of the open-card component can be used"},
		{Name: "push_retry", field: &g.PushRetry, Choices: []string{"same", "fresh"},
			About: "a second try of a push repeats timestamp, nonce and signature byte for byte, or has new ones"},
		{Name: "push_xml", field: &g.PushXML, Choices: []string{"compact", "spaced"},
			About: "white space round the CDATA of a push, as in some of WeChat's samples"},
		{Name: "unionid", field: &g.UnionID, Choices: []string{"own", "one-in-events", "one-in-logins", "one"},
			About: "each person has one, or that of the person who was named first is in every event, every login, or both"},
		{Name: "page_unionid", field: &g.PageUnionID, Choices: []string{"absent", "given"},
			About: "whether the sign-in on web pages with snsapi_base gives the unionid"},
		{Name: "country_code", field: &g.CountryCode, Choices: []string{"string", "number"},
			About: "the JSON type of countryCode in the answer of getuserphonenumber"},
		{Name: "phone_openid", field: &g.PhoneOpenID, Choices: []string{"40029", "40003"},
			About: "errcode of getuserphonenumber for a code that another user than openid got"},
	}
	for i := range list {
		list[i].Value = *list[i].field
		if list[i].Value == "" {
			list[i].Value = list[i].Choices[0]
		}
	}
	return list
}

// complete sets empty fields to their defaults. The error names the switch with an
// unknown value.
func (g *Assumptions) complete() error {
	for _, a := range g.switches() {
		if !slices.Contains(a.Choices, a.Value) {
			return fmt.Errorf("%s: %q is none of %s", a.Name, a.Value, strings.Join(a.Choices, ", "))
		}
		*a.field = a.Value
	}
	return nil
}

// number returns the value of a switch as a number; "any" is -1.
func number(value string) int {
	n, err := strconv.Atoi(value)
	if err != nil {
		return -1
	}
	return n
}

// set changes one switch. It reports whether there is one of that name.
func (g *Assumptions) set(name, value string) bool {
	for _, a := range g.switches() {
		if a.Name == name {
			*a.field = value
			return true
		}
	}
	return false
}

func (g *Assumptions) eventStyle() push.Style {
	return push.Style{SpacedXML: g.PushXML == "spaced", ResignRetries: g.PushRetry == "fresh"}
}
