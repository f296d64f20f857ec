package wechatsim

import (
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/addcard/addcard/internal/wechatsim/push"
)

// controls returns the control API.
func controls() []control {
	return slices.Concat(aboutControls(), phoneControls(), cardControls(), apiControls(), settingControls(), eventControls())
}

func aboutControls() []control {
	return []control{
		{"GET /_sim/{$}", "this description", (*Sim).describe},
		{"GET /_sim/accounts", "the two apps with their secrets", (*Sim).showAccounts},
	}
}

func phoneControls() []control {
	return []control{
		{"GET /_sim/phones/{user}", "who the user is to both apps", (*Sim).showPerson},
		{"PUT /_sim/phones/{user}",
			`{"blocked":true}: code2Session refuses the user with 40226; {"phone","country_code"}: the number, 86 by default`,
			onPhone((*Sim).changePerson)},
		{"POST /_sim/phones/{user}/login",
			`wx.login → {"code"}; {"app_id"} makes a code of another mini-program; touristappid: the text that DevTools gives without an AppID`,
			onPhone((*Sim).phoneLogin)},
		{"POST /_sim/phones/{user}/get-phone-number",
			`the button getPhoneNumber → {"errMsg","code"}, errno 1400001 without quota; {"cancel":true}: the user refuses; {"app_id"} as in login`,
			onPhone((*Sim).phoneGetNumber)},
		{"POST /_sim/phones/{user}/add-card",
			`wx.addCard with {"cardList"} → what its success gives, or 400 with errMsg and detail; ?cancel=1: the user closes the page; ` +
				"?says=: it refuses with these words",
			(*Sim).phoneAddCard},
		{"POST /_sim/phones/{user}/delete-card", `{"card_id","code"}: the user throws the card away`, onPhone((*Sim).phoneDeleteCard)},
		{"POST /_sim/phones/{user}/scan-qr",
			`{"url"} of a QR code that was made, or {"card_id","code","outer_str"}: takes a card without cardExt`,
			onPhone((*Sim).phoneScanQR)},
		{"POST /_sim/phones/{user}/open-card", `wx.openCard with {"cardList":[{"cardId","code"}]}, plain codes`, onPhone((*Sim).phoneOpenCard)},
		{"POST /_sim/phones/{user}/submit-form", `{"card_id","code","form":{}}: the user fills in the form of a one-click card`,
			onPhone((*Sim).phoneSubmitForm)},
		{"POST /_sim/phones/{user}/open-card-component",
			`{"extraData","form":{}}: the open-card component → what App.onShow gets, {"activate_ticket","card_id","code"} or nothing`,
			onPhone((*Sim).phoneOpenComponent)},
		{"POST /_sim/phones/{user}/activate",
			`{"card_id","code"}: 激活 on a card in the wallet → {"query"} of the merchant's page, without an activate_ticket`,
			onPhone((*Sim).phoneActivate)},
		{"POST /_sim/phones/{user}/gift-card", `{"card_id","code","to","then":"accept|wait|return"}; again for a gift on its way`,
			onPhone((*Sim).phoneGiftCard)},
		{"GET /_sim/phones/{user}/cards", "the card faces with the messages that reached the user", (*Sim).phoneCards},
		{"PUT /_sim/phones/{user}/cards",
			`{"card_id","code","has_active","bonus","balance"}: another system of the merchant changes the card; no event is sent`,
			onPhone((*Sim).changeFace)},
		{"POST /_sim/phones/{user}/page-login",
			`the browser signs in on a page of the Official Account → {"code"}; {"app_id"} makes a code of another account`,
			onPhone((*Sim).phonePageLogin)},
		{"POST /_sim/webpages/config",
			`wx.config of jweixin.js: {"app_id","url","nonce_str","timestamp","signature"} → {"errMsg"}`, withBody((*Sim).configurePage)},
		{"PUT /_sim/webpages/domains", `{"oauth":[],"js":[]}: 网页授权域名 and JS接口安全域名`, locked((*Sim).changeWebDomains)},
		{"POST /_sim/webpages/check", `wx.config: {"url","nonce_str","timestamp","signature"} → {"ok"}`, withBody((*Sim).checkWebPage)},
	}
}

func cardControls() []control {
	return []control{
		{"GET /_sim/cards", "card_id, title and status of every card", (*Sim).listCards},
		{"POST /_sim/cards/{card_id}/approve", "the review ends well", (*Sim).approveCard},
		{"POST /_sim/cards/{card_id}/reject", `{"reason"}: the review ends badly`, (*Sim).rejectCard},
		{"GET /_sim/cards/{card_id}/holders",
			"who has the card, with what the face shows, messages: how many the user got, writes: calls that set the face", (*Sim).listHolders},
		{"POST /_sim/cards/{card_id}/holders",
			`{"count","seed"} or {"holders":[{"user","code","status","has_active","membership_number","bonus","balance","custom_fields"}]}: ` +
				"the card is in these wallets since before, without an event",
			(*Sim).addHolders},
	}
}

func apiControls() []control {
	return []control{
		{"GET /_sim/calls", "counts per API path and outcome, and the last refusals with their reasons", (*Sim).showCalls},
		{"DELETE /_sim/calls", "count from zero", (*Sim).resetCalls},
		{"GET /_sim/faults", "the queued faults, what is left of them and how often each hit", (*Sim).listFaults},
		{"POST /_sim/faults", "queue one fault, see README", withBody((*Sim).addFault)},
		{"DELETE /_sim/faults", "forget all faults, or those of ?path=", (*Sim).clearFaults},
		{"PUT /_sim/quotas", `{"path","per_minute","per_day"}: 0 is no bound; "path#force", "path#user" and "path#button" name the special ones`,
			locked((*Sim).setQuota)},
		{"POST /_sim/tokens/expire",
			`{"what":"access_token|wx_card|jsapi|all","account":"official|miniprogram","errcode":40001}: kills the current ones`,
			locked((*Sim).expireTokens)},
		{"PUT /_sim/ip-whitelist", `{"ips":[]}: who may call for the Official Account; empty is everybody`, locked((*Sim).setIPWhitelist)},
	}
}

