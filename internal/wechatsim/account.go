package wechatsim

// Account is one WeChat app: the mini-program, or the Official Account that owns
// the cards.
type Account struct {
	AppID      string `json:"app_id"`
	Secret     string `json:"secret"`
	OriginalID string `json:"original_id,omitempty"` // gh_…, the ToUserName of its events; Official Account only
}

// Accounts are the two apps of a [Sim]. If both have one AppID (a test account),
// they are one account with one token and one openid per person.
type Accounts struct {
	MiniProgram Account `json:"mini_program"`
	Official    Account `json:"official"`
}

// account is one app with the state that WeChat keeps for it.
type account struct {
	Account
	kind       string // "official" or "miniprogram"
	stable     *accessToken
	legacy     *accessToken
	lastForced int64 // Unix seconds of the last forced refresh
	tickets    map[string][]*ticket
	meters     map[string]*meter
}

// Accounts returns the two apps with their secrets.
func (s *Sim) Accounts() Accounts {
	return Accounts{MiniProgram: s.mini.Account, Official: s.official.Account}
}

func (s *Sim) openAccounts(a Accounts) {
	s.mini = s.newAccount("miniprogram", a.MiniProgram)
	if a.Official.AppID != "" && a.Official.AppID == s.mini.AppID {
		s.mini.kind, s.mini.OriginalID = "official", a.Official.OriginalID
		s.official = s.mini
	} else {
		s.official = s.newAccount("official", a.Official)
	}
	if s.official.OriginalID == "" {
		s.official.OriginalID = "gh_" + s.randomString(hexDigits, 12)
	}
}

func (s *Sim) newAccount(kind string, a Account) *account {
	if a.AppID == "" {
		a.AppID = "wx" + s.randomString(hexDigits, 16)
	}
	if a.Secret == "" {
		a.Secret = MarkSecret + s.randomString(hexDigits, 20)
	}
	return &account{Account: a, kind: kind, tickets: map[string][]*ticket{}, meters: map[string]*meter{}}
}
