package wechatsim_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/wechatsim"
)

const numberPath = "/wxa/business/getuserphonenumber"

// tap taps the button with open-type getPhoneNumber and returns the code.
func (r *rig) tap(user string) string {
	r.t.Helper()
	return r.post("/_sim/phones/"+user+"/get-phone-number", nil).text("code")
}

// number exchanges a code of the button with the mini-program's token.
func (r *rig) number(body tree) reply {
	r.t.Helper()
	return r.post(numberPath+"?access_token="+r.stable(r.a.MiniProgram, false).text("access_token"), body)
}

func TestPhoneNumber_IsGivenOnce(t *testing.T) {
	t.Parallel()
	for choice, want := range map[string]any{"string": "86", "number": 86.0} {
		r := newRig(t, wechatsim.Options{Assumptions: wechatsim.Assumptions{CountryCode: choice}})
		r.do("PUT", "/_sim/phones/ann", tree{"phone": "13580006666"})
		p, _ := r.sim.Person("ann")
		code := r.tap("ann")
		got := r.number(tree{"code": code, "openid": p.MiniOpenID})
		info, _ := got["phone_info"].(tree)
		mark, _ := info["watermark"].(tree)
		if info["purePhoneNumber"] != "13580006666" || info["phoneNumber"] != "13580006666" || info["countryCode"] != want ||
			mark["appid"] != r.a.MiniProgram.AppID {
			t.Errorf("%s: %v", choice, got)
		}
		wantCode(t, r.number(tree{"code": code}), 40029)
		if !slices.Contains(r.sim.Secrets(), code) || !strings.HasPrefix(code, wechatsim.MarkPhoneCode) {
			t.Errorf("Secrets does not know %q", code)
		}
	}
}

func TestPhoneNumber_Abroad(t *testing.T) {
	t.Parallel()
	r := newRig(t, wechatsim.Options{})
	r.do("PUT", "/_sim/phones/ann", tree{"phone": "91234567", "country_code": "852"})
	info, _ := r.number(tree{"code": r.tap("ann")})["phone_info"].(tree)
	if info["phoneNumber"] != "+852 91234567" || info["purePhoneNumber"] != "91234567" || info["countryCode"] != "852" {
		t.Errorf("%v", info)
	}
	if got := r.do("PUT", "/_sim/phones/ann", tree{"phone": "junk"}); got.text("field") != "phone" {
		t.Errorf("a number that is none: %v", got)
	}
}

func TestPhoneNumber_Refusals(t *testing.T) {
	t.Parallel()
	r := newRig(t, wechatsim.Options{})
	wantCode(t, r.number(tree{"code": "garbage"}), 40029)
	wantCode(t, r.number(tree{"code": r.login("ann")}), 40029)
	wantCode(t, r.number(tree{"code": 1}), 47001)
	other := r.post("/_sim/phones/ann/get-phone-number", tree{"app_id": "wxother"}).text("code")
	wantCode(t, r.number(tree{"code": other}), 40013)
	late := r.tap("ann")
	r.sim.Advance(5 * time.Minute)
	wantCode(t, r.number(tree{"code": late}), 40029)

	bob, _ := r.sim.Person("bob")
	code := r.tap("ann")
	wantCode(t, r.number(tree{"code": code, "openid": bob.MiniOpenID}), 40029)
	r.do("PUT", "/_sim/guesses", tree{"phone_openid": "40003"})
	wantCode(t, r.number(tree{"code": code, "openid": bob.MiniOpenID}), 40003)
	wantCode(t, r.post(numberPath+"?access_token="+r.token(), tree{"code": code}), 40013)
	wantCode(t, r.post(numberPath, tree{"code": code}), 41001)
	wantCode(t, r.number(tree{"code": code}), 0) // none of that spent the code

	r.do("PUT", "/_sim/quotas", tree{"path": numberPath, "per_minute": 1})
	wantCode(t, r.number(tree{"code": r.tap("ann")}), 45011)
}

func TestPhoneNumber_WithoutUsesThePhoneRefuses(t *testing.T) {
	t.Parallel()
	r := newRig(t, wechatsim.Options{})
	r.do("PUT", "/_sim/quotas", tree{"path": numberPath + "#button", "per_day": 1})
	r.tap("ann")
	got := r.post("/_sim/phones/ann/get-phone-number", nil)
	if got["errno"] != 1400001.0 || got["code"] != nil || !strings.HasPrefix(got.text("errMsg"), "getPhoneNumber:fail") {
		t.Errorf("%v", got)
	}
	got = r.post("/_sim/phones/ann/get-phone-number", tree{"cancel": true})
	if got.text("errMsg") != "getPhoneNumber:fail user deny" || got["code"] != nil {
		t.Errorf("%v", got)
	}
}