func settingControls() []control {
	return []control{
		{"PUT /_sim/guesses", "change switches by name, see guesses", locked((*Sim).setAssumptions)},
		{"GET /_sim/clock", "WeChat's time", (*Sim).showClock},
		{"POST /_sim/clock/advance", `{"seconds"}: moves WeChat's clock, not this machine's`, withBody((*Sim).advanceClock)},
	}
}

func (s *Sim) describe(*http.Request) (any, error) {
	var imitated []object
	for _, ep := range endpoints() {
		imitated = append(imitated, object{"method": ep.method, "path": ep.path})
	}
	return object{"about": "a simulated WeChat: not for production, everything is forgotten at exit",
		"imitates": imitated, "control": controls(), "events": push.Kinds(), "guesses": s.Assumptions(),
		"not_reproduced": NotReproduced("en"), "now": s.Now().UTC().Format(time.RFC3339)}, nil
}

// NotReproduced lists what success with the simulator does not prove, in Chinese if lang
// is zh, else in English.
func NotReproduced(lang string) []string {
	i := 0
	if lang == "zh" {
		i = 1
	}
	var list []string
	for _, text := range notReproduced {
		list = append(list, text[i])
	}
	return list
}

var notReproduced = [][2]string{
	{"nothing was compared with the real WeChat: every rule comes from documents and from reports of others",
		"没有与真实的微信对照过：所有规则都来自文档和他人的报告"},
	{"card types other than MEMBER_CARD, redemption at a till, payments, shops and permissions of sub-accounts",
		"会员卡以外的卡券类型、核销、支付、门店、子商户权限"},
	{"what a shelf looks like, QR codes for several cards, and pushes that are not about cards",
		"卡券货架的页面、一次领取多张卡的二维码、与卡券无关的推送"},
	{"the review by people: POST /_sim/cards/{card_id}/approve decides", "人工审核：由 POST /_sim/cards/{card_id}/approve 决定"},
	{"length limits that are not in the tables of \"Create member card\"", "《创建会员卡》各表之外的长度限制"},
	{"the windows of the in-app browser: wx.addCard adds without asking; of wx there are config, ready, error, checkJsApi, addCard, openCard",
		"微信内网页的窗口：wx.addCard 不询问就放入；wx 只有 config、ready、error、checkJsApi、addCard、openCard"},
	{"that pages open in WeChat only, the consent to snsapi_userinfo, snapshot pages, and the file that proves a domain",
		"只能在微信里打开、snsapi_userinfo 的授权、快照页、验证域名的文件"},
	{"which of several faults of one request WeChat names first", "一个请求有多处错误时，微信先报哪一处"},
	{"how fast WeChat is, and its limits per second", "微信的响应速度和每秒的次数限制"},
}

func (s *Sim) showAccounts(*http.Request) (any, error) { return s.Accounts(), nil }

func (s *Sim) showCalls(*http.Request) (any, error) {
	counts, refusals := s.calls.snapshot()
	return object{"calls": counts, "refusals": refusals}, nil
}

func (s *Sim) resetCalls(*http.Request) (any, error) {
	s.calls.reset()
	return object{}, nil
}

func (s *Sim) listFaults(*http.Request) (any, error) { return object{"faults": s.faults.list()}, nil }

func (s *Sim) addFault(f Fault) (any, error) {
	err := s.AddFault(f)
	return object{"faults": s.faults.list()}, err
}

func (s *Sim) clearFaults(r *http.Request) (any, error) {
	s.faults.clear(r.URL.Query().Get("path"))
	return s.listFaults(r)
}

func (s *Sim) setQuota(in struct {
	Path string `json:"path"`
	quota
}) (any, error) {
	if in.Path == "" || in.PerDay < 0 || in.PerMinute < 0 {
		return nil, invalidField("path", "path is needed; per_minute and per_day are not negative")
	}
	s.quotas[in.Path] = in.quota
	return maps.Clone(s.quotas), nil
}

func (s *Sim) setIPWhitelist(in struct {
	IPs []string `json:"ips"`
}) (any, error) {
	s.ipWhitelist = in.IPs
	return in, nil
}

func (s *Sim) setAssumptions(in map[string]string) (any, error) {
	next := s.assumptions
	for name, value := range in {
		if !next.set(name, value) {
			return nil, invalidField(name, "no guess is named %s", name)
		}
	}
	if err := next.complete(); err != nil {
		return nil, err
	}
	s.assumptions = next
	s.events.SetStyle(next.eventStyle())
	s.quotas["/cgi-bin/ticket/getticket"] = quota{PerDay: number(next.TicketQuota)}
	return object{"guesses": next.List()}, nil
}

func (s *Sim) showClock(*http.Request) (any, error) {
	now := s.Now()
	return object{"now": now.UTC().Format(time.RFC3339), "unix": now.Unix()}, nil
}

func (s *Sim) advanceClock(in struct {
	Seconds int64 `json:"seconds"`
}) (any, error) {
	const century = 100 * 365 * 86400
	if in.Seconds == 0 || in.Seconds > century || in.Seconds < -century {
		return nil, invalidField("seconds", "seconds must be a whole number, not 0 and within a century")
	}
	s.Advance(time.Duration(in.Seconds) * time.Second)
	return s.showClock(nil)
}
