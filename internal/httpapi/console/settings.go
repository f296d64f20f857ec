package console

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/addcard/addcard/internal/shop"
)

// shopSettings are those of GET /v1/settings.
type shopSettings struct {
	shop.Settings

	TimeZone string `json:"time_zone"`
}

// setting is a number as the form shows it. Its text is "settings." and its name.
type setting struct {
	Name string
	Now  int64
	Yuan bool // Now is in fen
}

// fields returns the settings in the order of the form.
func (s shopSettings) fields() []setting {
	return []setting{
		{"points_per_100_yuan", s.PointsPer100Yuan, false},
		{"bonus_per_entry", s.Cashier.BonusPerEntry, false},
		{"bonus_per_day", s.Cashier.BonusPerDay, false},
		{"balance_per_entry", s.Cashier.BalancePerEntry, true},
		{"balance_per_day", s.Cashier.BalancePerDay, true},
	}
}

// Text returns the setting as a person types it.
func (s setting) Text(v View) string {
	if s.Yuan {
		return v.Yuan(s.Now)
	}
	return strconv.FormatInt(s.Now, 10)
}

// settings shows the settings of the shop, and who has changed them last.
func (c *Console) settings(r *request) error {
	var data struct {
		shopSettings

		Fields []setting
		Last   *record
	}
	if err := r.get("/v1/settings", nil, &data.shopSettings); err != nil {
		return err
	}
	data.Fields = data.fields()
	var log struct {
		Records []record `json:"records"`
	}
	if err := r.get("/v1/audit", url.Values{"action": {"setShopSettings"}, "limit": {"20"}}, &log); err != nil {
		return err
	}
	for _, last := range log.Records {
		if last.Result == "done" && len(last.Changes) > 0 {
			data.Last = &last
			break
		}
	}
	r.offer(http.MethodPut, "/v1/settings", "", map[string]int64{"points_per_100_yuan": data.PointsPer100Yuan})
	return r.render(http.StatusOK, "settings", data)
}

// changeSettings changes the settings that the person has changed in the form, and no
// others: two people may each have one open. If one of them has another value now than
// the form began with, nothing is changed, and the form says so.
func (c *Console) changeSettings(r *request) error {
	var now shopSettings
	if err := r.get("/v1/settings", nil, &now); err != nil {
		return err
	}
	body, cashier, will := map[string]any{}, map[string]int64{}, map[string]int64{}
	for _, f := range now.fields() {
		will[f.Name] = f.Now
		n, ok := settingValue(r.PostForm(f.Name), f.Yuan)
		was, err := strconv.ParseInt(r.PostForm("was_"+f.Name), 10, 64)
		switch {
		case !ok || err != nil:
			return r.again(invalid("invalid_setting"), c.settings)
		case n == was:
			continue
		case was != f.Now:
			return r.again(&problem{Status: http.StatusConflict, Code: "settings_changed"}, c.settings)
		case f.Name == "points_per_100_yuan":
			body[f.Name] = n
		default:
			cashier[f.Name], will[f.Name] = n, n
		}
	}
	for _, name := range []string{"bonus", "balance"} { // a day of 0 stops the bookings
		if day := will[name+"_per_day"]; len(cashier) > 0 && day > 0 && will[name+"_per_entry"] > day {
			return r.again(invalid("entry_above_day"), c.settings)
		}
	}
	if len(cashier) > 0 {
		body["cashier"] = cashier
	}
	if len(body) == 0 {
		return r.back("/settings?done=settings_same")
	}
	if err := r.call(http.MethodPut, "/v1/settings", nil, body, nil); err != nil {
		return r.again(err, c.settings)
	}
	return r.back("/settings?done=settings")
}

// settingValue returns a whole number of at least 0, or of an amount in yuan its fen.
func settingValue(text string, yuan bool) (n int64, ok bool) {
	text = strings.TrimSpace(text)
	if strings.Trim(text, "0") == "" || strings.Trim(text, "0") == "." {
		return 0, text != "" && text != "."
	}
	return amount(text, yuan)
}
