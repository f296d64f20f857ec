package push_test

import (
	"strings"
	"testing"

	"github.com/addcard/addcard/internal/wechatsim/push"
)

func TestTrigger_WithoutASimulator(t *testing.T) {
	t.Parallel()
	trigger := push.Trigger{Callback: push.Callback{URL: "http://127.0.0.1:1/cb", Token: "AAAAA",
		EncodingAESKey: "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG", AppID: "wxa"},
		ToUserName: "gh_a", FromUserName: "oA", Event: "user_get_card", Fields: map[string]string{"UserCardCode": "A1"},
		Omit: []string{"UnionId"}}
	one, err := trigger.Request(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	two, err := trigger.Request(t.Context())
	if err != nil || one.URL.Query().Get("nonce") == two.URL.Query().Get("nonce") {
		t.Errorf("one nonce for two requests: %v", err)
	}
	for field, bad := range map[string]func(*push.Trigger){
		"event": func(x *push.Trigger) { x.Event = "x" }, "token": func(x *push.Trigger) { x.Token = "" },
		"encoding_aes_key": func(x *push.Trigger) { x.EncodingAESKey = "short" }, "mode": func(x *push.Trigger) { x.Mode = "x" },
		"app_id": func(x *push.Trigger) { x.AppID = "" }, "url": func(x *push.Trigger) { x.URL = "" },
	} {
		broken := trigger
		bad(&broken)
		if _, err := broken.Request(t.Context()); err == nil || !strings.HasPrefix(err.Error(), field+": ") {
			t.Errorf("%s: %v", field, err)
		}
	}
}
