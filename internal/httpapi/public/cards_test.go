package public_test

import (
	"strings"
	"testing"

	"github.com/addcard/addcard/internal/card"
	"github.com/addcard/addcard/internal/httpapi/public"
	"github.com/addcard/addcard/internal/testing/apptest"
	"github.com/addcard/addcard/internal/wechatsim"
)

func TestFace(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	cardID := w.Card(func(base, c map[string]any) {
		c["background_pic_url"] = "https://mmbiz.qlogo.cn/a/0"
		c["prerogative"], base["description"] = "双倍积分", "一元一分"
		c["supply_bonus"], c["supply_balance"] = true, false
		base["notice"], base["service_phone"], base["code_type"] = "结账时出示", "020-88888888", "CODE_TYPE_ONLY_QRCODE"
		c["custom_field1"] = map[string]any{"name_type": "FIELD_NAME_TYPE_LEVEL", "url": "https://shop.example/level"}
		c["custom_field3"] = map[string]any{"name": "里程"}
	})
	s := w.Serve()
	got := s.Get("/v1/cards/"+cardID, "")
	var face map[string]any
	got.JSON(t, &face)
	for name, want := range map[string]any{
		"prerogative": "双倍积分", "description": "一元一分", "supply_bonus": true, "supply_balance": false,
		"card_id": cardID, "title": "会员卡", "brand_name": "示例", "color": "Color010", "take": "add_card", "activation": "on_claim",
		"sold_out": false, "notice": "结账时出示", "service_phone": "020-88888888", "code_type": "CODE_TYPE_ONLY_QRCODE",
		"logo_url": "http://mmbiz.qpic.cn/a/0", "background_pic_url": "https://mmbiz.qlogo.cn/a/0",
	} {
		if face[name] != want {
			t.Errorf("%s: got %v, want %v", name, face[name], want)
		}
	}
	want := `"custom_fields":[{"field":"custom_field1","name_type":"FIELD_NAME_TYPE_LEVEL","url":"https://shop.example/level"},{"field":"custom_field3","name":"里程"}]`
	if !strings.Contains(string(got.Body), want) {
		t.Errorf("got %s, want %s in it", got.Body, want)
	}
	if strings.Contains(string(got.Body), "null") {
		t.Errorf("null in %s", got.Body)
	}
	s.Get("/v1/cards/pUnknown", "").Problem(t, 404, "card_not_found")
	s.Get("/v1/cards/has%20space", "").Problem(t, 422, "invalid_input")
}

// A card is shown as sold out only on a copy of the last seconds: the merchant may
// have raised the stock.
func TestFace_SoldOutUntilTheStockIsRaised(t *testing.T) {
	t.Parallel()
	s := &shop{}
	h := s.serve(public.Options{})
	soldOut := func() bool {
		t.Helper()
		w := do(h, "GET", "/v1/cards/p", "", "")
		if w.Code != 200 {
			t.Fatalf("got %d %s", w.Code, w.Body)
		}
		return strings.Contains(w.Body.String(), `"sold_out":true`)
	}
	if !soldOut() {
		t.Error("not sold out without stock")
	}
	s.restocked = card.Card{ID: "p", Quantity: 5}
	if soldOut() {
		t.Error("sold out after the stock was raised")
	}
}
