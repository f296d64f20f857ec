package console_test

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"testing"

	"github.com/addcard/addcard/internal/testing/apptest"
	"github.com/addcard/addcard/internal/wechatsim"
)

// formOf returns the fields of the inputs on a page, as a browser would send them.
func formOf(p page) url.Values {
	form := url.Values{}
	for _, m := range regexp.MustCompile(`<input [^>]*>`).FindAllString(p.text, -1) {
		name, value := regexp.MustCompile(` name="([^"]*)"`).FindStringSubmatch(m), regexp.MustCompile(` value="([^"]*)"`).FindStringSubmatch(m)
		if name != nil && value != nil {
			form.Set(name[1], html.UnescapeString(value[1]))
		}
	}
	return form
}

func shopSettings(t *testing.T, s *apptest.Server) (got struct {
	Points  int64 `json:"points_per_100_yuan"`
	Cashier map[string]int64
},
) {
	t.Helper()
	s.Operate(http.MethodGet, "/v1/settings", nil).Is(t, 200).JSON(t, &got)
	return got
}

func TestSettings_AreSavedAndNamed(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	w.Env["SHOP_TIME_ZONE"] = "Asia/Urumqi"
	s := w.Serve()
	zoe := asStaff(t, s, "Zoe", "manager")
	form := formOf(zoe.open("/settings").shows(200, "Asia/Urumqi", "SHOP_TIME_ZONE", `value="1000.00"`, "/v1/settings"))
	form.Set("points_per_100_yuan", "0")
	form.Set("balance_per_day", " 9999999999.99 ")
	saved := zoe.send("/settings", form).shows(200, "已保存", "最后由 Zoe 于", `value="9999999999.99"`, `href="/audit?action=setShopSettings"`)
	if got := shopSettings(t, s); got.Points != 0 || got.Cashier["balance_per_day"] != 999_999_999_999 ||
		got.Cashier["bonus_per_day"] != 10_000 {
		t.Errorf("got %+v", got)
	}
	zoe.send("/settings", formOf(saved)).shows(200, "没有改动")
	before := shopSettings(t, s)
	for field, values := range map[string][]string{
		"bonus_per_day":   {"", "-1", "1.5", "x", "1e3", "99999999999999999999"},
		"balance_per_day": {"", ".", "-0.01", "1.234", "<b>"},
	} {
		for _, value := range values {
			form := formOf(saved)
			form.Set(field, value)
			zoe.send("/settings", form).shows(422, "须为 0 或正整数", `value="`+html.EscapeString(value)+`"`)
		}
	}
	form = formOf(saved)
	form.Set("bonus_per_day", "1000000000001")
	zoe.send("/settings", form).shows(422, "body.cashier.bonus_per_day", `value="1000000000001"`)
	if got := shopSettings(t, s); got.Cashier["bonus_per_day"] != before.Cashier["bonus_per_day"] {
		t.Errorf("a wrong form has changed %+v", got)
	}
	form = formOf(saved)
	form.Set("bonus_per_entry", "10001")
	zoe.send("/settings", form).shows(422, "每笔限额不能高于每天限额", `value="10001"`, `title="只填整数"`)
	form.Set("bonus_per_day", "0") // which stops the bookings
	zoe.send("/settings", form).shows(200, "已保存")
	max := asStaff(t, s, "Max", "cashier")
	max.open("/settings").shows(403)
	max.send("/settings", form).shows(403)
}

// Two people have the form open. One does not undo what the other has changed, and is
// told if both change the same.
func TestSettings_OfTwoPeopleAtOnce(t *testing.T) {
	t.Parallel()
	s := apptest.New(t, wechatsim.Options{}).Serve()
	zoe, owner := asStaff(t, s, "Zoe", "manager"), signedIn(t, s, s.Admin)
	hers, his := formOf(zoe.open("/settings")), formOf(owner.open("/settings"))
	hers.Set("bonus_per_entry", "50")
	his.Set("bonus_per_day", "600")
	zoe.send("/settings", hers).shows(200, "已保存")
	owner.send("/settings", his).shows(200, "已保存")
	if got := shopSettings(t, s); got.Cashier["bonus_per_entry"] != 50 || got.Cashier["bonus_per_day"] != 600 {
		t.Errorf("got %+v", got)
	}
	his.Set("bonus_per_entry", "70")
	his.Set("bonus_per_day", "10000") // as it was when he opened the form
	again := owner.send("/settings", his).shows(409, "别人改过这项设置", `value="70"`, "现在是 50", "最后由 owner")
	if got := shopSettings(t, s); got.Cashier["bonus_per_entry"] != 50 {
		t.Errorf("got %+v", got)
	}
	owner.send("/settings", formOf(again)).shows(200, "已保存", `value="70"`)
}
