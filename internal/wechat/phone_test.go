package wechat_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/addcard/addcard/internal/wechat"
)

func TestPhoneNumber_IsReadHoweverWeChatWritesIt(t *testing.T) {
	t.Parallel()
	for _, country := range []string{`"86"`, `86`, `"+86"`, `86.0`} {
		u := says(t, fmt.Sprintf(`{"errcode":0,"errmsg":"ok","phone_info":{"phoneNumber":"13580006666","purePhoneNumber":"13580006666",
			"countryCode":%s,"watermark":{"timestamp":1637744274,"appid":"wx1"}}}`, country))
		got, err := u.client(t, twoTokens()).PhoneNumber(t.Context(), "code-1", "o1")
		if want := (wechat.PhoneNumber{CountryCode: "86", Number: "13580006666", AppID: "wx1"}); got != want || err != nil {
			t.Errorf("%s: got %+v, %v", country, got, err)
		}
		seen := u.seen()
		if len(seen) != 1 || seen[0].Path != "/wxa/business/getuserphonenumber" || seen[0].Body != `{"code":"code-1","openid":"o1"}` {
			t.Errorf("sent %+v", seen)
		}
	}
}

// Half an answer must not become a number that no person has, or one of another country.
func TestPhoneNumber_AnIncompleteAnswerIsAnError(t *testing.T) {
	t.Parallel()
	for field, info := range map[string]string{
		"purePhoneNumber": `{"countryCode":"86","watermark":{"appid":"wx1"}}`,
		"countryCode":     `{"purePhoneNumber":"13580006666","watermark":{"appid":"wx1"}}`,
		"watermark":       `{"purePhoneNumber":"13580006666","countryCode":"86"}`,
	} {
		_, err := says(t, `{"errcode":0,"phone_info":`+info+`}`).client(t, twoTokens()).PhoneNumber(t.Context(), "c", "o1")
		if err == nil || !strings.Contains(err.Error(), field) || strings.Contains(err.Error(), "13580006666") {
			t.Errorf("without %s: %v", field, err)
		}
	}
}

// A code can be used once: only a call that WeChat refused for its token is repeated.
func TestPhoneNumber_IsRepeatedOnlyForAToken(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]struct {
		calls            int
		refused, busy    bool
		quota, permanent bool
	}{
		`{"errcode":40001}`: {calls: 2}, `{"errcode":42001}`: {calls: 2},
		`{"errcode":40029}`: {calls: 1, refused: true}, `{"errcode":40003}`: {calls: 1, refused: true},
		`{"errcode":-1}`: {calls: 1, busy: true}, `{"errcode":-1000}`: {calls: 1, busy: true}, ``: {calls: 1, busy: true},
		`{"errcode":45011}`: {calls: 1, quota: true}, `{"errcode":45009}`: {calls: 1, quota: true},
		`{"errcode":40013}`: {calls: 1, permanent: true},
	} {
		u := says(t, answer)
		_, err := u.client(t, twoTokens()).PhoneNumber(t.Context(), "code-1", "o1")
		var refused *wechat.Error
		if !errors.As(err, &refused) || len(u.seen()) != want.calls {
			t.Errorf("%s: %v, %d calls", answer, err, len(u.seen()))
			continue
		}
		_, quota := refused.RetryAfter()
		if refused.PhoneCodeRefused() != want.refused || refused.Ambiguous() != want.busy || quota != want.quota ||
			refused.Permanent() != want.permanent {
			t.Errorf("%s: %v", answer, err)
		}
	}
	_, err := says(t, `{"errcode":40029}`).client(t, twoTokens()).DecryptCode(t.Context(), "x")
	if refused := (*wechat.Error)(nil); !errors.As(err, &refused) || refused.PhoneCodeRefused() {
		t.Errorf("another call: %v", err)
	}
}
