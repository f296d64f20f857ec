package wechatsim

import (
	"cmp"
	"regexp"
	"time"
)

const (
	pathPhoneNumber = "/wxa/business/getuserphonenumber"
	// phoneCodeLife is how long a code of the button can be exchanged ("Get phone number").
	phoneCodeLife = 5 * time.Minute
	// mainland is the country code of a person's number, if no other is set.
	mainland = "86"
)

// phoneCode is one code of the button with open-type getPhoneNumber.
type phoneCode struct {
	person *person
	appID  string
	at     time.Time
	used   bool
}

// PhoneCode taps the button with open-type getPhoneNumber on the phone of user and
// returns e.detail.code. A user without a number gets one.
func (s *Sim) PhoneCode(user string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := s.person(user)
	if err != nil {
		return "", err
	}
	return s.newPhoneCode(p, s.mini.AppID), nil
}

func (s *Sim) newPhoneCode(p *person, appID string) string {
	if p.phone == "" {
		p.phone = "13" + s.randomString(digits, 9)
	}
	code := MarkPhoneCode + s.randomString(alphanumeric, 56)
	s.phoneCodes.put(code, &phoneCode{person: p, appID: appID, at: s.Now()})
	return code
}

// phoneGetNumber taps the button and answers what e.detail has. The mini-program pays
// for each use; without any left, the phone refuses.
func (s *Sim) phoneGetNumber(p *person, in struct {
	AppID  string `json:"app_id"`
	Cancel bool   `json:"cancel"`
}) (any, error) {
	if in.Cancel {
		return object{"errMsg": "getPhoneNumber:fail user deny"}, nil
	}
	if s.countCall(s.mini, pathPhoneNumber+"#button", s.Now()) != nil {
		return object{"errMsg": "getPhoneNumber:fail jsapi has no permission", "errno": 1400001}, nil
	}
	return object{"errMsg": "getPhoneNumber:ok", "code": s.newPhoneCode(p, cmp.Or(in.AppID, s.mini.AppID))}, nil
}

var onlyDigits = regexp.MustCompile(`^[0-9]{1,15}$`)

func (p *person) setPhone(country, number string) error {
	country = cmp.Or(country, mainland)
	if !onlyDigits.MatchString(number) || !onlyDigits.MatchString(country) {
		return invalidField("phone", "phone is digits without country_code, which is digits too")
	}
	p.country, p.phone = country, number
	return nil
}

// fullPhone returns the number as WeChat's phoneNumber: with the country code if it is
// abroad.
func (p *person) fullPhone() string {
	if p.country == "" || p.country == mainland {
		return p.phone
	}
	return "+" + p.country + " " + p.phone
}

// getPhoneNumber is POST /wxa/business/getuserphonenumber ("Get phone number").
func (s *Sim) getPhoneNumber(c *call) (object, error) {
	code, openID := c.body.text("code"), c.body.text("openid")
	if err := c.body.err(); err != nil {
		return nil, err
	}
	p, err := s.redeemPhoneCode(c, code, openID)
	if err != nil {
		return nil, err
	}
	country := cmp.Or(p.country, mainland)
	info := object{
		"phoneNumber": p.fullPhone(), "purePhoneNumber": p.phone, "countryCode": country,
		"watermark": object{"timestamp": c.now.Unix(), "appid": c.account.AppID},
	}
	if s.assumptions.CountryCode == "number" {
		info["countryCode"] = number(country)
	}
	return success(object{"phone_info": info}), nil
}

// redeemPhoneCode uses up a code and returns the person who tapped the button.
func (s *Sim) redeemPhoneCode(c *call, code, openID string) (*person, error) {
	found := s.phoneCodes.items[code]
	switch {
	case found == nil:
		return nil, refuse(40029, "no such code of the button; one of wx.login is another")
	case found.appID != c.account.AppID:
		return nil, refuse(40013, "the code is of another mini-program than the access_token")
	case found.used:
		return nil, refuse(40029, "the code was used before")
	case c.now.Sub(found.at) >= phoneCodeLife:
		return nil, refuse(40029, "the code is older than 5 minutes")
	case openID != "" && openID != found.person.miniOpenID:
		return nil, refuse(number(s.assumptions.PhoneOpenID), "another user than openid tapped the button")
	}
	found.used = true
	return found.person, nil
}
